/** A tab whose code comes when somebody looks at it: not every reader does, and every run's page would wait for it. */

/** @param {() => Promise<new (root: HTMLElement, context: any) => any>} load @returns {new (root: HTMLElement, context: any) => any} */
export function later(load) {
  return class {
    constructor(root, context) {
      this.shown = false;
      this.gone = false;
      load().then(
        (Tab) => {
          if (this.gone) return;
          this.tab = new Tab(root, context);
          if (this.shown) this.tab.show?.();
          if (this.given) this.tab.draw?.(...this.given);
        },
        () => {
          root.textContent = "This part of the page could not be read. Reload the page.";
        },
      );
    }

    show() {
      this.shown = true;
      this.tab?.show?.();
    }

    hide() {
      this.shown = false;
      this.tab?.hide?.();
    }

    draw(...given) {
      this.given = given;
      this.tab?.draw?.(...given);
    }

    hear(...given) {
      this.tab?.hear?.(...given);
    }

    destroy() {
      this.gone = true;
      this.tab?.destroy?.();
    }
  };
}
