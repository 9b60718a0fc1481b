/** With what a step ran. */

import { h } from "../dom.js";

function fact(name, value, css = "") {
  return h("div", {}, h("dt", { text: name }), h("dd", { class: css, text: value }));
}

function section(title, ...content) {
  return h("section", { class: "run-section" }, h("h3", { text: title }), ...content);
}

function lines(texts) {
  return h("pre", { class: "run-command" }, h("code", { text: texts.join("\n") }));
}

function variablesOf(title, variables) {
  const entries = Object.entries(variables);
  return entries.length > 0 ? [section(title, lines(entries.map(([name, value]) => `${name}=${value}`)))] : [];
}

export class EnvironmentTab {
  constructor(root) {
    this.root = root;
  }

  draw(detail) {
    if (!detail) {
      return;
    }
    if (!detail.environment_name) {
      this.root.replaceChildren(h("p", { class: "muted", text: "The node does this step itself, so it has no environment." }));
      return;
    }
    const spec = detail.environment;
    const { pip = [], conda = [], variables = {}, interpreter = "" } = spec;
    const lock = detail.environment_lock;
    const asked = [...conda.map((line) => `conda: ${line}`), ...pip];
    this.root.replaceChildren(
      h(
        "dl",
        { class: "kv" },
        fact("Environment", detail.environment_name),
        interpreter ? fact("Interpreter", interpreter, "mono") : fact("Python", lock?.python || spec.python_version, "num"),
      ),
      ...(interpreter
        ? [h("p", { class: "muted", text: "A Python of the node. Nobody but whoever looks after it knows its packages." })]
        : [
            section(
              "Asked for",
              asked.length > 0 ? lines(asked) : h("p", { class: "muted", text: "Nothing beyond the standard library." }),
            ),
          ]),
      ...(lock && lock.packages.length > 0
        ? [section("Installed", lines(lock.packages.map((each) => `${each.name} ${each.version}`)))]
        : []),
      ...variablesOf("Variables of the step", detail.environment_variables),
      ...variablesOf("Variables of the environment", variables),
      ...(spec.setup_script ? [section("Setup script", lines([spec.setup_script.trimEnd()]))] : []),
    );
  }
}
