/** A part of the page that the server draws again when something changed: without a jump, and keeping the focus. */

import { Idiomorph } from "idiomorph";

import { LiveSocket } from "./socket.js";

export class LivePart {
  /**
   * @param {HTMLElement} element Its inside is what the server answers to `HX-Request`.
   * @param {{onDrawn?: () => void, address?: string, isNews?: (html: string) => boolean}} [options] `address`: where
   *   the part is asked for, unless at the page's present address. `isNews`: what it says no to is not drawn.
   */
  constructor(element, { onDrawn, address, isNews } = {}) {
    this.element = element;
    this.onDrawn = onDrawn ?? (() => {});
    this.address = address;
    this.isNews = isNews ?? (() => true);
    this.running = false;
    this.again = false;
  }

  /** Ask the server for the part. Calls that come meanwhile become one more. */
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
    const response = await fetch(this.address ?? asked, { headers: { "HX-Request": "true" }, credentials: "same-origin" }).catch(() => null);
    // A page that is somewhere else by now asks again for itself; a lost server is the socket's to tell.
    if (!response?.ok || response.redirected || asked !== window.location.href) return;
    const html = await response.text();
    if (this.isNews(html)) this.draw(html);
  }

  draw(html) {
    const callbacks = { beforeNodeMorphed: isNotKept };
    Idiomorph.morph(this.element, html, { morphStyle: "innerHTML", ignoreActiveValue: true, callbacks });
    document.dispatchEvent(new CustomEvent("studio:drawn"));
    this.onDrawn();
  }
}

/** An element with `data-kept`, told by its id, belongs to the browser: what it drew there stays. */
function isNotKept(/** @type {Node} */ old) {
  return !(old instanceof HTMLElement && "kept" in old.dataset);
}

/**
 * Hear of changes in a workspace.
 * @param {string} path The workspace's live socket.
 * @param {string[]} what Kinds of changes.
 * @param {() => void} onChange Also as soon as the server listens, at first and after each reconnect: something may
 *   have changed since the page was drawn, and nobody told.
 * @param {HTMLElement|null} note Says whether the page is live.
 */
export function listen(path, what, onChange, note) {
  const words = note?.querySelector("[data-live-words]");
  const socket = new LiveSocket(path, {
    onOpen: () => socket.send({ type: "watch", what }),
    onMessage: (message) => {
      if (message.type === "changed" || message.type === "watching") onChange();
    },
    onState: (state) => {
      if (!note || !words) return;
      note.dataset.state = state;
      words.textContent =
        { connecting: "Connecting", open: "Live", reconnecting: "Reconnecting", closed: "Not live: reload the page" }[state];
    },
  });
  return socket;
}
