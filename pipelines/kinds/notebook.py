"""A notebook of a source folder, run cell by cell by papermill; what it became is kept."""

import json
import keyword
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field, FiniteFloat

from pipelines.kinds.interface import Example, Place, SourceFiles
from pipelines.kinds.with_files import StepWithFiles
from pipelines.notebooks import NotebookError, read_notebook
from pipelines.parts import Output, ParameterValue, Part
from pipelines.placeholders import Placeholder
from pipelines.texts import near
from pipelines.value_text import ValueText, filled
from pipelines.value_text import parse as parse_value

ENVIRONMENT = "notebook"
KEPT = "executed_notebook"
_PROGRAM = "run_notebook"
_FIRST_NOTEBOOK = "notebook.ipynb"


class NotebookParameter(Part):
    """A value for the notebook. A text may hold placeholders; one that is exactly a placeholder of a parameter keeps
    that parameter's type."""

    name: str
    value: str | int | FiniteFloat | bool = ""


class NotebookStep(StepWithFiles):
    """Runs one notebook of a source folder by papermill, in the notebook's own folder.

    `parameters` are put into a cell behind the one tagged `parameters`, as papermill does; one whose value speaks of an
    absent input or parameter is left out, so that the notebook's own value stays. The executed notebook is kept as the
    output `executed_notebook`: also when a cell fails, and as far as it came when the step is cancelled or runs out of
    time. Where the environment has nbconvert, a page of it (HTML) lies beside it.
    """

    label: ClassVar[str] = "Notebook"
    icon: ClassVar[str] = "notebook"
    summary: ClassVar[str] = "Runs a Jupyter notebook of the step's files from top to bottom, and keeps what it became."
    card_field: ClassVar[str] = "notebook"
    script_field: ClassVar[str] = "notebook"
    reads_script: ClassVar[bool] = True
    keeps: ClassVar[tuple[Output, ...]] = (Output(name=KEPT),)
    programs: ClassVar[Mapping[str, Path]] = MappingProxyType({
        _PROGRAM: Path(__file__).parent / "programs" / "run_notebook.py"
    })  # fmt: skip
    needs: ClassVar[tuple[str, ...]] = ("papermill", "ipykernel")

    kind: Literal["notebook"] = "notebook"
    environment: str = ENVIRONMENT
    notebook: str = Field(
        default="",
        title="Notebook",
        description="It runs in its own folder, as in Jupyter.",
        json_schema_extra={"widget": "script", "suffix": ".ipynb"},
    )
    parameters: list[NotebookParameter] = Field(
        default_factory=list,
        title="Parameters of the notebook",
        description="Each takes the place of a value in the cell tagged “parameters”. A number, true and false are "
        'those; in quotes, as in "5", they are text.',
        json_schema_extra={"widget": "values"},
    )
    kernel: str = Field(
        default="",
        title="Kernel",
        description="One of the environment's. Empty for the notebook's own, or python3 where that isn't there.",
    )
    cell_timeout_s: int | None = Field(
        default=None,
        title="Time limit of a cell (s)",
        description="A cell that takes longer is stopped, and the step fails. Empty for none.",
        json_schema_extra={"widget": "number", "fed": "whole"},
    )

    @classmethod
    def example(cls, *, reads: bool) -> Example:
        given = [{"name": "source", "value": "${{inputs.input}}"}] if reads else []
        given.append({"name": "target", "value": "${{outputs.output}}"})
        settings = {"notebook": _FIRST_NOTEBOOK, "parameters": given}
        return Example(settings, {_FIRST_NOTEBOOK: _first_notebook()}, environment=ENVIRONMENT)

    def texts(self) -> Mapping[Place, ValueText]:
        return {
            ("parameters", index, "value"): parse_value(given.value)
            for index, given in enumerate(self.parameters)
            if isinstance(given.value, str)
        }

    def problems(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:
        yield from super().problems(files)
        yield from self._file_problems(files)
        yield from self._parameter_problems()
        if self.kernel != self.kernel.strip() or "/" in self.kernel:
            yield "kernel", "This is no name of a kernel. Leave it empty, or write one as in “python3”."
        if self.cell_timeout_s is not None and self.cell_timeout_s <= 0:
            yield "cell_timeout_s", "Give a whole number of seconds above 0, or leave it empty for no limit."

    def warnings(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:
        yield from super().warnings(files)
        text = files.script_text if files else None
        try:
            notebook = read_notebook(text) if text is not None else None
        except NotebookError:
            return
        if notebook is None:
            return
        if notebook.parameters is None and self.parameters:
            yield (
                "parameters",
                "The notebook has no cell tagged “parameters”: a cell with these values is put before all others.",
            )
            return
        for index, given in enumerate(self.parameters):
            if given.name and given.name not in (notebook.parameters or ()):
                yield (
                    ("parameters", index, "name"),
                    f"The notebook's cell of parameters has no “{given.name}”.{notebook.parameter_words}",
                )

    def argv(self, values: Mapping[str, ParameterValue], absent_inputs: Collection[str]) -> list[str]:
        limit = "" if self.cell_timeout_s is None else str(self.cell_timeout_s)
        given = [word for each in self.parameters for word in _given(each, values, absent_inputs)]
        # `-u` keeps it from starting in an interpreter that was made ready for scripts.
        program = ["python", "-u", f"${{{{programs.{_PROGRAM}}}}}"]
        return [*program, self.notebook, f"${{{{outputs.{KEPT}}}}}", self.kernel, limit, *given]

    def _file_problems(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:
        if files is None:
            yield "source", "The step has no source files. Upload a notebook."
            return
        notebooks = sorted((path for path in files if _is_notebook(path)), key=lambda path: (path.count("/"), path))
        if not self.notebook:
            yield "notebook", f"Choose the notebook to run{f', as in “{notebooks[0]}”' if notebooks else ''}."
        elif self.notebook not in files:
            yield "notebook", f"There is no “{self.notebook}” in the source files.{near(self.notebook, files)}"
        elif not _is_notebook(self.notebook):
            yield (
                "notebook",
                "A notebook's name ends in “.ipynb”. For a script, use a step of the kind Python script.",
            )
        elif files.script_text is not None:
            try:
                read_notebook(files.script_text)
            except NotebookError as error:
                yield "notebook", str(error)

    def _parameter_problems(self) -> Iterator[tuple[Place, str]]:
        seen: set[str] = set()
        for index, given in enumerate(self.parameters):
            place = ("parameters", index, "name")
            if not given.name.isidentifier() or not given.name.isascii() or keyword.iskeyword(given.name):
                yield place, "Use a name as Python has it: letters, digits and underscores, as in “learning_rate”."
            elif given.name in seen:
                yield place, f"There is another “{given.name}”. Choose a name of its own."
            seen.add(given.name)


def _given(given: NotebookParameter, values: Mapping[str, ParameterValue], absent_inputs: Collection[str]) -> list[str]:
    """How the program gets a value, in three words: `text` to be taken as it is, `json` for everything else."""
    if not isinstance(given.value, str):
        return ["json", given.name, json.dumps(given.value)]
    value = parse_value(given.value)
    text = filled(value, values, absent_inputs)
    if text is None:
        return []
    match value.pieces[0].parts:
        case [Placeholder(scope="parameters", name=name)] if not isinstance(values[name], str):
            return ["json", given.name, json.dumps(values[name])]
    return ["text", given.name, text]


def _is_notebook(path: str) -> bool:
    return path.endswith(".ipynb")


def _first_notebook() -> str:
    """A new step's, as Jupyter writes it."""
    parameters = '# A run may give other values.\nsource = None\ntarget = "output"'
    work = (
        "from pathlib import Path\n\n"
        "if source:\n"
        '    for path in sorted(Path(source).rglob("*")):\n'
        '        print("found", path.name)\n\n'
        "Path(target).mkdir(parents=True, exist_ok=True)\n"
        'Path(target, "result.txt").write_text("Hello from this notebook.\\n")\n'
        'print("wrote result.txt")'
    )
    cells = [
        {
            "cell_type": "markdown",
            "id": "about",
            "metadata": {},
            "source": _lines("# A notebook of this pipeline\n\nIt reads a folder, and writes a folder. Make it yours."),
        },
        _code("parameters", parameters, tags=["parameters"]),
        _code("work", work),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    document = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document, indent=1) + "\n"


def _code(name: str, source: str, *, tags: Collection[str] = ()) -> dict[str, object]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {"tags": list(tags)} if tags else {},
        "outputs": [],
        "source": _lines(source),
    }


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
