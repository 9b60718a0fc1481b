"""What makes a step's result, as digests: equal fingerprints mean that an earlier result can be taken again."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.definition import Output
from pipelines.models import FrozenStep, Ingredients

_KINDS = ("code", "arguments", "input", "variable", "environment", "outputs")


def ingredients_of(frozen: FrozenStep, contents: Mapping[str, str]) -> Ingredients:
    """`contents` has, for each input of the step, the fingerprint of what it reads."""
    step = frozen.step
    digests = {
        "code": _digest([frozen.code, step.script, step.kind, step.version]),
        "arguments": _digest(_arguments(frozen)),
        "environment": frozen.environment.digest,
        "outputs": _digest([_output(frozen, output) for output in sorted(step.outputs, key=lambda each: each.name)]),
    }
    digests |= {f"variable {name}": _digest(value) for name, value in frozen.environment_variables.items()}
    digests |= {f"input {name}": content for name, content in contents.items()}
    return Ingredients(digests=digests)


def fingerprint_of(ingredients: Ingredients) -> str:
    """SHA-256 over all ingredients, in hexadecimal."""
    return _digest(ingredients.digests)


@dataclass(frozen=True, slots=True)
class Difference:
    """An ingredient that differs: `name` is that of an input or a variable, where the kind is one of those."""

    kind: str
    name: str = ""

    @property
    def words(self) -> str:
        if self.kind == "variable":
            return f"the environment variable {self.name}"
        if self.name:
            return f"the data of input “{self.name}”"
        words = {"code": "the code", "arguments": "the arguments", "environment": "the environment"}
        return words.get(self.kind, "the list of outputs or where they go")


def differences(mine: Ingredients, theirs: Ingredients) -> list[Difference]:
    """The ingredients that differ, those that people change most often first; none where they are the same."""
    names = mine.digests.keys() | theirs.digests.keys()
    different = [name for name in names if mine.digests.get(name) != theirs.digests.get(name)]
    return in_order(different)


def in_order(ingredients: Iterable[str]) -> list[Difference]:
    """By kind, then by name: a database may give them in any order."""
    found = [difference_of(name) for name in ingredients]
    return sorted(found, key=lambda each: (_KINDS.index(each.kind) if each.kind in _KINDS else 0, each.name))


def difference_of(ingredient: str) -> Difference:
    kind, _, name = ingredient.partition(" ")
    return Difference(kind, name)


def _arguments(frozen: FrozenStep) -> list[Any]:
    """An address in place of a path is another argument."""
    direct = sorted(name for name, given in frozen.inputs.items() if given.mode == "direct")
    if frozen.work is not None:
        return [frozen.work.model_dump(mode="json")]
    command = frozen.step.counted(frozen.command)
    return [command, direct] if direct else command


def _output(frozen: FrozenStep, output: Output) -> Any:
    """Its name, and where it goes if it says so: as it was written, for a run's number doesn't make another result.

    Whether it is registered makes no other result either: a result that is taken again is registered again. One that
    is required is another one, for what was there may be empty.
    """
    given = frozen.outputs.get(output.name)
    place: Any = [output.name, given.datastore_id, output.path] if given else output.name
    if output.file is not None:
        place = {"file": output.file, "in": place}
    return {"required": place} if output.required else place


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
