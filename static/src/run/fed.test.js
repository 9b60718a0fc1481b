import assert from "node:assert/strict";
import { test } from "node:test";

import { useKinds } from "../builder/kinds.js";
import { KINDS } from "../builder/kinds.fixture.js";
import { fedWords } from "./fed.js";

useKinds(KINDS);

test("what parameters feed is told with the run's values", () => {
  const step = { kind: "command", compute: "${{parameters.where}}", timeout_s: 5, retry: { max_attempts: "${{ parameters.tries }}" }, limits: {}, resources: {} };
  assert.equal(
    fedWords(step, { tries: 3 }),
    "Fed by parameters: compute target by “where”; attempts by “tries”, which is 3 in this run. What you write in their place holds from the next attempt on.",
  );
  assert.equal(fedWords({ kind: "command", timeout_s: 5 }, {}), "");
});

test("what is a kind's own can be fed, too", () => {
  const step = { kind: "notebook", cell_timeout_s: "${{parameters.patience}}" };
  assert.match(fedWords(step, { patience: 60 }), /^Fed by parameters: “Time limit of a cell \(s\)” by “patience”, which is 60 in this run\./);
});
