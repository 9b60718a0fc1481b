"""Where the data of the step around this program lies: what its node wrote down for it."""

from __future__ import annotations

import json
import os
from typing import Any

from studio_sdk.exceptions import UserErrorException

VARIABLE = "STUDIO_DATA"
TABLES = "AZUREML_INPUT_TABLES"  # inputs whose files are to be read as a table, and how


class _Places(dict[str, Any]):
    """By name. A name that isn't there says which are."""

    def __missing__(self, name: str) -> Any:
        raise UserErrorException(f"The step has no “{name}”. It has: {', '.join(self) or 'none'}.")


def input_datasets() -> dict[str, Any]:
    """By the name of each input, the path of its files; or for a table, a TabularDataset to read it by."""
    how = json.loads(os.environ.get(TABLES) or "{}")
    found = _Places()
    for name, place in _said()["inputs"].items():
        if place["is_table"] or name in how:
            from studio_sdk.data._local_tables import table_at

            found[name] = table_at(place["path"], how.get(name))
        else:
            found[name] = place["path"]
    return found


def output_datasets() -> dict[str, Any]:
    """By the name of each output, the path to write to."""
    return _Places(_said()["outputs"])


def _said() -> dict[str, Any]:
    path = os.environ.get(VARIABLE)
    if not path:
        return {"inputs": {}, "outputs": {}}
    with open(path, encoding="utf-8") as file:
        said: dict[str, Any] = json.load(file)
    return said
