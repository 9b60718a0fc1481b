import assert from "node:assert/strict";
import { test } from "node:test";

import { isNeeded, valuesIn } from "./kind-values.js";

test("a field matters where all of its conditions hold", () => {
  assert.equal(isNeeded({}, {}), true);
  assert.equal(isNeeded({ config_auth: ["key", "sas"] }, { config_auth: "sas" }), true);
  assert.equal(isNeeded({ config_auth: ["key"] }, { config_auth: "identity" }), false);
  assert.equal(isNeeded({ config_auth: ["key"], config_tls: ["true"] }, { config_auth: "key", config_tls: "false" }), false);
});

test("values go to their part, as what they are", () => {
  const fields = [
    { name: "name", type: "text", value: "images" },
    { name: "config_host", type: "text", value: "" },
    { name: "config_port", type: "number", value: "5432" },
    { name: "config_size", type: "number", value: "" },
    { name: "config_path_style", type: "checkbox", value: "false" },
    { name: "credentials_secret_key", type: "password", value: "hush" },
    { name: "credentials_token", type: "password", value: "" },
  ];
  assert.deepEqual(valuesIn(fields), {
    config: { host: "", port: 5432, path_style: false },
    credentials: { secret_key: "hush" },
  });
});
