"""What makes a step's result, as digests: equal fingerprints mean that an earlier result can be taken again."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pipelines.definition import Output
from pipelines.models import FrozenStep, Ingredients


def ingredients_of(frozen: FrozenStep, contents: Mapping[str, str]) -> Ingredients:
    """`contents` has, for each input of the step, the fingerprint of what it reads."""
    step = frozen.step
    digests = {
        "code": _digest([frozen.snapshot, step.script, step.kind, step.version]),
        "arguments": _digest(_arguments(frozen)),
        "environment": frozen.environment.digest,
        "outputs": _digest([_output(frozen, output) for output in sorted(step.outputs, key=lambda each: each.name)]),
    }
    digests |= {f"input {name}": content for name, content in contents.items()}
    return Ingredients(digests=digests)


def fingerprint_of(ingredients: Ingredients) -> str:
    """SHA-256 over all ingredients, in hexadecimal."""
    return _digest(ingredients.digests)


def first_difference(mine: Ingredients, theirs: Ingredients) -> str | None:
    """The ingredient that differs, in words; None where they are the same."""
    names = [*mine.digests, *(name for name in theirs.digests if name not in mine.digests)]
    different = next((name for name in names if mine.digests.get(name) != theirs.digests.get(name)), None)
    if different is None:
        return None
    kind, _, name = different.partition(" ")
    if not name:
        words = {"code": "the code", "arguments": "the arguments", "environment": "the environment"}
        return words.get(kind, "the list of outputs or where they go")
    return f"the data of input “{name}”"


def _arguments(frozen: FrozenStep) -> list[Any]:
    """An address in place of a path is another argument."""
    direct = sorted(name for name, given in frozen.inputs.items() if given.mode == "direct")
    return [frozen.command, direct] if direct else frozen.command


def _output(frozen: FrozenStep, output: Output) -> Any:
    """Its name, and where it goes if it says so: as it was written, for a run's number doesn't make another result.

    Whether it is registered makes no other result either: a result that is taken again is registered again. One that
    is required is another one, for what was there may be empty.
    """
    given = frozen.outputs.get(output.name)
    place: Any = [output.name, given.datastore_id, output.path] if given else output.name
    return {"required": place} if output.required else place


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
