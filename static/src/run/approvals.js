/** The questions above everything else that wait for somebody's answer: the server draws them, this sends the answers. */

import { api } from "../lib/api.js";
import { toast } from "../lib/toast.js";

export class Approvals {
  /**
   * @param {HTMLElement} root
   * @param {import("./store.js").RunStore} store
   * @param {{url: string, stepUrl: (name: string) => string}} options `url` gives the partial that the page began with.
   */
  constructor(root, store, { url, stepUrl }) {
    this.root = root;
    this.store = store;
    this.url = url;
    this.stepUrl = stepUrl;
    this.shown = goingWithoutJob(store.state);
    root.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#answer(/** @type {SubmitEvent} */ (event));
    });
    // What is typed stays while other steps move: it is drawn anew only where a step begins to wait, or ends.
    store.subscribe(() => {
      if (goingWithoutJob(store.state) !== this.shown) this.#reread();
    });
  }

  async #reread() {
    const asked = (this.shown = goingWithoutJob(this.store.state));
    const response = await fetch(this.url, { credentials: "same-origin" }).catch(() => null);
    if (!response?.ok) {
      this.shown = "";
      return;
    }
    const typed = new Map(this.#sections().map((section) => [section.dataset.approval, section.querySelector("textarea")?.value ?? ""]));
    const html = await response.text();
    if (asked !== this.shown) return; // another one is on its way
    const on = /** @type {HTMLTextAreaElement | null} */ (this.root.querySelector("textarea:focus"));
    const of = /** @type {HTMLElement | null | undefined} */ (on?.closest("[data-approval]"))?.dataset.approval;
    this.root.innerHTML = html; // the same partial as on the first load, escaped by the server
    for (const section of this.#sections()) {
      const area = section.querySelector("textarea");
      if (area) area.value = typed.get(section.dataset.approval) ?? "";
      if (area && on && of === section.dataset.approval) {
        area.focus({ preventScroll: true });
        area.setSelectionRange(on.selectionStart, on.selectionEnd);
      }
    }
  }

  /** @returns {any[]} */
  #sections() {
    return [...this.root.querySelectorAll("[data-approval]")];
  }

  async #answer(event) {
    const form = event.target;
    const button = event.submitter;
    const { approval } = form.closest("[data-approval]").dataset;
    const buttons = [...form.querySelectorAll("button")];
    for (const each of buttons) each.disabled = true;
    try {
      await api.post(`${this.stepUrl(approval)}answer/`, { approve: button.value === "yes", comment: form.comment.value });
      toast(button.value === "yes" ? `Approved “${approval}”.` : `Rejected “${approval}”.`, "success");
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "error");
      for (const each of buttons) each.disabled = false;
    }
  }
}

/** The names of the steps that go on without a job: waits and approvals. */
export function goingWithoutJob(state) {
  const names = state.steps.filter((step) => !step.has_job && step.status === "running").map((step) => step.name);
  return JSON.stringify(names);
}
