/**
 * The run's socket: keeps the store up to date, whatever happens to the connection.
 *
 * After every connect it says which event it saw last and gets what came after. A connection can be dead without
 * knowing (a laptop slept, a network went): coming back to the page, and every `PROBE_MS`, the server is asked again,
 * and where no answer comes in time the socket is opened anew.
 */

import { LiveSocket } from "../lib/socket.js";

const PROBE_MS = 20_000;
const PATIENCE_MS = 4_000;
const GAP_RETRY_MS = 500;

export class RunConnection {
  /**
   * @param {string} path
   * @param {import("./store.js").RunStore} store
   * @param {{onState: (state: string, code: number|null) => void, onLog: (message: any) => void, onMetrics: (steps: string[]) => void}} handlers
   */
  constructor(path, store, { onState, onLog, onMetrics }) {
    this.store = store;
    this.onLog = onLog;
    this.onMetrics = onMetrics;
    this.watched = null;
    this.socket = new LiveSocket(path, {
      onOpen: () => {
        this.#ask();
        this.#watch();
      },
      onMessage: (message) => this.#hear(message),
      onState,
    });
    this.probe = setInterval(() => this.#ask(), PROBE_MS);
    document.addEventListener("visibilitychange", () => document.hidden || this.#ask());
    globalThis.addEventListener("online", () => this.#ask());
  }

  /** Hear of the growth of this step's log; null for none. */
  watchLog(step) {
    this.watched = step;
    this.#watch();
  }

  #watch() {
    this.socket.send({ type: "watch_log", step: this.watched });
  }

  #ask() {
    if (!this.socket.send({ type: "since", seq: this.store.lastEvent })) {
      return;
    }
    this.patience ??= setTimeout(() => {
      this.patience = undefined;
      this.socket.restart();
    }, PATIENCE_MS);
  }

  #hear(message) {
    clearTimeout(this.patience);
    this.patience = undefined;
    if (message.type === "events") {
      const { gap } = this.store.apply(message.events);
      if (gap || message.last_event > this.store.lastEvent) {
        clearTimeout(this.gapTimer);
        this.gapTimer = setTimeout(() => this.#ask(), GAP_RETRY_MS);
      }
    } else if (message.type === "log") {
      this.onLog(message);
    } else if (message.type === "metrics") {
      this.onMetrics(message.steps);
    }
  }
}
