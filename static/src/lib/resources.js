/** What a step asks of its node, in words. Pure. */

import { fileSize, plural } from "./format.js";

/** `2 CPUs, 4 GB memory, 1 GPU`; empty where it asks for nothing but a slot. */
export function resourceWords(resources) {
  if (!resources) return "";
  const { cpus = null, memory_bytes: memory = null, gpus = 0 } = resources;
  return [cpus !== null && plural(cpus, "CPU"), memory !== null && `${fileSize(memory)} memory`, gpus > 0 && plural(gpus, "GPU")]
    .filter(Boolean)
    .join(", ");
}
