import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { backoff, LiveSocket } from "./socket.js";

class FakeSocket {
  /** @type {FakeSocket[]} */
  static made = [];
  /** @type {any} */
  onopen;
  /** @type {any} */
  onclose;

  constructor(url) {
    this.url = url;
    this.sent = [];
    this.readyState = 0;
    FakeSocket.made.push(this);
  }

  send(text) {
    this.sent.push(text);
  }

  close() {
    this.onclose?.({ code: 1006 });
  }

  open() {
    this.readyState = 1;
    this.onopen();
  }
}

globalThis.location ??= /** @type {any} */ ({ protocol: "http:", host: "studio.test" });
let socket = null;
afterEach(() => {
  socket?.close();
  FakeSocket.made = [];
});

function connect(handlers = {}) {
  socket = new LiveSocket("/ws/w/demo/live/", { WebSocketClass: /** @type {any} */ (FakeSocket), ...handlers });
  return socket;
}

test("waits longer from attempt to attempt, up to a limit, and never the same for all", () => {
  assert.deepEqual([0, 1, 2].map((attempt) => backoff(attempt, 0.5)), [225, 450, 900]);
  assert.ok(backoff(60, 1) <= 15_000);
  assert.notEqual(backoff(3, 0), backoff(3, 0.9));
});

test("says when it is open, and sends only then", () => {
  const states = [];
  const live = connect({ onState: (state) => states.push(state), onOpen: () => live.send({ type: "watch" }) });
  assert.equal(live.send({ type: "watch" }), false);
  FakeSocket.made[0].open();
  assert.deepEqual(states, ["connecting", "open"]);
  assert.deepEqual(FakeSocket.made[0].sent, ['{"type":"watch"}']);
  assert.equal(FakeSocket.made[0].url, "ws://studio.test/ws/w/demo/live/");
});

test("comes back after a loss, and asks again what it missed", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const states = [];
  let opened = 0;
  connect({ onState: (state) => states.push(state), onOpen: () => (opened += 1) });
  FakeSocket.made[0].open();
  FakeSocket.made[0].onclose({ code: 1006 });
  assert.equal(states.at(-1), "reconnecting");
  context.mock.timers.tick(400);
  FakeSocket.made[1].open();
  assert.equal(states.at(-1), "open");
  assert.equal(opened, 2);
});

test("does not knock again where it was told to stay out", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const states = [];
  connect({ onState: (state, code) => states.push([state, code]) });
  FakeSocket.made[0].onclose({ code: 4403 });
  context.mock.timers.tick(60_000);
  assert.deepEqual(states.at(-1), ["closed", 4403]);
  assert.equal(FakeSocket.made.length, 1);
});

test("gives up on a server that answers neither yes nor no, and tries again", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  connect();
  context.mock.timers.tick(10_000);
  context.mock.timers.tick(1000);
  assert.equal(FakeSocket.made.length, 2);
});
