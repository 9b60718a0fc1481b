"""`README.md` of an archive: what it is, how to run it, and what is not as it was. Pure."""

from collections.abc import Iterator, Mapping
from shlex import join

from compute.spec import EnvironmentLock, JobInput
from pipelines.definition import Step
from pipelines.models import FrozenInput, StepRun
from pipelines.reproduction.run_script import Place


def text(
    step: StepRun,
    lock: EnvironmentLock | None,
    data: Mapping[str, JobInput],
    places: Mapping[tuple[str, str], Place],
) -> str:
    return "\n".join(_lines(step, lock, data, places))


def _lines(
    step: StepRun,
    lock: EnvironmentLock | None,
    data: Mapping[str, JobInput],
    places: Mapping[tuple[str, str], Place],
) -> Iterator[str]:
    frozen, spec = step.frozen, step.frozen.environment
    yield from (f"# {_inline(step.name)} of run {step.run_id}", "")
    yield "Run it with `./run.sh`. What it writes lies in `outputs/` then, and the last lines say of each output"
    yield "whether it is the same as in the run."
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| kind | {type(frozen.step).label} |"
    yield f"| status | {step.get_status_display()}{_exit_code(step)} |"
    yield f"| command | `{_cell(join(frozen.command))}` |"
    yield from _origin(frozen.step)
    yield f"| environment | {_cell(frozen.environment_name)}{_built_with(lock)} |"
    if not spec.is_managed:
        yield f"| Python | `{_cell(spec.interpreter)}`, whose packages the studio did not install |"
    for name, value in {**spec.variables, **frozen.environment_variables}.items():
        yield f"| variable {name} | `{_cell(value)}` |"
    for name in data:
        yield f"| input {name} | {_cell(_read(frozen.inputs[name]))} |"
    yield ""
    yield from _needs(step, lock, data, places)
    yield ""
    yield "What is not as it was: nothing shuts the step in or limits its time, memory and processors, and the machine"
    yield "is another one. The data is what lies there today; `step.json` has the fingerprints of what it wrote then."
    yield "What the step logs by `studio_sdk` is printed and goes nowhere else."
    yield ""


def _origin(step: Step) -> Iterator[str]:
    git = step.git
    if git is None:
        return
    if git.repository:
        yield f"| repository | {_cell(git.repository)} |"
    if git.branch:
        yield f"| branch | {_cell(git.branch)} |"
    changed = ", with uncommitted changes" if git.dirty else ""
    kept = " (`changes.diff`, from that commit)" if git.diff else ""
    since = "; the files were edited in the studio since" if step.was_edited_here else ""
    yield f"| commit | {git.commit or 'none yet'}{changed}{kept}{since} |"


def _needs(
    step: StepRun,
    lock: EnvironmentLock | None,
    data: Mapping[str, JobInput],
    places: Mapping[tuple[str, str], Place],
) -> Iterator[str]:
    spec = step.frozen.environment
    yield "It needs:"
    yield ""
    if not spec.is_managed:
        yield "- a Python with the packages of the step: `PYTHON=/path/to/python ./run.sh`;"
    elif lock is not None and lock.tool == "conda":
        yield f"- micromamba, mamba or conda, on {lock.platform}, and the way to the channels;"
    else:
        yield f"- `uv`, or Python {spec.python_version}; and the way to the package index;"
    for name in spec.indexes:
        yield f"- the package index “{name}”: set `UV_INDEX` (or `PIP_EXTRA_INDEX_URL`) to its address;"
    if any(not places["inputs", name].is_address for name in data):
        yield "- for data that is not in `inputs/`: `STUDIO_TOKEN` with a token of yours, and the way to the studio;"
    if any(places["inputs", name].is_address for name in data):
        yield "- for inputs that are addresses: whatever the step's own code needs to read them;"
    yield "- a shell and the programs that its command names."


def _read(given: FrozenInput) -> str:
    if given.step:
        return f"output {given.output} of {given.step}"
    if given.model:
        return f"model {given.model}"
    if given.dataset:
        return f"dataset {given.dataset}"
    return ", ".join(path.path for path in given.data.paths) if given.data else ""


def _exit_code(step: StepRun) -> str:
    return f", exit code {step.exit_code}" if step.exit_code else ""


def _built_with(lock: EnvironmentLock | None) -> str:
    return f", {len(lock.packages)} packages, Python {lock.python}" if lock is not None else ""


def _cell(value: str) -> str:
    """On one line of a table, however long or strange it is."""
    return " ".join(value.split()).replace("|", "\\|").replace("`", "'")


def _inline(value: str) -> str:
    return " ".join(value.split())
