/** The line that says how a test of a connection went. */

export class TestResult {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
  }

  busy(/** @type {string} */ words) {
    this.#show("busy", words);
  }

  good(/** @type {string} */ words) {
    this.#show("good", words);
  }

  bad(/** @type {string} */ words) {
    this.#show("bad", words);
  }

  #show(state, words) {
    this.element.hidden = false;
    this.element.dataset.state = state;
    this.element.querySelector("[data-test-words]").textContent = words;
  }
}
