import assert from "node:assert/strict";
import { test } from "node:test";

import { addInput, addParameter, addStep, fromDefinition, updateStep } from "./document.js";
import { countsByStep, placed, withoutPending } from "./problems.js";
import { KINDS } from "./kinds.fixture.js";
import { useKinds } from "./kinds.js";

useKinds(KINDS);

const draft = () => {
  const { draft: one, key } = addStep(fromDefinition({ parameters: [], steps: [] }));
  return addParameter(addInput(one, key).draft).draft;
};

test("a problem is told by keys, with words for where", () => {
  const d = draft();
  const [step] = d.steps;
  const problems = placed(
    [
      { loc: ["steps", 0, "inputs", 0, "binding"], message: "unbound" },
      { loc: ["steps", 0, "entry"], message: "missing" },
      { loc: ["parameters", 0, "default"], message: "wrong" },
      { loc: ["steps"], message: "none" },
    ],
    d,
  );
  assert.deepEqual(
    problems.map(({ stepKey, path, where }) => [stepKey, path, where]),
    [
      [step.key, `inputs.${step.inputs[0].key}.binding`, "step · input input"],
      [step.key, "entry", "step · entry script"],
      [null, `parameters.${d.parameters[0].key}.default`, "parameter parameter"],
      [null, "steps", "steps"],
    ],
  );
  assert.deepEqual([...countsByStep(problems)], [[step.key, 2]]);
});

test("a problem with one line of a field stands at the field", () => {
  const d = draft();
  const one = updateStep(d, d.steps[0].key, { hash_paths: ["src", "no"] });
  const [problem] = placed([{ loc: ["steps", 0, "hash_paths", 1], message: "not there" }], one);
  assert.deepEqual([problem.path, problem.where], ["hash_paths", "step · files that count “no”"]);
});

test("what the next save mends is no problem", () => {
  const d = draft();
  const problems = placed(
    [
      { loc: ["steps", 0, "source"], message: "no files" },
      { loc: ["steps", 0, "compute"], message: "choose" },
    ],
    d,
  );
  assert.deepEqual(withoutPending(problems, d).map(({ path }) => path), ["compute"]);
  const kept = updateStep(d, d.steps[0].key, { edits: {} });
  assert.equal(withoutPending(problems, kept).length, 2);
});
