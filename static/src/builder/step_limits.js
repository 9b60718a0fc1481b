/** Further attempts and limits of a step: folded away, with one line that says what was said. */

import { h } from "../graph/dom.js";
import { duration, fileSize, plural } from "../lib/format.js";
import { updateStep } from "./document.js";
import { folded, sentence } from "./folded.js";
import { settingNumber } from "./setting_number.js";
import { inWords, parameterIn } from "./settings.js";
import { bytesWords } from "./step_resources.js";

const GB = 1e9;
const CAUSES = {
  exit: "The script fails",
  timeout: "It runs longer than its time limit",
  memory: "It runs out of memory",
};

/**
 * @param {import("./fields.js").Fields} fields
 * @param {{store: any, stepKey: string, step: () => any}} context
 */
export function stepLimits(fields, { store, stepKey, step }) {
  const set = (patch, name) =>
    store.apply((draft) => updateStep(draft, stepKey, patch), { merge: `${stepKey}.${name}` });
  const setIn = (part, name) => (value) => set({ [part]: { ...step()[part], [name]: value } }, `${part}.${name}`);
  /** @param {any} more */
  const number = (part, name, label, more = {}) =>
    settingNumber(fields, {
      store,
      path: `${part}.${name}`,
      label,
      read: () => step()?.[part][name] ?? null,
      write: setIn(part, name),
      ...more,
    });
  /** What must have a value is as usual where none is given. */
  const needed = (name, label, usual, more = {}) =>
    number("retry", name, label, { write: (value) => setIn("retry", name)(value ?? usual), ...more });
  const bytes = (name, label) =>
    number("limits", name, label, { kind: "whole", unit: GB, placeholder: "none" });

  const again = h(
    "div",
    { class: "builder-more__inner" },
    h("h4", { class: "builder-more__title", text: "Try again when" }),
    ...Object.entries(CAUSES).map(([cause, label]) =>
      fields.check({
        path: `retry.on.${cause}`,
        label,
        read: () => step()?.retry.on.includes(cause) ?? false,
        write: (isOn) => setIn("retry", "on")(Object.keys(CAUSES).filter((each) => (each === cause ? isOn : step().retry.on.includes(each)))),
      }),
    ),
    fields.text({
      path: "retry.exit_codes",
      label: "Only after these exit codes",
      placeholder: "any, or as in 3, 10-20",
      read: () => step()?.retry.exit_codes ?? "",
      write: setIn("retry", "exit_codes"),
    }),
    h(
      "div",
      { class: "builder-pair" },
      needed("backoff_s", "Wait in seconds", 0),
      needed("backoff_factor", "Each wait longer by the factor", 2),
    ),
    needed("max_backoff_s", "Longest wait in seconds", 3600),
    sentence(fields, () => waitWords(step()?.retry)),
  );
  fields.follow(() => {
    const attempts = step()?.retry.max_attempts ?? 1;
    again.hidden = !(parameterIn(attempts) !== null || attempts > 1);
  });

  return folded(
    fields,
    "limits",
    () => limitWords(step()),
    [
      h(
        "div",
        { class: "builder-pair" },
        needed("max_attempts", "Attempts at most", 1, { kind: "whole" }),
        settingNumber(fields, {
          store,
          path: "timeout_s",
          label: "Time limit in seconds",
          placeholder: "none",
          read: () => step()?.timeout_s ?? null,
          write: (value) => set({ timeout_s: value }, "timeout_s"),
        }),
      ),
      again,
      h("div", { class: "builder-pair" }, bytes("memory_bytes", "Memory limit in GB"), number("limits", "cpus", "CPU limit", { placeholder: "none" })),
      h("div", { class: "builder-pair" }, bytes("output_bytes", "Limit of each output in GB"), bytes("log_bytes", "Log limit in GB")),
      sentence(fields, () => bytesWords(...["memory_bytes", "output_bytes", "log_bytes"].map((name) => step()?.limits[name]))),
      h("p", {
        class: "field-help builder-more__help",
        text: "Memory and CPUs hold for the script and all processes that it starts. For a value given at each submission, write ${{parameters.NAME}}.",
      }),
      needed("max_node_losses", "Run again when its node is lost, times at most", 2, { kind: "whole" }),
    ],
    "Retries and limits",
  );
}

/** When further attempts begin, in a line. */
export function waitWords(retry) {
  if (Object.values(retry ?? {}).some((value) => parameterIn(value) !== null)) return "";
  if (!retry || !(retry.backoff_s > 0)) return "The next attempt begins at once.";
  const waits = [];
  for (let number = 0; number < Math.min(retry.max_attempts - 1, 4); number += 1) {
    waits.push(duration(Math.min(retry.backoff_s * retry.backoff_factor ** number, retry.max_backoff_s)));
  }
  return `Waits: ${waits.join(", ")}${retry.max_attempts > 5 ? ", …" : ""}.`;
}

/** What a step says of attempts and limits, in a line; empty where everything is as usual. */
export function limitWords(step) {
  if (!step) return "";
  const { retry, limits } = step;
  return [
    retry.max_attempts !== 1 && inWords(retry.max_attempts, (count) => plural(count, "attempt"), "attempts"),
    step.timeout_s !== null && inWords(step.timeout_s, duration, "time"),
    limits.memory_bytes !== null && inWords(limits.memory_bytes, (size) => `${fileSize(size)} memory`, "memory"),
    limits.cpus !== null && inWords(limits.cpus, (count) => plural(count, "CPU"), "CPUs"),
    limits.output_bytes !== null && inWords(limits.output_bytes, (size) => `outputs of ${fileSize(size)}`, "outputs"),
    limits.log_bytes !== null && inWords(limits.log_bytes, (size) => `log of ${fileSize(size)}`, "log"),
    retry.max_node_losses !== 2 && inWords(retry.max_node_losses, (count) => plural(count, "lost node"), "lost nodes"),
  ]
    .filter(Boolean)
    .join(", ");
}
