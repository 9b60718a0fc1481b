"""A command, or several, of a shell."""

from collections.abc import Collection, Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from pipelines.kinds.interface import Example, Place, SourceFiles
from pipelines.kinds.with_files import StepWithFiles
from pipelines.parts import ParameterValue
from pipelines.placeholders import HasPlaceholders
from pipelines.shell_text import bash_argv, parse


class CommandStep(StepWithFiles):
    """Runs `command` by bash in the step's folder, where its source files lie, if it has any.

    It ends with the first line that fails. Placeholders stand for a path or a value as in the arguments of a script;
    whatever a value holds, it is never read as a part of the command.
    """

    label: ClassVar[str] = "Command"
    icon: ClassVar[str] = "terminal-2"
    summary: ClassVar[str] = "Runs shell commands, with or without files of its own."
    card_field: ClassVar[str] = "command"

    kind: Literal["command"] = "command"
    command: str = Field(
        default="",
        title="Command",
        description="Run by bash in the folder of the step's files. It ends with the first line that fails.",
        json_schema_extra={"widget": "shell"},
    )

    @classmethod
    def example(cls, *, reads: bool) -> Example:
        lines = ["find ${{inputs.input}} -type f"] if reads else []
        lines.append('echo "Hello from this step." > ${{outputs.output}}/result.txt')
        return Example({"command": "\n".join(lines)})

    def texts(self) -> Mapping[Place, HasPlaceholders]:
        return {"command": parse(self.command, self.optional_inputs)}

    def problems(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:
        yield from super().problems(files)
        if not self.command.strip():
            yield "command", "Write the command to run, as in “wc -l ${{inputs.table}} > ${{outputs.count}}/lines.txt”."

    def argv(self, values: Mapping[str, ParameterValue], absent_inputs: Collection[str]) -> list[str]:
        return bash_argv(parse(self.command, self.optional_inputs), values, absent_inputs=absent_inputs)
