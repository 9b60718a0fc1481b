/** With what a step ran. */

import { h } from "../dom.js";

export class EnvironmentTab {
  constructor(root) {
    this.root = root;
  }

  draw(detail) {
    if (!detail) {
      return;
    }
    const { python_version: python, pip = [] } = detail.environment;
    this.root.replaceChildren(
      h(
        "dl",
        { class: "kv" },
        h("div", {}, h("dt", { text: "Environment" }), h("dd", { text: detail.environment_name })),
        h("div", {}, h("dt", { text: "Python" }), h("dd", { class: "num", text: python })),
      ),
      h(
        "section",
        { class: "run-section" },
        h("h3", { text: "Packages" }),
        pip.length > 0
          ? h("pre", { class: "run-command" }, h("code", { text: pip.join("\n") }))
          : h("p", { class: "muted", text: "None beyond the standard library." }),
      ),
    );
  }
}
