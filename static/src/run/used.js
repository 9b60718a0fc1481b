/** What a step used and what it may use, in words. Pure. */

import { duration, fileSize, plural } from "../lib/format.js";

/** `1.2 GB`, or `1.2 GB of 2.0 GB` where there is a limit. */
export function memoryWords(bytes, limit = null) {
  return limit ? `${fileSize(bytes)} of ${fileSize(limit)}` : fileSize(bytes);
}

/** Seconds of one CPU: `0.04 s`, `35 s`, `3 min 4 s`. */
export function cpuWords(seconds) {
  return seconds < 1 ? `${Number(seconds.toPrecision(2))} s` : duration(seconds);
}

/** What a step may use and how often it is tried: empty where it says nothing. */
export function limitWords({ limits, retry, timeout_s }) {
  return [
    timeout_s && duration(timeout_s),
    limits?.memory_bytes && `${fileSize(limits.memory_bytes)} memory`,
    limits?.cpus && plural(limits.cpus, "CPU"),
    limits?.output_bytes && `${fileSize(limits.output_bytes)} each output`,
    limits?.log_bytes && `${fileSize(limits.log_bytes)} log`,
    retry?.max_attempts > 1 && plural(retry.max_attempts, "attempt"),
  ]
    .filter(Boolean)
    .join(", ");
}

/** The facts of an attempt's use, as pairs of a label and words; only what is known. `seconds`: how long it ran. */
export function usageFacts({ totals, limits, seconds }) {
  const busy = totals.cpu_s !== null && seconds > 0 ? ` (${Number((totals.cpu_s / seconds).toPrecision(2))} CPUs on average)` : "";
  return [
    ["Peak memory", totals.peak_memory_bytes !== null && memoryWords(totals.peak_memory_bytes, limits.memory_bytes)],
    ["CPU time", totals.cpu_s !== null && `${cpuWords(totals.cpu_s)}${busy}`],
    ["Read from disk", totals.read_bytes !== null && fileSize(totals.read_bytes)],
    ["Written to disk", totals.written_bytes !== null && fileSize(totals.written_bytes)],
  ].filter(([, words]) => words);
}
