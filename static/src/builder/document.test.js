import assert from "node:assert/strict";
import { test } from "node:test";

import {
  NO_LIMITS,
  NO_RESOURCES,
  ONE_ATTEMPT,
  addInput,
  addOutput,
  addParameter,
  addPredecessor,
  addStep,
  addVariable,
  addValue,
  bindInput,
  duplicateStep,
  edgesOf,
  fingerprint,
  fromDefinition,
  graphOf,
  keepEdits,
  outputChoices,
  parameterValue,
  predecessorChoices,
  remember,
  removeOutput,
  removeParameter,
  removePredecessor,
  removeStep,
  removeVariable,
  removeValue,
  renameParameter,
  renameStep,
  renamePort,
  setBranch,
  setEdit,
  setPredecessor,
  stepOf,
  takePorts,
  toDefinition,
  updateParameter,
  updateValue,
  updatePort,
  updateRegistration,
  updateStep,
  updateVariable,
  withNamedOutputs,
} from "./document.js";
import { branchGroups, branchOf, branchValue } from "./catalogue.js";
import { KINDS } from "./kinds.fixture.js";
import { useKinds } from "./kinds.js";

useKinds(KINDS);

const step = (name, { inputs = [], outputs = [], args = "" } = {}) => ({
  kind: "python_script",
  name,
  description: "",
  source: "d".repeat(64),
  entry: "main.py",
  arguments: args,
  inputs,
  outputs: outputs.map((output) => ({ name: output })),
  run_after: [],
  only_if: null,
  environment_variables: [],
  environment: "python",
  compute: "local",
  allow_reuse: true,
  timeout_s: null,
  retry: ONE_ATTEMPT,
  limits: NO_LIMITS,
  resources: NO_RESOURCES,
});
const reads = (name, from, output) => ({ name, binding: { kind: "output", step: from, output } });

const digits = () => ({
  schema_version: 1,
  continue_on_step_failure: false,
  parameters: [{ name: "c", type: "number", default: 0.5, description: "" }],
  steps: [
    step("prepare", {
      inputs: [{ name: "images", binding: { kind: "dataset", dataset: "digits", version: null } }],
      outputs: ["features"],
    }),
    step("train", {
      inputs: [reads("features", "prepare", "features")],
      outputs: ["model"],
      args: "--c ${{ parameters.c }} --in ${{inputs.features}} --out ${{outputs.model}}",
    }),
    step("compare", { inputs: [reads("model", "train", "model")], outputs: [] }),
  ],
});

const named = (draft, name) => draft.steps.find((candidate) => candidate.name === name);

test("a definition comes out as it went in", () => {
  assert.deepEqual(toDefinition(fromDefinition(digits())), digits());
});

test("what a step runs after stays through renames, goes with its step, and shows as an edge without ports", () => {
  const definition = digits();
  definition.steps[2].run_after = ["prepare", "ghost"];
  const draft = fromDefinition(definition);
  assert.deepEqual(toDefinition(draft), definition);
  const { key } = named(draft, "compare");
  const prepare = named(draft, "prepare").key;
  assert.deepEqual(toDefinition(updateStep(draft, prepare, { name: "load" })).steps[2].run_after, ["load", "ghost"]);
  assert.deepEqual(
    edgesOf(draft).filter((edge) => edge.to === key && !edge.output),
    [{ from: prepare, output: "", to: key, input: "" }],
  );
  assert.deepEqual(toDefinition(removeStep(draft, prepare).draft).steps[1].run_after, ["ghost"]);
  const added = addPredecessor(removeStep(draft, prepare).draft, named(draft, "train").key);
  const choices = predecessorChoices(added.draft, named(draft, "train").key);
  assert.deepEqual(choices.map(({ name, disabled }) => [name, disabled]), [["compare", true]]);
  const set = setPredecessor(added.draft, named(draft, "train").key, added.key, key);
  assert.deepEqual(toDefinition(set).steps[0].run_after, ["compare"]);
  assert.deepEqual(toDefinition(removePredecessor(set, named(draft, "train").key, added.key)).steps[0].run_after, []);
});

test("a step is on a branch of a condition, which stays through renames and goes with its condition", () => {
  const { draft: begun, key: check } = addStep(fromDefinition(digits()), { kind: "condition" });
  assert.deepEqual([stepOf(begun, check).outputs, stepOf(begun, check).inputs], [[], []]);
  const { draft: added, key: yes } = addStep(begun, { after: check });
  assert.deepEqual(stepOf(added, yes).only_if, { stepKey: check, answer: true });
  const draft = setBranch(updateStep(added, check, { name: "good" }), yes, { stepKey: check, answer: false });
  assert.deepEqual(toDefinition(draft).steps[4].only_if, { step: "good", answer: false });
  assert.deepEqual(fromDefinition(toDefinition(draft)).steps[4].only_if.answer, false);
  assert.deepEqual(
    edgesOf(draft).filter(({ from }) => from === check),
    [{ from: check, output: "", to: yes, input: "", label: "false" }],
  );
  const [{ choices }] = branchGroups(draft, yes, stepOf(draft, yes).only_if);
  assert.deepEqual(choices.map(({ label, disabled }) => [label, Boolean(disabled)]), [
    ["Always", false],
    ["good is true", false],
    ["good is false", false],
  ]);
  assert.deepEqual(branchOf(branchValue({ stepKey: check, answer: false })), { stepKey: check, answer: false });
  const without = removeStep(draft, check).draft;
  assert.equal(stepOf(without, yes).only_if, null);
  const lost = fromDefinition({ ...digits(), steps: [{ ...step("a"), only_if: { step: "ghost", answer: true } }] });
  assert.deepEqual(toDefinition(lost).steps[0].only_if, { step: "ghost", answer: true });
  assert.equal(branchGroups(lost, lost.steps[0].key, lost.steps[0].only_if).at(-1).choices[0].label, "ghost is true");
});

test("a step after one that writes nothing just runs after it", () => {
  const { draft: begun, key: wait } = addStep(fromDefinition(digits()), { kind: "wait", after: null });
  const { draft, key } = addStep(begun, { after: wait });
  assert.deepEqual(stepOf(draft, key).run_after.map(({ stepKey }) => stepKey), [wait]);
  const model = addStep(draft, { kind: "wait", after: named(draft, "train").key });
  assert.deepEqual(stepOf(model.draft, model.key).run_after.map(({ stepKey }) => stepKey), [named(draft, "train").key]);
});

test("a binding to what is not there comes out as it went in too", () => {
  const definition = digits();
  definition.steps[2].inputs[0].binding.step = "ghost";
  const draft = fromDefinition(definition);
  assert.deepEqual(toDefinition(draft), definition);
  assert.equal(edgesOf(draft).length, 1);
});

test("a renamed step keeps what reads from it, through a name that another step has", () => {
  let draft = fromDefinition(digits());
  const { key } = named(draft, "train");
  for (const name of ["trai", "", "prepare", "fit"]) draft = updateStep(draft, key, { name });
  assert.deepEqual(toDefinition(draft).steps[2].inputs[0].binding, { kind: "output", step: "fit", output: "model" });
});

test("a renamed output takes bindings and placeholders with it, character by character", () => {
  let draft = fromDefinition(digits());
  const train = named(draft, "train");
  const before = remember(draft, "outputs", train.key, train.outputs[0].key);
  for (const name of ["mode", "", "m", "mo", "best"]) {
    draft = renamePort(draft, "output", train.key, train.outputs[0].key, name, before);
  }
  const { steps } = toDefinition(draft);
  assert.equal(steps[1].arguments, "--c ${{ parameters.c }} --in ${{inputs.features}} --out ${{outputs.best}}");
  assert.equal(steps[2].inputs[0].binding.output, "best");
});

test("a name that is for a moment another's takes nothing with it", () => {
  let draft = fromDefinition({
    ...digits(),
    steps: [step("s", { inputs: ["train", "train2"].map((name) => ({ name, binding: null })), args: "${{inputs.train}} ${{inputs.train2}}" })],
  });
  const [s] = draft.steps;
  const before = remember(draft, "inputs", s.key, s.inputs[1].key);
  draft = renamePort(draft, "input", s.key, s.inputs[1].key, "train", before);
  draft = renamePort(draft, "input", s.key, s.inputs[1].key, "trains", before);
  assert.equal(draft.steps[0].arguments, "${{inputs.train}} ${{inputs.trains}}");
});

test("a renamed parameter is renamed in every step", () => {
  const draft = fromDefinition(digits());
  const { key } = draft.parameters[0];
  const after = renameParameter(draft, key, "strength", remember(draft, "parameters", null, key));
  assert.match(named(after, "train").arguments, /--c \$\{\{parameters\.strength\}\} --in/);
});

test("removing a step or an output unbinds what read from it, and says so", () => {
  const draft = fromDefinition(digits());
  const { draft: less, unbound } = removeStep(draft, named(draft, "train").key);
  assert.deepEqual(unbound, ["compare"]);
  assert.equal(named(less, "compare").inputs[0].binding, null);
  assert.deepEqual(named(less, "compare").inputs[0].name, "model");
  const prepare = named(draft, "prepare");
  const gone = removeOutput(draft, prepare.key, prepare.outputs[0].key);
  assert.equal(named(gone, "train").inputs[0].binding, null);
  assert.equal(named(draft, "train").inputs[0].binding.kind, "output"); // the draft before is as it was
});

test("a choice that would go round in a circle is disabled with its reason", () => {
  const draft = fromDefinition(digits());
  const choices = outputChoices(draft, named(draft, "prepare").key);
  assert.deepEqual(choices.map(({ label, disabled }) => [label, disabled]), [["train → model", true]]);
  assert.match(choices[0].reason, /waits for prepare/);
  assert.deepEqual(
    outputChoices(draft, named(draft, "compare").key).map(({ disabled }) => disabled),
    [false, false],
  );
});

test("a new step has a script, an output and a name of its own, and can follow another", () => {
  const first = addStep(fromDefinition({ parameters: [], steps: [] }));
  const second = addStep(first.draft, { after: first.key });
  const third = addStep(second.draft);
  assert.deepEqual(third.draft.steps.map(({ name }) => name), ["step", "step_2", "step_3"]);
  assert.equal(stepOf(third.draft, second.key).arguments, "--input ${{inputs.input}} --output ${{outputs.output}}");
  assert.deepEqual(edgesOf(third.draft).map(({ from, to }) => [from, to]), [[first.key, second.key]]);
  assert.ok(stepOf(first.draft, first.key).edits["main.py"].includes("print"));
});

test("a step of another kind has its own texts, and names in them are renamed alike", () => {
  const first = addStep(fromDefinition({ parameters: [], steps: [] }), { kind: "command" });
  const { draft, key } = addStep(first.draft, { kind: "command", after: first.key });
  const step = stepOf(draft, key);
  assert.deepEqual([step.kind, step.command, step.edits, Object.hasOwn(step, "entry")], ["command", "cat ${{inputs.input}}", {}, false]);
  const before = remember(draft, "inputs", key, step.inputs[0].key);
  const after = renamePort(draft, "input", key, step.inputs[0].key, "table", before);
  assert.equal(stepOf(after, key).command, "cat ${{inputs.table}}");
  assert.equal(graphOf(after).nodes.at(-1).subtitle, "cat ${{inputs.table}} · python");
  assert.equal(fromDefinition(toDefinition(after)).steps[1].command, "cat ${{inputs.table}}");
});

test("ports and parameters get fresh names, and inputs can be bound", () => {
  let draft = fromDefinition(digits());
  const { key } = named(draft, "compare");
  draft = addInput(draft, key).draft;
  const added = addInput(draft, key);
  draft = addOutput(added.draft, key).draft;
  assert.deepEqual(stepOf(draft, key).inputs.map(({ name }) => name), ["model", "input", "input_2"]);
  const [choice] = outputChoices(draft, key);
  draft = bindInput(draft, key, added.key, choice.binding);
  assert.deepEqual(toDefinition(draft).steps[2].inputs[2].binding, { kind: "output", step: "prepare", output: "features" });
  assert.equal(addParameter(draft).draft.parameters.length, 2);
});

test("a parameter that stands for data feeds an input, whatever it is called", () => {
  const definition = digits();
  definition.parameters.push({ name: "data", type: "dataset", default: null, description: "" });
  definition.steps[0].inputs[0].binding = { kind: "parameter", parameter: "data" };
  let draft = fromDefinition(definition);
  assert.deepEqual(toDefinition(draft).steps[0].inputs[0].binding, { kind: "parameter", parameter: "data" });
  const { key } = draft.parameters[1];
  const node = graphOf(draft).nodes.find(({ kind }) => kind === "parameter");
  assert.deepEqual([node.title, node.subtitle], ["data", "given at submission"]);
  assert.ok(graphOf(draft).edges.some(({ from, to }) => from === node.id && to === named(draft, "prepare").key));
  draft = updateParameter(draft, key, { name: "orders", default: "digits:2" });
  assert.deepEqual(toDefinition(draft).steps[0].inputs[0].binding, { kind: "parameter", parameter: "orders" });
  assert.equal(graphOf(draft).nodes.find(({ kind }) => kind === "parameter").subtitle, "digits:2");
  assert.equal(named(removeParameter(draft, key), "prepare").inputs[0].binding, null);
  definition.steps[0].inputs[0].binding = { kind: "parameter", parameter: "gone" };
  assert.deepEqual(toDefinition(fromDefinition(definition)).steps[0].inputs[0].binding, { kind: "parameter", parameter: "gone" });
});

test("a copy reads the same and is read by nobody", () => {
  const draft = fromDefinition(digits());
  const { draft: more, key } = duplicateStep(draft, named(draft, "train").key);
  assert.equal(stepOf(more, key).name, "train_2");
  assert.deepEqual(more.steps.map(({ name }) => name), ["prepare", "train", "train_2", "compare"]);
  assert.equal(edgesOf(more).length, 3);
});

test("kept edits become the step's source, in every draft that held them, and nowhere else", () => {
  const draft = fromDefinition(digits());
  const { key, source } = named(draft, "train");
  const edited = setEdit(draft, key, "main.py", "print(1)\n");
  const { edits } = stepOf(edited, key);
  assert.notEqual(fingerprint(edited), fingerprint(draft));
  const kept = keepEdits(edited, { source, edits, digest: "new" });
  assert.equal(stepOf(kept, key).source, "new");
  assert.deepEqual(stepOf(kept, key).edits, {});
  assert.equal(named(kept, "prepare").source, source);
  const later = setEdit(edited, key, "main.py", "print(2)\n");
  assert.equal(keepEdits(later, { source, edits, digest: "new" }), later);
});

test("a pipeline of many steps is written down in one pass over them, and once for each draft", () => {
  const count = 500;
  const steps = Array.from({ length: count }, (_, index) => ({
    ...digits().steps[0],
    name: `step${index}`,
    inputs: index ? [{ name: "in", mode: "download", binding: { kind: "output", step: `step${index - 1}`, output: "data" } }] : [],
    outputs: [{ name: "data", datastore: null, path: null, mode: "upload", register_as: null }],
  }));
  const draft = fromDefinition({ ...digits(), steps });
  let reads = 0;
  const watched = draft.steps.map(({ key, ...step }) =>
    Object.defineProperty(step, "key", { get: () => (reads += 1) && key, enumerable: true }),
  );
  const told = fingerprint({ ...draft, steps: watched });
  assert.equal(told, fingerprint(draft));
  assert.ok(reads <= 5 * count, `${reads} looks at ${count} steps`);
  const same = { ...draft, steps: watched };
  fingerprint(same);
  reads = 0;
  fingerprint(same);
  assert.equal(reads, 0);
});

test("defaults are values of the parameter's type", () => {
  assert.equal(parameterValue("string", ""), "");
  assert.equal(parameterValue("integer", "0"), 0);
  assert.equal(parameterValue("number", ""), null);
  assert.equal(parameterValue("number", "many"), "many");
  assert.equal(parameterValue("boolean", "false"), false);
});

test("datasets stand in the graph as nodes of their own", () => {
  const { nodes, edges } = graphOf(fromDefinition(digits()));
  assert.deepEqual(nodes.map(({ kind }) => kind), ["dataset", "step", "step", "step"]);
  assert.equal(edges.length, 3);
});

test("models stand in the graph as nodes of their own, and are kept as they were bound", () => {
  const definition = digits();
  const binding = { kind: "model", model: "base", version: null, stage: "production" };
  definition.steps[0].inputs = [{ name: "images", binding }];
  const draft = fromDefinition(definition);
  const [node] = graphOf(draft).nodes;
  assert.deepEqual([node.kind, node.title, node.subtitle], ["model", "base", "in production"]);
  assert.deepEqual(toDefinition(draft).steps[0].inputs[0].binding, binding);
});

test("how data arrives and where it goes is kept, to the letter", () => {
  const definition = digits();
  definition.steps[0].inputs[0].mode = "mount";
  const registered = { dataset: "features", description: "", tags: { stage: "trial" } };
  definition.steps[0].outputs[0] = {
    name: "features", datastore: "lake", path: "features/{run-id}", mode: "upload", register_as: registered,
  };
  assert.deepEqual(toDefinition(fromDefinition(definition)), definition);
});

test("an output's registration is made, changed and taken away", () => {
  let draft = fromDefinition(digits());
  const { key, outputs } = draft.steps[0];
  const said = () => toDefinition(draft).steps[0].outputs[0].register_as;
  draft = updateRegistration(draft, key, outputs[0].key, {});
  assert.deepEqual(said(), { dataset: "", description: "", tags: {} });
  draft = updateRegistration(draft, key, outputs[0].key, { dataset: "features" });
  assert.deepEqual(said(), { dataset: "features", description: "", tags: {} });
  draft = updateRegistration(draft, key, outputs[0].key, null);
  assert.equal(said(), null);
});

test("a copy of a step does not write where the step writes", () => {
  let draft = fromDefinition(digits());
  const { key, outputs } = draft.steps[0];
  draft = updatePort(draft, "output", key, outputs[0].key, { datastore: "lake", path: "features" });
  draft = updateRegistration(draft, key, outputs[0].key, { dataset: "features" });
  const copy = toDefinition(duplicateStep(draft, key).draft).steps[1].outputs[0];
  assert.deepEqual(copy, { name: "features", datastore: "lake", path: null, register_as: null });
});

test("variables of a step come and go, and their placeholders follow names", () => {
  let draft = fromDefinition(digits());
  const { key: stepKey } = draft.steps[1];
  const added = addVariable(draft, stepKey);
  draft = updateVariable(added.draft, stepKey, added.key, { name: "C", value: "c=${{parameters.c}} ${{inputs.features}}" });
  const before = remember(draft, "parameters", null, draft.parameters[0].key);
  draft = renameParameter(draft, draft.parameters[0].key, "strength", before);
  const input = draft.steps[1].inputs[0];
  draft = renamePort(draft, "input", stepKey, input.key, "rows", remember(draft, "inputs", stepKey, input.key));
  assert.deepEqual(toDefinition(draft).steps[1].environment_variables, [
    { name: "C", value: "c=${{parameters.strength}} ${{inputs.rows}}" },
  ]);
  const copy = duplicateStep(draft, stepKey).draft.steps[2];
  assert.notEqual(copy.environment_variables[0].key, added.key);
  assert.equal(copy.environment_variables[0].name, "C");
  assert.deepEqual(toDefinition(removeVariable(draft, stepKey, added.key)).steps[1].environment_variables, []);
});

test("a condition waits for the steps whose metrics it reads, and follows their names", () => {
  let draft = fromDefinition(digits());
  const train = named(draft, "train");
  const added = addStep(draft, { kind: "condition" });
  const expression = '${{steps.train.metrics.acc}} > 0.9 and ${{ steps.train.metrics }}["/a b"] > 1 and ${{steps.train2.metrics.acc}} > 0';
  draft = updateStep(added.draft, added.key, { expression });
  const leading = () => edgesOf(draft).filter(({ to }) => to === added.key).map(({ from }) => from);
  assert.deepEqual(leading(), [train.key]);
  const before = remember(draft, "steps", null, train.key);
  for (const name of ["trai", "", "prepare", "fit"]) draft = renameStep(draft, train.key, name, before);
  const now = draft.steps.find(({ key }) => key === added.key).expression;
  assert.equal(now, '${{steps.fit.metrics.acc}} > 0.9 and ${{steps.fit.metrics}}["/a b"] > 1 and ${{steps.train2.metrics.acc}} > 0');
  assert.equal(named(draft, "fit").key, train.key);
  assert.deepEqual(leading(), [train.key]);
});

test("settings that a parameter feeds follow its name", () => {
  let draft = fromDefinition(digits());
  const { key } = draft.steps[0];
  const fed = "${{parameters.c}}";
  draft = updateStep(draft, key, { compute: fed, timeout_s: fed, retry: { ...ONE_ATTEMPT, max_attempts: fed, backoff_s: 0 } });
  const before = remember(draft, "parameters", null, draft.parameters[0].key);
  for (const name of ["", "d", "dd"]) draft = renameParameter(draft, draft.parameters[0].key, name, before);
  const [step] = toDefinition(draft).steps;
  const now = "${{parameters.dd}}";
  assert.deepEqual([step.compute, step.timeout_s, step.retry.max_attempts], [now, now, now]);
  assert.deepEqual([step.environment, step.retry.backoff_s, step.limits], ["python", 0, NO_LIMITS]);
});

test("what a text names as an output is one", () => {
  let draft = fromDefinition(digits());
  const { key } = draft.steps[2];
  assert.equal(withNamedOutputs(draft), draft);
  draft = updateStep(draft, key, { arguments: "--r ${{outputs.report}} ${{ outputs.a/b }} ${{outputs.report}} ${{outputs." });
  const added = addVariable(draft, key);
  draft = updateVariable(added.draft, key, added.key, { name: "B", value: "${{outputs.best}}" });
  const names = (step) => step.outputs.map(({ name }) => name);
  const counted = withNamedOutputs(draft);
  assert.deepEqual(counted.steps.map(names), [["features"], ["model"], ["report", "best"]]);
  assert.equal(withNamedOutputs(counted), counted);
});

test("values of a notebook have keys of their own, follow renames, and are saved as they were", () => {
  const { draft, key } = addStep(fromDefinition({ parameters: [], steps: [] }), { kind: "notebook", environment: "python" });
  assert.equal(stepOf(draft, key).environment, "notebook");
  const first = addValue(draft, key, "parameters");
  let next = updateValue(first.draft, key, "parameters", first.key, { name: "alpha", value: 0 });
  const [port] = stepOf(next, key).outputs;
  next = renamePort(next, "output", key, port.key, "report", remember(next, "outputs", key, port.key));
  const { steps } = toDefinition(next);
  assert.deepEqual(steps[0].parameters, [
    { name: "target", value: "${{outputs.report}}" },
    { name: "alpha", value: 0 },
  ]);
  const again = fromDefinition({ parameters: [], steps });
  assert.equal(new Set(again.steps[0].parameters.map((row) => row.key)).size, 2);
  const less = removeValue(again, again.steps[0].key, "parameters", again.steps[0].parameters[0].key);
  assert.deepEqual(toDefinition(less).steps[0].parameters, [{ name: "alpha", value: 0 }]);
});

test("a step that uses a module gets its ports, and keeps what is bound and read", () => {
  const module = {
    inputs: [{ name: "images" }, { name: "mask" }],
    outputs: [{ name: "small" }],
    parameters: [
      { key: "", name: "size", type: "integer", default: null, description: "" },
      { key: "", name: "mode", type: "string", default: "fit", description: "" },
    ],
  };
  const first = addStep(fromDefinition({ parameters: [], steps: [] }));
  const { draft: two, key } = addStep(first.draft, { after: first.key, kind: "module" });
  let draft = two;
  assert.deepEqual([stepOf(draft, key).environment, stepOf(draft, key).compute, stepOf(draft, key).outputs], ["", "", []]);
  draft = takePorts(draft, key, module);
  const step = stepOf(draft, key);
  assert.deepEqual(step.inputs.map(({ name, binding }) => [name, Boolean(binding)]), [["images", true], ["mask", false]]);
  assert.deepEqual(step.outputs.map(({ name }) => name), ["small"]);
  assert.deepEqual(step.parameters.map(({ name, value }) => [name, value]), [["size", ""]]);
  const other = takePorts(draft, key, { inputs: [{ name: "picture" }], outputs: [{ name: "large" }], parameters: [] });
  assert.deepEqual(stepOf(other, key).inputs.map(({ name }) => name), ["images", "picture"], "what is bound stays to be decided");
  assert.deepEqual(stepOf(other, key).outputs.map(({ name }) => name), ["large"]);
  assert.deepEqual(stepOf(other, key).parameters, []);
});
