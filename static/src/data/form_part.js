/** A part of a form that the server draws from what is typed in the whole of it: settings, steps, the first rows. */
import { Idiomorph } from "idiomorph";

import { csrfToken, errorFrom } from "../lib/api.js";

const TYPING_MS = 600;

export class FormPart {
  /**
   * @param {HTMLFormElement} form `data-part-url` answers its fields with the inside of `[data-form-part]`.
   * @param {{onDrawn?: () => void}} [options]
   */
  constructor(form, { onDrawn } = {}) {
    this.form = form;
    this.part = /** @type {HTMLElement} */ (form.querySelector("[data-form-part]"));
    this.onDrawn = onDrawn ?? (() => {});
    this.asked = new AbortController();
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    this.timer = undefined;
  }

  /** Ask once typing pauses. */
  soon() {
    clearTimeout(this.timer);
    this.part.setAttribute("aria-busy", "true");
    this.timer = setTimeout(() => this.now(), TYPING_MS);
  }

  /** Ask at once; what was asked before no longer counts. */
  async now(wish = "") {
    clearTimeout(this.timer);
    this.asked.abort();
    const asked = (this.asked = new AbortController());
    this.part.setAttribute("aria-busy", "true");
    const body = new FormData(this.form);
    if (wish) body.set("do", wish);
    try {
      const response = await fetch(this.form.dataset.partUrl, {
        method: "POST",
        body,
        signal: asked.signal,
        credentials: "same-origin",
        headers: { "X-CSRFToken": csrfToken(), "HX-Request": "true" },
      });
      if (!response.ok || response.redirected) throw errorFrom(response.redirected ? 401 : response.status, null);
      this.#draw(await response.text());
    } catch (/** @type {any} */ error) {
      if (error.name === "AbortError") return;
      this.#say(error.detail ?? errorFrom(0, null).detail);
    }
    this.part.setAttribute("aria-busy", "false");
    this.onDrawn();
  }

  #draw(html) {
    Idiomorph.morph(this.part, html, { morphStyle: "innerHTML", ignoreActiveValue: true });
    document.dispatchEvent(new CustomEvent("studio:drawn"));
  }

  #say(sentence) {
    this.part.querySelector("[data-part-error]")?.remove();
    const note = document.createElement("div");
    note.className = "form-errors";
    note.dataset.partError = "";
    note.setAttribute("role", "alert");
    note.textContent = sentence;
    this.part.prepend(note);
  }
}
