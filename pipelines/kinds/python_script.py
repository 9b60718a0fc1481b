"""A script of a source folder, run by the environment's Python."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from pipelines.arguments import command_arguments, parse
from pipelines.kinds.interface import Example, Place, SourceFiles
from pipelines.kinds.with_files import StepWithFiles
from pipelines.parts import ParameterValue
from pipelines.placeholders import HasPlaceholders
from pipelines.texts import near

_FIRST_SCRIPT = "main.py"
_TEMPLATE = """\"\"\"Reads a folder, writes a folder. Make it yours.\"\"\"

import argparse
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--input", type=Path, help="file or folder to read")
parser.add_argument("--output", type=Path, help="folder to write")
args = parser.parse_args()

if args.input:
    for path in sorted(args.input.rglob("*")):
        print("found", path.name)

if args.output:
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "result.txt").write_text("Hello from this step.\\n")
    print("wrote result.txt")
"""


class PythonScriptStep(StepWithFiles):
    """Runs one script of a source folder.

    `arguments` is written as on a command line, quotes included; `${{inputs.NAME}}`, `${{outputs.NAME}}` and
    `${{parameters.NAME}}` stand for a path, a path and a value. What stands within `$[[…]]` is left out as a whole
    where an optional input or parameter in it is absent; what stands within `[…]`, where an optional input is.
    """

    label: ClassVar[str] = "Python script"
    icon: ClassVar[str] = "brand-python"
    summary: ClassVar[str] = "Runs a script of the step's files with Python."
    card_field: ClassVar[str] = "entry"
    script_field: ClassVar[str] = "entry"

    kind: Literal["python_script"] = "python_script"
    entry: str = Field(  # path in the source
        default="", title="Entry script", json_schema_extra={"widget": "script", "suffix": ".py"}
    )
    arguments: str = Field(default="", title="Arguments", json_schema_extra={"widget": "arguments"})

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, data: Any) -> Any:
        """They had `retries`, the number of further attempts after a failure of the script."""
        if isinstance(data, dict) and isinstance(retries := data.get("retries"), int) and "retry" not in data:
            data = {name: value for name, value in data.items() if name != "retries"}
            return {**data, "retry": {"max_attempts": retries + 1}}
        return data

    @classmethod
    def example(cls, *, reads: bool) -> Example:
        arguments = f"{'--input ${{inputs.input}} ' if reads else ''}--output ${{{{outputs.output}}}}"
        return Example({"entry": _FIRST_SCRIPT, "arguments": arguments}, {_FIRST_SCRIPT: _TEMPLATE})

    def texts(self) -> Mapping[Place, HasPlaceholders]:
        return {"arguments": parse(self.arguments, self.optional_inputs)}

    def problems(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:
        yield from super().problems(files)
        if files is None:
            yield "source", "The step has no source files. Upload them, or write a script."
        elif not self.entry:
            scripts = sorted((path for path in files if path.endswith(".py")), key=lambda path: (path.count("/"), path))
            example = f", as in “{scripts[0]}”" if scripts else ""
            yield "entry", f"Choose the script to run{example}."
        elif self.entry not in files:
            yield "entry", f"There is no “{self.entry}” in the source files.{near(self.entry, files)}"

    def argv(self, values: Mapping[str, ParameterValue], absent_inputs: Collection[str]) -> list[str]:
        arguments = command_arguments(parse(self.arguments, self.optional_inputs), values, absent_inputs=absent_inputs)
        return ["python", self.entry, *arguments]
