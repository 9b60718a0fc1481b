"""Columns of files that say themselves what is in them."""

from collections.abc import Sequence
from typing import NoReturn

from datastores.sources import Column
from datastores.tabular.names import unique_names
from datastores.tabular.types import TYPE_NAMES
from studio.lib.problems import UserError


def check_columns(label: str, there: Sequence[str], columns: Sequence[Column]) -> None:
    """Raise UserError unless `there`, made unique, are the settled names."""
    names, _ = unique_names(there)
    settled = [column.name for column in columns]
    if names == settled:
        return
    raise UserError(other_columns(label, names, settled))


def other_columns(label: str, names: Sequence[str], settled: Sequence[str]) -> str:
    """What is different, in a sentence."""
    lacks = [name for name in settled if name not in names]
    more = [name for name in names if name not in settled]
    said = []
    if lacks:
        said.append(f"it lacks {_listed(lacks)}")
    if more:
        said.append(f"it has {_listed(more)} besides")
    if not said:
        said.append("they come in another order")
    subject = label if label == "The query" else f"“{label}”"
    return (
        f"{subject} has other columns than this version of the dataset: {', and '.join(said)}. Make a new version, or "
        "leave it out."
    )


def _listed(names: Sequence[str]) -> str:
    named = ", ".join(f"“{name[:60]}”" for name in names[:5])
    return named + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def refuse_other(label: str, theirs: Sequence[Column], columns: Sequence[Column]) -> NoReturn:
    """Raises UserError: the columns of one file are not those of the others."""
    names, settled = [column.name for column in theirs], [column.name for column in columns]
    if names != settled:
        raise UserError(other_columns(label, names, settled), loc=("paths",))
    other, ours = next((other, ours) for other, ours in zip(theirs, columns, strict=True) if other != ours)
    raise UserError(
        f"In “{label}” the column “{other.name}” is {TYPE_NAMES[other.type]}, and in the first file "
        f"{TYPE_NAMES[ours.type]}. Bring the files into one form, or leave it out.",
        loc=("paths",),
    )
