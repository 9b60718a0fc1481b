"""Names of columns as they were found, made fit to be told apart."""

from collections.abc import Sequence

LONGEST = 200


def unique_names(found: Sequence[str | None]) -> tuple[list[str], list[str]]:
    """A name for each column, and what was changed, in sentences.

    Empty ones are called `column_3`, repeated ones `name_2`; for DuckDB capital and small letters are the same.
    """
    names: list[str] = []
    taken: set[str] = set()
    empty = repeated = cut = 0
    for number, given in enumerate(found, 1):
        name = " ".join((given or "").replace("\0", "").replace("\ufeff", "").split())
        if len(name) > LONGEST:
            name = name[:LONGEST]
            cut += 1
        if not name:
            name = f"column_{number}"
            empty += 1
        base, turn = name, 2
        if name.casefold() in taken:
            repeated += 1
        while name.casefold() in taken:
            name = f"{base}_{turn}"
            turn += 1
        taken.add(name.casefold())
        names.append(name)
    notes = []
    if empty:
        notes.append(f"{_columns(empty)} without a name: named by position, as in “column_1”.")
    if repeated:
        notes.append(f"{_columns(repeated)} with a name that another one has: numbered, as in “name_2”.")
    if cut:
        notes.append(f"{_columns(cut)} with a name longer than {LONGEST} characters: cut.")
    if any("<" in name and ">" in name for name in names):
        notes.append("Some names of columns hold HTML: they are shown as they are written.")
    return names, notes


def _columns(count: int) -> str:
    return f"{count:,} column{'' if count == 1 else 's'}"
