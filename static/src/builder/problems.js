/** The API's problems, told by what they belong to instead of by place, so that they stay right while steps move. Pure. */

import { scriptFieldOf, scriptOf } from "./kinds.js";

/**
 * @typedef {{stepKey: string|null, path: string, message: string, where: string}} PlacedProblem
 *   `path` names a field of the step, or of the pipeline where `stepKey` is null: `entry`, `inputs.k7.binding`,
 *   `parameters.k2.name`.
 */

/**
 * @param {{loc: (string|number)[], message: string}[]} problems Of a definition made from `draft`.
 * @param {import("./document.js").Draft} draft
 * @returns {PlacedProblem[]}
 */
export function placed(problems, draft) {
  return problems.map(({ loc, message }) => {
    if (loc[0] === "steps" && typeof loc[1] === "number" && draft.steps[loc[1]]) {
      const step = draft.steps[loc[1]];
      const [path, item] = keyed(loc.slice(2), step);
      return { stepKey: step.key, path, message, where: [step.name || "(no name)", item].filter(Boolean).join(" · ") };
    }
    const [path, item] = keyed(loc, draft);
    return { stepKey: null, path, message, where: item || "Pipeline" };
  });
}

const WORDS = {
  inputs: "input",
  outputs: "output",
  parameters: "parameter",
  run_after: "runs after",
  only_if: "only if",
  at_timeout: "without an answer in time",
  answer_within: "time for the answer",
  duration: "for how long",
  until: "until when",
  message: "question",
  environment_variables: "environment variable",
  source: "source files",
  entry: "entry script",
  compute: "compute target",
  timeout_s: "time limit",
  "retry.max_attempts": "attempts",
  "retry.on": "when to try again",
  "retry.exit_codes": "exit codes",
  "retry.backoff_s": "wait between attempts",
  "retry.backoff_factor": "growth of the wait",
  "retry.max_backoff_s": "longest wait",
  "retry.max_node_losses": "lost nodes",
  resources: "resources",
  "resources.cpus": "CPUs",
  "resources.memory_bytes": "memory",
  "resources.gpus": "GPUs",
  "limits.memory_bytes": "memory limit",
  "limits.cpus": "CPU limit",
  "limits.output_bytes": "output limit",
  "limits.log_bytes": "log limit",
  allow_reuse: "reuse",
  hash_paths: "files that count",
  pipeline: "pipeline",
  pipeline_version: "version of the pipeline",
  items: "list",
  item_parameters: "where each item goes",
  at_once: "runs at once",
  search_space: "search space",
  primary_metric: "primary metric",
  max_total_runs: "trials",
  max_concurrent_runs: "trials at once",
  cell_timeout_s: "time limit of a cell",
};

/** What a setting is called, by its path. */
export const settingWords = (path) => WORDS[path] ?? path.replace(/^.*\./, "").replaceAll("_", " ");

/** `["inputs", 0, "binding"]` with the key of that input in place of its number, and what to call it. */
function keyed(loc, owner) {
  const [list, index, ...rest] = loc;
  const item = typeof index === "number" && Array.isArray(owner[list]) ? owner[list][index] : null;
  const path = loc.join(".");
  if (typeof item === "string") return [String(list), `${WORDS[list] ?? list} “${item}”`]; // a line of one field
  if (!item) return [path, list === undefined ? "" : (WORDS[path] ?? WORDS[list] ?? String(list))];
  return [[list, item.key, ...rest].join("."), `${WORDS[list] ?? list} ${item.name || item.step || index + 1}`];
}

/** Without those that the next save mends by itself: a script that is typed but not yet kept in the source folder. */
export function withoutPending(problems, draft) {
  const steps = new Map(draft.steps.map((step) => [step.key, step]));
  return problems.filter(({ stepKey, path }) => {
    const step = steps.get(stepKey);
    if (!step || !Object.keys(step.edits).length) return true;
    if (path === "source") return step.source !== null;
    return !(path === scriptFieldOf(step)?.name && Object.hasOwn(step.edits, scriptOf(step)));
  });
}

/** How many problems each step has: Map of key to count. */
export function countsByStep(problems) {
  const counts = new Map();
  for (const { stepKey } of problems) if (stepKey) counts.set(stepKey, (counts.get(stepKey) ?? 0) + 1);
  return counts;
}
