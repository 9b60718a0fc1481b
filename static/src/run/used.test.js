import assert from "node:assert/strict";
import { test } from "node:test";

import { cpuWords, limitWords, memoryWords, usageFacts } from "./used.js";

const NOTHING = { peak_memory_bytes: null, cpu_s: null, read_bytes: null, written_bytes: null };

test("memory stands beside its limit", () => {
  assert.equal(memoryWords(1.2e9), "1.2 GB");
  assert.equal(memoryWords(1.2e9, 2e9), "1.2 GB of 2.0 GB");
});

test("short CPU times keep their figures", () => {
  assert.equal(cpuWords(0.0412), "0.041 s");
  assert.equal(cpuWords(35.2), "35 s");
});

test("limits in a line, nothing for none", () => {
  const none = { memory_bytes: null, cpus: null, output_bytes: null, log_bytes: null };
  assert.equal(limitWords({ limits: none, retry: { max_attempts: 1 }, timeout_s: null }), "");
  assert.equal(
    limitWords({ limits: { ...none, memory_bytes: 2e9, cpus: 0.5 }, retry: { max_attempts: 3 }, timeout_s: 60 }),
    "1 min, 2.0 GB memory, 0.5 CPUs, 3 attempts",
  );
});

test("only what is known is told", () => {
  assert.deepEqual(usageFacts({ totals: NOTHING, limits: {}, seconds: null }), []);
  assert.deepEqual(usageFacts({ totals: { ...NOTHING, cpu_s: 6, read_bytes: 0 }, limits: {}, seconds: 4 }), [
    ["CPU time", "6.0 s (1.5 CPUs on average)"],
    ["Read from disk", "0 B"],
  ]);
});
