/** Kinds of steps for tests: the studio's own, as the server describes them, with shorter examples. */

/** @type {import("./kinds.js").Kind[]} */
export const KINDS = [
  {
    name: "python_script",
    label: "Python script",
    icon: "brand-python",
    summary: "",
    card_field: "entry",
    fields: [
      { name: "entry", label: "Entry script", help: "", widget: "script", default: "" },
      { name: "arguments", label: "Arguments", help: "", widget: "arguments", default: "" },
    ],
    example: { settings: { entry: "main.py", arguments: "--output ${{outputs.output}}" }, files: { "main.py": "print(1)\n" } },
    example_that_reads: {
      settings: { entry: "main.py", arguments: "--input ${{inputs.input}} --output ${{outputs.output}}" },
      files: { "main.py": "print(1)\n" },
    },
  },
  {
    name: "command",
    label: "Command",
    icon: "terminal-2",
    summary: "",
    card_field: "command",
    fields: [{ name: "command", label: "Command", help: "", widget: "shell", default: "" }],
    example: { settings: { command: "echo > ${{outputs.output}}/a" }, files: {} },
    example_that_reads: { settings: { command: "cat ${{inputs.input}}" }, files: {} },
  },
];
