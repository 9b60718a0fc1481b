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

export class EnvironmentTab {
  constructor(root) {
    this.root = root;
  }

  draw(detail) {
    if (!detail) {
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
      ...(Object.keys(variables).length > 0
        ? [section("Variables", lines(Object.entries(variables).map(([name, value]) => `${name}=${value}`)))]
        : []),
      ...(spec.setup_script ? [section("Setup script", lines([spec.setup_script.trimEnd()]))] : []),
    );
  }
}
