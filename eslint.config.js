import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["static/dist/", "node_modules/", ".venv/", ".studio/"] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: "latest", sourceType: "module" },
    rules: {
      "no-var": "error",
      "prefer-const": "error",
      eqeqeq: "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-eval": "error",
    },
  },
  { files: ["static/src/**/*.js"], languageOptions: { globals: globals.browser } },
  { files: ["build.mjs", "static/build/*.mjs", "static/src/**/*.test.js"], languageOptions: { globals: globals.node } },
];
