"""Our own pipeline files, read. Pure.

A file has the shape of a definition, and the pipeline's name and description besides. The `source` of a step is the
digest of files that the workspace has, or `./FOLDER` of what the file came with; so is the `diff` of its git facts.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pipelines.definition import PipelineDefinition
from pipelines.validation import parse_definition
from pipelines.yaml.located import Located
from studio.lib.misshapen import no_such_field
from studio.lib.problems import Problem, UserError

FORMAT = "pipeline-studio/1"
_OF_FILE = ("format", "name", "description")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")

FolderTaker = Callable[[str], str]  # the path of a folder → its digest; raises UserError


@dataclass(frozen=True, slots=True)
class Written:
    """A pipeline as a file has it."""

    name: str
    description: str
    definition: PipelineDefinition


def is_ours(located: Located) -> bool:
    return isinstance(located.value, dict) and "format" in located.value


def read_written(located: Located, take_folder: FolderTaker) -> Written:
    """Raises UserError with all problems, each at `(file, line, column)`."""
    assert isinstance(located.value, dict)
    said = located.plain()
    problems = list(_of_file(located, said))
    data = {name: value for name, value in said.items() if name not in _OF_FILE}
    known = PipelineDefinition.model_fields
    problems += [
        located.keys[name].says(no_such_field(name, [*_OF_FILE, *known])) for name in data if name not in known
    ]
    data = {name: value for name, value in data.items() if name in known}
    problems += _with_digests(located, data, take_folder)
    try:
        definition = parse_definition(data)
    except UserError as error:
        problems += [located.spot_of(problem.loc).says(problem.message) for problem in error.problems]
        raise UserError(problems) from None
    if problems:
        raise UserError(problems)
    return Written(said.get("name") or "", said.get("description") or "", definition)


def _of_file(located: Located, said: dict[str, Any]) -> Iterator[Problem]:
    if said["format"] != FORMAT:
        yield located.spot_of(["format"]).says(f"This format is not known here. It is written “{FORMAT}”.")
    for name in ("name", "description"):
        if not isinstance(said.get(name, ""), str):
            yield located.spot_of([name]).says("This must be a text. Put it into quotes.")


def _with_digests(located: Located, data: dict[str, Any], take_folder: FolderTaker) -> Iterator[Problem]:
    """Put digests in the place of folders."""
    steps = data.get("steps")
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        if not isinstance(step, dict):
            continue
        git = step.get("git")
        for holder, name, way in ((step, "source", ()), (git, "diff", ("git",))):
            if not isinstance(holder, dict):
                continue
            value = holder.get(name)
            if not isinstance(value, str) or not value or _DIGEST.match(value):
                continue
            try:
                holder[name] = take_folder(value)
            except UserError as error:
                spot = located.spot_of(["steps", index, *way, name])
                yield from (spot.says(problem.message) for problem in error.problems)
                del holder[name]
