"""Values of parameters that stand for data, as people write them.

A `dataset` is `NAME`, which is its latest version at submission, or `NAME:VERSION`. A `data_path` is `DATASTORE/PATH`,
where the path may be a file, a folder or a pattern, or the web address of a file.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datastores.paths import clean_path
from datastores.web_addresses import clean_web_address, is_web_address
from pipelines.parts import DatasetBinding, Parameter, ParameterValue
from studio.lib.problems import UserError

MAX_PATH_LENGTH = 600  # characters: four bytes each fit into an index of PostgreSQL
_LONGEST_VERSION = 9


@dataclass(frozen=True, slots=True)
class NamedPath:
    """Files in a datastore of the workspace, by its name; without one, at a web address."""

    datastore: str | None
    path: str


def read_dataset(text: str) -> DatasetBinding:
    """Raises UserError where `text` names none."""
    name, colon, version = text.strip().partition(":")
    if not name or (colon and not (version.isascii() and version.isdecimal() and len(version) <= _LONGEST_VERSION)):
        raise UserError("Name a dataset, as in “orders”, or a version of it, as in “orders:3”.")
    return DatasetBinding(dataset=name, version=int(version) if colon else None)


def read_data_path(text: str) -> NamedPath:
    """Raises UserError where `text` is none."""
    text = text.strip()
    if is_web_address(text):
        return NamedPath(None, clean_web_address(text))
    datastore, _, path = text.partition("/")
    if not datastore:
        raise UserError(
            "Name a datastore and a path in it, as in “workspaceblobstore/sales/2026”, or give a web address."
        )
    if len(path) > MAX_PATH_LENGTH:
        raise UserError(f"A path can have {MAX_PATH_LENGTH} characters. Name a folder above it, or a pattern.")
    return NamedPath(datastore, clean_path(path))


def datasets_of(parameters: Sequence[Parameter], values: Mapping[str, ParameterValue]) -> set[tuple[str, int | None]]:
    """Name and version of the datasets that parameters stand for: by their values, and by their defaults."""
    texts = [
        text
        for parameter in parameters
        if parameter.type == "dataset"
        for text in (values.get(parameter.name), parameter.default)
        if isinstance(text, str)
    ]
    found = set()
    for text in texts:
        with contextlib.suppress(UserError):  # it is told where the value stands
            binding = read_dataset(text)
            found.add((binding.dataset, binding.version))
    return found
