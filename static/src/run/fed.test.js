import assert from "node:assert/strict";
import { test } from "node:test";

import { fedWords } from "./fed.js";

test("what parameters feed is told with the run's values", () => {
  const step = { compute: "${{parameters.where}}", timeout_s: 5, retry: { max_attempts: "${{ parameters.tries }}" }, limits: {}, resources: {} };
  assert.equal(
    fedWords(step, { tries: 3 }),
    "Fed by parameters: compute target by “where”; attempts by “tries”, which is 3 in this run. What you write in their place holds from the next attempt on.",
  );
  assert.equal(fedWords({ timeout_s: 5 }, {}), "");
});
