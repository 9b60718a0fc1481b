/** What one step measured. */

import { MetricsPane } from "../metrics_pane.js";

export class MetricsTab {
  /** @param {HTMLElement} root @param {any} context As the panel makes it. */
  constructor(root, context) {
    this.name = context.name;
    this.pane = new MetricsPane(root, { url: context.urls.metrics, step: context.name });
  }

  show() {
    this.pane.show();
  }

  /** The step moved: it may have measured for the last time. */
  draw() {
    this.hear([this.name]);
  }

  hear(steps) {
    this.pane.hear(steps);
  }

  hide() {
    this.pane.show(false);
  }

  destroy() {
    this.pane.destroy();
  }
}
