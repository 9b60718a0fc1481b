"""An entry script over the files or rows of an input, a batch at a time, by several processes of several nodes."""

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field

from pipelines.arguments import command_arguments
from pipelines.arguments import parse as parse_arguments
from pipelines.kinds.interface import Example, Place, SourceFiles
from pipelines.kinds.with_files import StepWithFiles
from pipelines.parts import ParameterValue
from pipelines.placeholders import HasPlaceholders
from pipelines.texts import near
from pipelines.value_text import parse

MOST_PROCESSES = 256
MOST_NODES = 64
MOST_TRIES = 100
ROWS_FILE = "parallel_run_step.txt"  # azureml's
_PROGRAM = "run_parallel"
_SIZE = re.compile(r"\s*0*[1-9]\d{0,17}\s*([KMG]?B)?\s*", re.IGNORECASE)  # as `studio_parallel.planning` reads it
_FIRST_SCRIPT = "batches.py"
_INPUT, _OUTPUT = "${{inputs.input}}", "${{outputs.output}}"
_TEMPLATE = '''"""Works on one batch after the other. Make it yours."""

from pathlib import Path


def init():
    """Once in each process, before its first batch: load a model here."""


def run(mini_batch):
    """One element for each file that went well; the elements of all batches become the lines of one file."""
    results = []
    for path in map(Path, mini_batch):
        results.append(f"{path.name},{path.stat().st_size}")
    return results
'''


class ParallelRunStep(StepWithFiles):
    """Azure ML's ParallelRunStep: batches of an input, handed to processes that have called `init()` once.

    `run(mini_batch)` gets a list of paths, or a pandas DataFrame, and returns an element for each item that went well.
    A batch that fails, or takes too long, is tried again in a fresh process where its own is gone. What it comes to
    doesn't hang on how many processes or nodes there are: results stand in the order of the batches.

    With several nodes a run has a step for the part of each, which takes every so manieth batch, and the step itself
    puts together what they leave: see `pipelines.spreading`.
    """

    label: ClassVar[str] = "Parallel run"
    icon: ClassVar[str] = "arrows-split-2"
    summary: ClassVar[str] = "Runs a script over an input in batches, several at once, on one node or several."
    card_field: ClassVar[str] = "entry_script"
    script_field: ClassVar[str] = "entry_script"
    reads_script: ClassVar[bool] = True
    runs_tab: ClassVar[str] = "batches"
    takes_inputs: ClassVar[Literal["any", "one", "none"]] = "one"  # a new one has it already; further ones may follow
    programs: ClassVar[Mapping[str, Path]] = MappingProxyType({_PROGRAM: Path(__file__).parent / "programs" / _PROGRAM})
    fixed: ClassVar[frozenset[str]] = frozenset({"nodes"})  # so many parts its run has
    # What parts must agree in, those that are done included.
    same_for_all: ClassVar[frozenset[str]] = frozenset(
        {"input", "split_into", "mini_batch_size", "partition_keys", "output_action"}
    )

    kind: Literal["parallel_run"] = "parallel_run"
    entry_script: str = Field(
        default="",
        title="Entry script",
        description="It has a function run(mini_batch), and init() where each process needs something once.",
        json_schema_extra={"widget": "script", "suffix": ".py"},
    )
    arguments: str = Field(
        default="",
        title="Arguments",
        description="The script finds them in sys.argv. Further inputs go here, too.",
        json_schema_extra={"widget": "arguments"},
    )
    input: str = Field(
        default="",
        title="Input to split",
        description=f"As in {_INPUT}: a folder of files, or a table. Empty where the step has one input alone.",
        json_schema_extra={"widget": "filled"},
    )
    split_into: Literal["files", "rows"] = Field(
        default="files",
        title="Batches of",
        description="Files: run() gets a list of paths. Rows, of a tabular dataset or of files that end in .parquet, "
        ".csv or .tsv: it gets a DataFrame, and the environment needs pandas and pyarrow.",
        json_schema_extra={"choices": {"files": "Files", "rows": "Rows of a table"}},
    )
    mini_batch_size: str = Field(
        default="10",
        title="Size of a batch",
        description="A number of files or rows, or about so many bytes, as in 10MB.",
        json_schema_extra={"fed": "size"},
    )
    partition_keys: str = Field(
        default="",
        title="Partition keys",
        description="Columns of the table, with commas between them: a batch for each combination of their values, "
        "whatever its size. For rows only.",
    )
    nodes: int = Field(
        default=1,
        title="Nodes",
        description="So many parts are made of the batches, for as many nodes of the compute target. Each is a step of "
        "its own in the run, and this one then puts their results together.",
        json_schema_extra={"widget": "number", "fed": "whole"},
    )
    processes: int = Field(
        default=0,
        title="Processes",
        description="So many batches at once, on each node. 0: as many as the CPUs that the step asks for, or else the "
        "node has.",
        json_schema_extra={"widget": "number", "fed": "whole"},
    )
    error_threshold: int = Field(
        default=0,
        title="Failed items that are let pass",
        description="Files or rows without a result. With more the step stops at once, and has failed; -1 lets all "
        "pass.",
        json_schema_extra={"widget": "number", "fed": "whole"},
    )
    max_tries: int = Field(
        default=3,
        title="Tries of a batch",
        description="Counting the first.",
        json_schema_extra={"widget": "number", "fed": "whole"},
    )
    batch_timeout_s: int | None = Field(
        default=60,
        title="Time limit of a batch (s)",
        description="One that takes longer is stopped, with its process, and tried again. Empty for none.",
        json_schema_extra={"widget": "number", "fed": "whole"},
    )
    output: str = Field(
        default="",
        title="Output for the results",
        description=f"As in {_OUTPUT}.",
        json_schema_extra={"widget": "filled"},
    )
    output_action: Literal["append_row", "summary_only"] = Field(
        default="append_row",
        title="Results",
        description="What run() returns becomes lines of one file, in the order of the batches; of DataFrames a CSV. "
        "Or the script writes all results itself, and what it returns is counted only.",
        json_schema_extra={
            "choices": {"append_row": "One file with a line each", "summary_only": "The script writes them"}
        },
    )
    append_row_file_name: str = Field(
        default=ROWS_FILE, title="Name of the file", description="In the output, of results in one file."
    )
    logging_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO",
        title="Logging level",
        description="Of Python's logging in the script.",
        json_schema_extra={"choices": {level: level for level in ("DEBUG", "INFO", "WARNING", "ERROR")}},
    )

    @classmethod
    def example(cls, *, reads: bool) -> Example:  # noqa: ARG003 (it has an input in any case)
        settings = {"entry_script": _FIRST_SCRIPT, "input": _INPUT, "output": _OUTPUT}
        return Example(settings, {_FIRST_SCRIPT: _TEMPLATE})

    def texts(self) -> Mapping[Place, HasPlaceholders]:
        return {
            "arguments": parse_arguments(self.arguments, self.optional_inputs),
            "input": parse(self.input),
            "output": parse(self.output),
        }

    def problems(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:
        yield from super().problems(files)
        yield from self._script_problems(files)
        yield from self._data_problems()
        yield from self._size_problems()
        if not 1 <= self.nodes <= MOST_NODES:
            yield "nodes", f"Give a whole number from 1 to {MOST_NODES}."
        if not 0 <= self.processes <= MOST_PROCESSES:
            yield "processes", f"Give a whole number from 0 to {MOST_PROCESSES}."
        if self.error_threshold < -1:
            yield "error_threshold", "Give a number of files or rows, or -1 to let all pass."
        if not 1 <= self.max_tries <= MOST_TRIES:
            yield "max_tries", f"Give a whole number from 1 to {MOST_TRIES}."
        if self.batch_timeout_s is not None and self.batch_timeout_s <= 0:
            yield "batch_timeout_s", "Give a whole number of seconds above 0, or leave it empty for no limit."

    def argv(self, values: Mapping[str, ParameterValue], absent_inputs: Collection[str]) -> list[str]:
        return self._argv(values, absent_inputs, {})

    def part_argv(
        self, values: Mapping[str, ParameterValue], absent_inputs: Collection[str], *, number: int, handed_on: str
    ) -> list[str]:
        """Of the part `number`, from 1 on, which leaves what it did in the output `handed_on`."""
        more = {"part": f"{number}/{self.nodes}", "parts": f"${{{{outputs.{handed_on}}}}}"}
        return self._argv(values, absent_inputs, more)

    def uniting_argv(self, read: Mapping[str, Sequence[str]], *, handed_on: str) -> list[str]:
        """Of the step that puts the parts together. `read` has, by the output of a part, the inputs that it is."""
        said = {
            "nodes": self.nodes,
            "split": self.split_into,
            "threshold": self.error_threshold,
            "action": self.output_action,
            "file": self.append_row_file_name.strip(),
        }
        words = [f"--{name}={value}" for name, value in said.items()]
        places = {name: [f"${{{{inputs.{given}}}}}" for given in inputs] for name, inputs in read.items()}
        words += ["--", *places.pop(handed_on)]
        for name in sorted(places, key=lambda name: (name != self.results_output, name)):
            words += [name, f"${{{{outputs.{name}}}}}", *places[name]]
        return ["python", "-u", f"${{{{programs.{_PROGRAM}}}}}", "--unite", *words]

    @property
    def results_output(self) -> str | None:
        """The name of the output for the results."""
        return _only(self.output, "outputs")

    def _argv(
        self, values: Mapping[str, ParameterValue], absent_inputs: Collection[str], more: Mapping[str, str]
    ) -> list[str]:
        read = parse_arguments(self.arguments, self.optional_inputs)
        arguments = command_arguments(read, values, absent_inputs=absent_inputs)
        said = {
            "input": self.split_input,
            "output": self.output.strip(),
            "split": self.split_into,
            "batch": self.mini_batch_size.strip(),
            "keys": self.partition_keys.strip(),
            "threshold": self.error_threshold,
            "action": self.output_action,
            "file": self.append_row_file_name.strip(),
            "logging": self.logging_level,
            "processes": self.processes or (max(1, int(self.resources.cpus)) if self.resources.cpus else 0),
            "tries": self.max_tries,
            "timeout-s": self.batch_timeout_s or 0,
            **more,
        }
        words = [f"--{name}={value}" for name, value in said.items()]
        # `-u` keeps it from starting in an interpreter that was made ready for scripts.
        return ["python", "-u", f"${{{{programs.{_PROGRAM}}}}}", *words, "--", self.entry_script, *arguments]

    def counted(self, command: Sequence[str]) -> list[str]:
        """How many processes worked makes no other result. Tries and time do where items may be missing from it."""
        ways = ["--processes=", "--logging="]
        if self.error_threshold == 0:
            ways += ["--tries=", "--timeout-s="]
        end = command.index("--")
        return [word for word in command[:end] if not word.startswith(tuple(ways))] + list(command[end:])

    @property
    def split_input(self) -> str:
        """As it says, or else the one input that there is."""
        if self.input.strip() or len(self.inputs) != 1:
            return self.input.strip()
        return f"${{{{inputs.{self.inputs[0].name}}}}}"

    def _script_problems(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:
        if files is None:
            yield "source", "The step has no source files. Upload them, or write a script."
        elif not self.entry_script:
            scripts = sorted((path for path in files if path.endswith(".py")), key=lambda path: (path.count("/"), path))
            yield "entry_script", f"Choose the script to run{f', as in “{scripts[0]}”' if scripts else ''}."
        elif self.entry_script not in files:
            yield (
                "entry_script",
                f"There is no “{self.entry_script}” in the source files.{near(self.entry_script, files)}",
            )
        elif files.script_text is not None and (sentence := script_problem(files.script_text)):
            yield "entry_script", sentence

    def _data_problems(self) -> Iterator[tuple[Place, str]]:
        name = _only(self.split_input, "inputs")
        if not self.inputs:
            yield "input", "Give the step an input: what is split into batches."
        elif not self.split_input:
            yield "input", f"Say which input is split, as in {_INPUT}."
        elif name is None:
            yield "input", "Let this be one input alone, with nothing before it or behind it."
        for index, given in enumerate(self.inputs):
            if given.name == name and given.optional:
                yield ("inputs", index, "optional"), "The input to split can't be optional: there would be no batches."
            if given.name == name and given.mode == "direct":
                yield ("inputs", index, "mode"), "The input to split is read as files. Choose download or mount."
        if not self.output.strip():
            yield "output", f"Say where the results go, as in {_OUTPUT}."
        elif (target := self.results_output) is None:
            yield "output", "Let this be one output alone, with nothing before it or behind it."
        for index, output in enumerate(self.outputs):
            if self.output.strip() and output.name == target and output.file is not None:
                yield ("outputs", index, "file"), "The output for the results is a folder. Leave this empty."
            elif self.nodes > 1 and output.file is not None:
                yield (
                    ("outputs", index, "file"),
                    "Several nodes add to an output: it is a folder. Leave this empty.",
                )
        name = self.append_row_file_name.strip()
        if not name or "/" in name or name in {".", ".."} or "\0" in name or len(name.encode()) > 200:
            yield "append_row_file_name", f"Give the name of a file, as in {ROWS_FILE}, without folders."

    def _size_problems(self) -> Iterator[tuple[Place, str]]:
        for field in ("append_row_file_name", "partition_keys"):
            if "${{" in getattr(self, field):
                yield field, "This takes no placeholders. Write it out."
        if not _SIZE.fullmatch(self.mini_batch_size):
            yield "mini_batch_size", "Give a whole number above 0, as in 10, or a size, as in 10MB."
        if not self.partition_keys.strip():
            return
        keys = [key.strip() for key in self.partition_keys.split(",")]
        if self.split_into == "files":
            yield "partition_keys", "Files have no columns. Choose batches of rows, or leave this empty."
        elif not all(keys):
            yield "partition_keys", "Name columns with a comma between two of them, as in store, year."
        elif len(set(keys)) < len(keys):
            yield "partition_keys", "A column stands here twice. Take one of them away."


def script_problem(text: str) -> str:
    """Why a script can't work on batches; empty where nothing is seen. It is read, and not run."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # of another Python maybe: the run says it
    run = next((node for node in reversed(tree.body) if isinstance(node, ast.FunctionDef) and node.name == "run"), None)
    if run is None:
        has_another = any(_may_be_run(node) for node in ast.walk(tree))
        return "" if has_another else "The script has no function “run”. Write one, as in def run(mini_batch): …"
    return "" if _takes_one(run.args) else "“run” is called with one argument, the batch. Write def run(mini_batch): …"


def _may_be_run(node: ast.AST) -> bool:
    """Whether it gives something the name that isn't a function of the script's own top level."""
    match node:
        case ast.FunctionDef(name="run") | ast.Name(id="run", ctx=ast.Store()):
            return True
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return any((alias.asname or alias.name) in {"run", "*"} for alias in names)
    return False


def _takes_one(arguments: ast.arguments) -> bool:
    places = [*arguments.posonlyargs, *arguments.args]
    needed = len(places) - len(arguments.defaults)
    has_place = bool(places) or arguments.vararg is not None
    return has_place and needed <= 1 and None not in arguments.kw_defaults


def _only(text: str, scope: str) -> str | None:
    """The name of the input or output that a text is, and nothing else."""
    match parse(text.strip()).pieces[0].parts:
        case [part] if not isinstance(part, str) and part.scope == scope:
            return part.name
    return None
