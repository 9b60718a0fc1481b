/** A part of the page that the server draws again when something changed: without a jump, and keeping the focus. */

import { Idiomorph } from "idiomorph";

import { LiveSocket } from "./socket.js";

export class LivePart {
  /**
   * @param {HTMLElement} element Its inside is what the server answers to `HX-Request`.
   * @param {{onDrawn?: () => void}} [options]
   */
  constructor(element, { onDrawn } = {}) {
    this.element = element;
    this.onDrawn = onDrawn ?? (() => {});
    this.running = false;
    this.again = false;
  }

  /** Ask the server for the part at the page's present address. Calls that come meanwhile become one more. */
  async refresh() {
    if (this.running) {
      this.again = true;
      return;
    }
    this.running = true;
    try {
      do {
        this.again = false;
        await this.#fetch();
      } while (this.again);
    } finally {
      this.running = false;
    }
  }

  async #fetch() {
    const asked = window.location.href;
    const response = await fetch(asked, { headers: { "HX-Request": "true" }, credentials: "same-origin" }).catch(() => null);
    // A page that is somewhere else by now asks again for itself; a lost server is the socket's to tell.
    if (!response?.ok || response.redirected || asked !== window.location.href) return;
    this.draw(await response.text());
  }

  draw(html) {
    Idiomorph.morph(this.element, html, { morphStyle: "innerHTML", ignoreActiveValue: true });
    document.dispatchEvent(new CustomEvent("studio:drawn"));
    this.onDrawn();
  }
}

/**
 * Hear of changes in a workspace.
 * @param {string} path The workspace's live socket.
 * @param {string[]} what Kinds of changes.
 * @param {() => void} onChange Also after each reconnect: something may have been missed.
 * @param {HTMLElement|null} note Says whether the page is live.
 */
export function listen(path, what, onChange, note) {
  let wasAway = false;
  const words = note?.querySelector("[data-live-words]");
  const socket = new LiveSocket(path, {
    onOpen: () => {
      socket.send({ type: "watch", what });
      if (wasAway) onChange();
    },
    onMessage: (message) => {
      if (message.type === "changed") onChange();
    },
    onState: (state) => {
      if (state === "reconnecting") wasAway = true;
      if (!note || !words) return;
      note.dataset.state = state;
      words.textContent =
        { connecting: "Connecting", open: "Live", reconnecting: "Reconnecting", closed: "Not live: reload the page" }[state];
    },
  });
  return socket;
}
