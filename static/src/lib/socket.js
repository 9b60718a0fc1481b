/** A JSON websocket that comes back by itself. What was missed meanwhile, the page asks for in `onOpen`. */

const FIRST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 15_000;
const PATIENCE_MS = 10_000;

/**
 * How long to wait before attempt `attempt` (from 0): doubling, capped, and spread so that tabs don't return at once.
 * @param {number} attempt
 * @param {number} [random] In [0, 1).
 * @returns {number} Milliseconds.
 */
export function backoff(attempt, random = Math.random()) {
  const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 10));
  return ceiling / 2 + (random * ceiling) / 2;
}

/** Closed by the server for a reason that trying again won't mend: signed out, not allowed, not there. */
const FINAL_CODES = new Set([4401, 4403, 4404]);

/**
 * @typedef {"connecting"|"open"|"reconnecting"|"closed"} SocketState
 */

export class LiveSocket {
  /**
   * @param {string} path As in `/ws/w/demo/live/`.
   * @param {object} [handlers]
   * @param {() => void} [handlers.onOpen] After every connect and reconnect: send here what you want to hear of.
   * @param {(message: any) => void} [handlers.onMessage]
   * @param {(state: SocketState, code: number|null) => void} [handlers.onState] "closed" comes with the close code.
   * @param {typeof WebSocket} [handlers.WebSocketClass]
   */
  constructor(path, { onOpen, onMessage, onState, WebSocketClass = globalThis.WebSocket } = {}) {
    this.path = path;
    this.onOpen = onOpen ?? (() => {});
    this.onMessage = onMessage ?? (() => {});
    this.onState = onState ?? (() => {});
    this.WebSocketClass = WebSocketClass;
    this.attempt = 0;
    this.wasOpen = false;
    this.stopped = false;
    /** @type {SocketState|null} */
    this.state = null;
    this.wake = () => this.#retryNow();
    globalThis.addEventListener?.("online", this.wake);
    globalThis.document?.addEventListener("visibilitychange", this.wake);
    this.#connect();
  }

  /**
   * @param {any} message
   * @returns {boolean} False where the socket is away; `onOpen` comes when it is back.
   */
  send(message) {
    if (this.state !== "open") return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** Give the connection up for dead and open a new one at once. */
  restart() {
    if (this.stopped) return;
    this.socket.close();
    this.#connect();
  }

  close() {
    this.stopped = true;
    clearTimeout(this.timer);
    clearTimeout(this.patience);
    globalThis.removeEventListener?.("online", this.wake);
    globalThis.document?.removeEventListener("visibilitychange", this.wake);
    this.socket?.close();
    this.#setState("closed", null);
  }

  #url() {
    const { protocol, host } = globalThis.location;
    return `${protocol === "https:" ? "wss:" : "ws:"}//${host}${this.path}`;
  }

  #connect() {
    this.#setState(this.wasOpen || this.attempt > 0 ? "reconnecting" : "connecting", null);
    const socket = new this.WebSocketClass(this.#url());
    this.socket = socket;
    // A network that swallows packets answers neither yes nor no.
    clearTimeout(this.patience);
    this.patience = setTimeout(() => socket.close(), PATIENCE_MS);
    socket.onopen = () => {
      if (socket !== this.socket) return;
      clearTimeout(this.patience);
      this.attempt = 0;
      this.wasOpen = true;
      this.#setState("open", null);
      this.onOpen();
    };
    socket.onmessage = (event) => {
      if (socket === this.socket && !this.stopped) this.onMessage(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      if (socket !== this.socket || this.stopped) return;
      clearTimeout(this.patience);
      if (FINAL_CODES.has(event.code)) {
        this.stopped = true;
        this.#setState("closed", event.code);
        return;
      }
      this.#setState("reconnecting", null);
      this.timer = setTimeout(() => this.#connect(), backoff(this.attempt));
      this.attempt += 1;
    };
  }

  #retryNow() {
    if (this.state !== "reconnecting" || this.stopped || globalThis.document?.hidden) return;
    if (this.socket.readyState === 0) return;
    clearTimeout(this.timer);
    this.#connect();
  }

  #setState(state, code) {
    if (state === this.state) return;
    this.state = state;
    this.onState(state, code);
  }
}
