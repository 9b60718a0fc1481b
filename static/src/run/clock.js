/** The server's clock, as far as this page can tell: a reader's own may be wrong, and durations must not show it. */

export class Clock {
  #ahead_ms;

  /** @param {string|undefined} serverNow ISO, as the page was rendered. */
  constructor(serverNow) {
    const ahead = serverNow ? Date.parse(serverNow) - Date.now() : 0;
    // What loading the page took is no wrong clock.
    this.#ahead_ms = Math.abs(ahead) > 5000 ? ahead : 0;
  }

  /** Milliseconds. */
  now() {
    return Date.now() + this.#ahead_ms;
  }
}
