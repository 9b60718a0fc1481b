import assert from "node:assert/strict";
import { test } from "node:test";

import { duration, fileSize, plural, relativeTime, secondsBetween } from "./format.js";

test("a duration has at most two units, and tenths only below ten seconds", () => {
  /** @type {[number|null, string][]} */
  const cases = [
    [null, "–"], [0, "0.0 s"], [0.44, "0.4 s"], [9.94, "9.9 s"], [9.96, "10 s"], [59.4, "59 s"], [59.6, "1 min"],
    [184, "3 min 4 s"], [3600, "1 h"], [7500, "2 h 5 min"], [86400, "1 d"], [273600, "3 d 4 h"], [-3, "0.0 s"],
  ];
  for (const [seconds, words] of cases) assert.equal(duration(seconds), words);
});

test("a size counts in thousands and never shows 1000 of a unit", () => {
  /** @type {[number|null, string][]} */
  const cases = [
    [null, "–"], [0, "0 B"], [999, "999 B"], [1000, "1.0 KB"], [1536, "1.5 KB"], [99_950, "100 KB"],
    [999_600, "1.0 MB"], [240e6, "240 MB"], [1e18, "1000 PB"],
  ];
  for (const [bytes, words] of cases) assert.equal(fileSize(bytes), words);
});

test("a time is told relative to now, and as a date when it is long ago", () => {
  const now = Date.parse("2026-11-22T12:00:00Z");
  const ago = (seconds) => relativeTime(new Date(now - seconds * 1000), now);
  assert.deepEqual(
    [0, 4, 12, 300, 7200, 3 * 86400, -7200].map(ago),
    ["just now", "just now", "12 s ago", "5 min ago", "2 h ago", "3 d ago", "in 2 h"],
  );
  assert.match(ago(60 * 86400), /^23 Sept? 2026$/);
  assert.equal(relativeTime(null, now), "–");
});

test("seconds between two instants, until now where the second is missing", () => {
  assert.equal(secondsBetween("2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"), 60);
  assert.equal(secondsBetween("2026-01-01T00:00:00Z", null, Date.parse("2026-01-01T00:00:05Z")), 5);
  assert.equal(secondsBetween(null), null);
  assert.equal(secondsBetween("2026-01-01T00:00:05Z", "2026-01-01T00:00:00Z"), 0);
});

test("a count has its noun", () => {
  assert.deepEqual([plural(1, "run"), plural(0, "run"), plural(1204, "entry", "entries")], [
    "1 run", "0 runs", "1,204 entries",
  ]);
});
