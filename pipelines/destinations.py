"""Where outputs go: destinations with placeholders, and which of them can't stand beside each other. Pure.

`{run-id}` and `{output-name}` in a destination stand for the run's number and the output's name. What an earlier run
wrote at a destination that names no run is replaced by the next one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from datastores.paths import clean_path, crumbs, is_glob
from pipelines.definition import Output, PipelineDefinition, Registration
from studio.lib.problems import Problem, UserError
from studio.workspaces.models import NAME

RUNS_FOLDER = "runs"  # below it lies what steps write without a destination
MAX_PATH = 500
MAX_FILE = 100
MAX_DESCRIPTION = 500
MAX_TAGS = 50
MAX_TAG = 200

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_KNOWN = ("run-id", "output-name")

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What a definition may need to know of a datastore."""

    holds: str  # "files" or "tables"
    is_writable: bool = True


def filled(template: str, *, run_id: int, output: str) -> str:
    """A good destination with its placeholders filled in, cleaned."""
    return clean_path(template.replace("{run-id}", str(run_id)).replace("{output-name}", output))


def destination_problem(template: str) -> str | None:
    """A sentence where `template` is no destination."""
    if len(template) > MAX_PATH:
        return f"A destination can have {MAX_PATH:,} characters."
    for name in _PLACEHOLDER.findall(template):
        if name not in _KNOWN:
            return f"“{{{name}}}” stands for nothing. Write {{run-id}} or {{output-name}}."
    if any(brace in _PLACEHOLDER.sub("", template) for brace in "{}"):
        return "A brace is opened and never closed, or the other way round. Write {run-id} or {output-name}."
    if is_glob(template):
        return "A destination is one folder: it can't hold “*” or “?”."
    try:
        path = clean_path(template)
    except UserError as error:
        return error.problems[0].message
    if not path:
        return "Name a folder, as in “models/{run-id}”. Leave the field empty for a place of the studio's choosing."
    if path.split("/")[0] == RUNS_FOLDER:
        return f"Below “{RUNS_FOLDER}” the studio keeps what steps leave. Choose another folder."
    return None


def file_problem(name: str) -> str | None:
    """A sentence where an output's one file can't have this name."""
    if len(name) > MAX_FILE:
        return f"The name of a file can have {MAX_FILE} characters."
    if not name.strip() or name in {".", ".."} or "/" in name or "\\" in name or not name.isprintable():
        return "Name one file, without folders, as in “model.pkl”. Leave the field empty for a folder."
    return "The name of a file can't hold “*” or “?” here." if is_glob(name) else None


def registration_problems(registration: Registration, tabular: Mapping[str, bool], loc: Loc) -> Iterator[Problem]:
    """`tabular` says of the datasets that are there whether their newest version is a table."""
    if not registration.dataset:
        yield Problem((*loc, "dataset"), "Name the dataset that the output becomes a version of.")
    elif not re.match(NAME.regex, registration.dataset):
        yield Problem((*loc, "dataset"), str(NAME.message))
    elif tabular.get(registration.dataset):
        yield Problem(
            (*loc, "dataset"),
            f"“{registration.dataset}” is a tabular dataset, and an output is files. Choose another name.",
        )
    if len(registration.description) > MAX_DESCRIPTION:
        yield Problem((*loc, "description"), f"A description can have {MAX_DESCRIPTION} characters.")
    if len(registration.tags) > MAX_TAGS:
        yield Problem((*loc, "tags"), f"A version can have {MAX_TAGS} tags.")
    for name, value in registration.tags.items():
        if not name.strip():
            yield Problem((*loc, "tags"), "A tag needs a name, as in “stage=trial”.")
        elif len(name) > MAX_TAG or len(value) > MAX_TAG:
            yield Problem((*loc, "tags"), f"A tag's name and its value can have {MAX_TAG} characters each.")


def clashes(definition: PipelineDefinition, default_datastore: str | None) -> Iterator[Problem]:
    """Outputs of one run that would write into one folder, and datasets that a run would register twice."""
    outputs = list(_outputs(definition))
    first: dict[tuple[str, str], Loc] = {}
    names: dict[Loc, str] = {}
    placed: list[tuple[Loc, str, str]] = []
    registered: dict[str, str] = {}
    for step, output, loc in outputs:
        names[loc] = f"“{output.name}” of “{step}”"
        if output.path and destination_problem(output.path) is None:
            store = output.datastore or default_datastore or ""
            path = clean_path(output.path.replace("{output-name}", output.name))
            first.setdefault((store, path), loc)
            placed.append((loc, store, path))
        dataset = output.register_as.dataset if output.register_as else ""
        if dataset in registered:
            yield Problem(
                (*loc, "register_as", "dataset"),
                f"Output {registered[dataset]} becomes a version of “{dataset}” too, and which of them would be the "
                "latest is chance. Choose another name.",
            )
        elif dataset:
            registered[dataset] = names[loc]
    for loc, store, path in placed:
        other = next((first[store, folder] for _name, folder in crumbs(path) if (store, folder) in first), loc)
        if other != loc:
            yield Problem(
                (*loc, "path"),
                f"Output {names[other]} writes there too. Give each a folder of its own, as with {{output-name}}.",
            )


def _outputs(definition: PipelineDefinition) -> Iterator[tuple[str, Output, Loc]]:
    for step_index, step in enumerate(definition.steps):
        for output_index, output in enumerate(step.outputs):
            yield step.name, output, ("steps", step_index, "outputs", output_index)


def opened_problem(name: str, holds: str, *, writes: bool, stores: Mapping[str, StoreFacts], near: str) -> str | None:
    """A sentence where a node's own work can't open the datastore of this name for what it does."""
    facts = stores.get(name)
    if not name:
        return f"Choose a datastore that holds {holds}."
    if facts is None:
        return f"There is no datastore “{name}”.{near}"
    if facts.holds != holds:
        return f"“{name}” holds {facts.holds}, and no {holds}. Choose another datastore."
    if writes and not facts.is_writable:
        return (
            f"“{name}” does not allow steps to write to it. An owner can turn on “Steps may write” in its settings, or "
            "let the step only read."
        )
    return None


def store_problem(name: str, stores: Mapping[str, StoreFacts], near: str = "") -> str | None:
    """A sentence where outputs can't be written to the datastore of this name."""
    facts = stores.get(name)
    if facts is None:
        return f"There is no datastore “{name}”.{near}"
    if facts.holds != "files":
        return f"“{name}” is a database, and an output is files. Choose a datastore of files."
    if not facts.is_writable:
        return f"“{name}” can only be read. Choose a datastore that can be written."
    return None
