/** What a step that uses a module can choose, and what it has still to take over. Pure. */

/** The versions of a module as groups of a select; the one that a step says now is always among them. */
export function versionGroups(module, current) {
  const usual = module?.default_version ? `The default (now ${module.default_version})` : "The default";
  const choices = [{ value: "", label: usual }, ...(module?.versions ?? []).map((number) => ({ value: String(number), label: `Version ${number}` }))];
  const gone = current !== null && !choices.some(({ value }) => value === String(current));
  const isThere = module?.version === current && !module.disabled; // the list has the newest alone
  const label = !module ? "" : isThere ? "Older" : "Disabled, or not there";
  return [{ label: "", choices }, ...(gone ? [{ label, choices: [{ value: String(current), label: `Version ${current}` }] }] : [])];
}

/** The newest version, where a step says an older one; else null. */
export function newerVersion(module, current) {
  const [newest] = module?.versions ?? [];
  return current !== null && current !== undefined && newest > current ? newest : null;
}

/** The names of ports that a step does not have yet: `{inputs, outputs}`. */
export function missingPorts(module, step) {
  const lacks = (list) => (module?.[list] ?? []).map(({ name }) => name).filter((name) => !(step?.[list] ?? []).some((port) => port.name === name));
  return { inputs: lacks("inputs"), outputs: lacks("outputs") };
}

const TYPES = { folder: "a folder", file: "one file", table: "a table" };

/** What a port of a step is, in a few words; empty where its module says nothing of it. */
export function portWords(module, list, name) {
  const port = module?.[list]?.find((each) => each.name === name);
  if (!port) return "";
  const what = list === "inputs" ? TYPES[port.type] : port.file && `the file ${port.file}`;
  const words = [what, port.optional && "optional", list === "outputs" && port.required && "required"].filter(Boolean).join(", ");
  return [words, port.description].filter(Boolean).join(": ");
}
