/** The settings that the next attempt of a step takes: the builder's form parts, for this one step. */

import { computeGroups } from "../builder/catalogue.js";
import { fromDefinition, toDefinition, updateStep } from "../builder/document.js";
import { Fields } from "../builder/fields.js";
import { sentence } from "../builder/folded.js";
import { NO_INNER } from "../builder/inner.js";
import { kindField } from "../builder/kind_field.js";
import { useKinds } from "../builder/kinds.js";
import { placed } from "../builder/problems.js";
import { stepLimits } from "../builder/step_limits.js";
import { stepResources } from "../builder/step_resources.js";
import { stepVariables } from "../builder/step_variables.js";
import { h } from "./dom.js";
import { fedWords } from "./fed.js";

export class StepSettings {
  /**
   * @param {import("./step_draft.js").StepDraft} draft
   * @param {{values: Record<string, any>, onChange: () => void}} options `values`: of the run's parameters.
   */
  constructor(draft, { values, onChange }) {
    const { kind, parameters, computes, databases } = draft.given;
    useKinds([kind]);
    this.store = new OneStep(draft, () => {
      this.fields.sync();
      this.fields.paint(new Map());
      onChange();
    });
    const { store } = this;
    const step = () => store.draft.steps[0];
    const stepKey = step().key;
    const get = (name) => () => step()[name];
    const set = (name) => (value) => store.apply((now) => updateStep(now, stepKey, { [name]: value }));
    const added = (operation) => () => {
      const result = operation(store.draft, stepKey);
      store.apply(() => result.draft);
      return result.key;
    };
    this.fields = new Fields();
    const { fields } = this;
    const part = (...content) => h("div", { class: "run-edit-fields builder-form" }, ...content);
    /** What is edited together with the files: the kind's own settings. */
    this.own = part(...kind.fields.map((field) => kindField(fields, { store, stepKey, step, get, set, field, catalogue: { databases }, inner: NO_INNER })));
    const runs = (...content) => (kind.has_job ? content : []); // what the studio does itself runs nowhere
    /** How and where it runs. */
    this.more = part(
      h("h3", { text: "How and where it runs" }),
      sentence(fields, () => fedWords(step(), values)),
      ...runs(
        !kind.is_work && stepVariables(fields, { store, stepKey, step, added }),
        fields.select({
          path: "compute",
          label: "Compute target",
          groups: () => computeGroups(computes, parameters, step().compute),
          read: get("compute"),
          write: set("compute"),
        }),
        stepResources(fields, { store, stepKey, step, computes }),
        stepLimits(fields, { store, stepKey, step }),
        fields.check({
          path: "allow_reuse",
          label: "Reuse earlier results",
          help: "When nothing that makes the result has changed, the step is not run again.",
          read: get("allow_reuse"),
          write: set("allow_reuse"),
        }),
      ),
    );
  }

  /** Say at each field what is wrong with it. @returns {any[]} The problems that belong to none. */
  show(problems) {
    const places = placed(problems.map(({ loc, message }) => ({ loc: ["steps", 0, ...loc.slice(1)], message })), this.store.draft);
    const found = new Map();
    const others = problems.filter(({ loc, message }, index) => {
      const path = loc[0] === "settings" ? this.#known(places[index].path) : null;
      if (path) found.set(path, [...(found.get(path) ?? []), message]);
      return !path;
    });
    this.fields.paint(found);
    return others;
  }

  focusFirstProblem() {
    const wrong = [this.own, this.more].map((part) => part.querySelector('[aria-invalid="true"]')).find((found) => found);
    if (wrong instanceof HTMLElement) wrong.focus();
  }

  /** The field that is named, or the one that it is a part of. */
  #known(path) {
    const parts = path.split(".");
    while (parts.length && !this.fields.controls.has(parts.join("."))) parts.pop();
    return parts.join(".");
  }
}

/** What the builder's form parts take for a store: a draft with one step, which says each change to the `StepDraft`. */
class OneStep {
  readOnly = false;

  constructor(kept, onChange) {
    const { kind, inputs, outputs, parameters } = kept.given;
    this.kept = kept;
    this.onChange = onChange;
    const step = {
      ...kept.settings,
      kind: kind.name,
      name: "",
      source: kept.source,
      inputs: inputs.map((input) => ({ ...input, binding: null })),
      outputs,
      run_after: [],
    };
    this.draft = fromDefinition({ parameters, steps: [step] });
    this.sources = { knownFiles: () => kept.files.map((path) => ({ path })) };
  }

  apply(change) {
    this.draft = change(this.draft);
    const [step] = toDefinition(this.draft).steps;
    for (const name of Object.keys(this.kept.original)) this.kept.set(name, step[name]);
    this.onChange();
  }

  /** The server counts them. */
  countOutputs() {}
}
