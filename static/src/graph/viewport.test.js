import assert from "node:assert/strict";
import { test } from "node:test";

import { fitted, isSeen, revealing, ZOOM_MAX, zoomedAt } from "./viewport.js";

test("the point under the pointer stands still while zooming", () => {
  const before = { x: 30, y: -10, zoom: 0.7 };
  const after = zoomedAt(before, 1.3, 200, 120);
  const plane = (view) => [(200 - view.x) / view.zoom, (120 - view.y) / view.zoom];
  plane(before).forEach((value, i) => assert.ok(Math.abs(value - plane(after)[i]) < 1e-9));
  assert.equal(zoomedAt(before, 1e6, 0, 0).zoom, ZOOM_MAX);
});

test("a small graph is centred and not blown up", () => {
  const view = fitted({ x: 0, y: 0, width: 100, height: 100 }, 500, 300);
  assert.deepEqual(view, { zoom: 1, x: 200, y: 100 });
});

test("a tall graph stays readable and shows its top", () => {
  const view = fitted({ x: 0, y: 0, width: 200, height: 9000 }, 500, 300, { readable: 0.5 });
  assert.equal(view.zoom, 0.5);
  assert.equal(view.y, 32);
});

test("revealing moves no further than needed", () => {
  const view = { x: 0, y: 0, zoom: 1 };
  assert.deepEqual(revealing(view, { x: 100, y: 100, width: 50, height: 50 }, 500, 300), view);
  assert.equal(revealing(view, { x: 480, y: 100, width: 50, height: 50 }, 500, 300).x, -54);
  assert.equal(revealing(view, { x: -80, y: 100, width: 50, height: 50 }, 500, 300).x, 104);
});

test("what is off the screen is not seen", () => {
  const view = { x: 0, y: 0, zoom: 1 };
  assert.ok(isSeen(view, { x: 0, y: 0, width: 10, height: 10 }, 500, 300));
  assert.ok(!isSeen(view, { x: 2000, y: 0, width: 10, height: 10 }, 500, 300));
});
