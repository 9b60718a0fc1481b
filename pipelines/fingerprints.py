"""What makes a step's result, as digests: equal fingerprints mean that an earlier result can be taken again."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pipelines.models import FrozenStep, Ingredients

# Goes up when the same ingredients would give another result, so that nothing from before is taken again.
KIND_VERSIONS = {"python_script": 1}


def ingredients_of(frozen: FrozenStep, contents: Mapping[str, str]) -> Ingredients:
    """`contents` has, for each input of the step, the fingerprint of what it reads."""
    step = frozen.step
    digests = {
        "code": _digest([frozen.snapshot, step.entry, step.kind, KIND_VERSIONS[step.kind]]),
        "arguments": _digest(frozen.command),
        "environment": frozen.environment.digest,
        "outputs": _digest(sorted(output.name for output in step.outputs)),
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
        return words.get(kind, "the list of outputs")
    return f"the data of input “{name}”"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
