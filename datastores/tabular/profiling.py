"""What a table's columns hold: counts, extremes, quantiles, frequent values and histograms, in bounded memory.

The rows are read once, into files of columns below `STUDIO_HOME/tmp`; every question is asked of those. Up to
`EXACT_ROWS` rows all answers are exact. Beyond, distinct values are estimated by HyperLogLog and quantiles by t-digest,
and the profile says so.
"""

import contextlib
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from django.conf import settings

from datastores.models import ProfileResult
from datastores.sources import Column, TabularDefinition
from datastores.tabular import isolated, nursery
from datastores.tabular.column_files import column_files, store
from datastores.tabular.column_profiles import ColumnProfile
from datastores.tabular.column_questions import Asked, Questions, connected
from datastores.tabular.isolated import Check, Progress
from datastores.tabular.stores import StoreSpecs, specs_of_definition

if TYPE_CHECKING:
    import pyarrow as pa

    from datastores.tabular import relations


COLUMNS_AT_ONCE = 50
CELLS_A_BATCH = 5_000_000
CELLS_AT_ONCE = 3_000_000  # what one query holds in memory
DEADLINE_S = 6 * 3600.0
READING = 0.6  # of the whole work

Tell = Callable[[float | None, str], None]


def profile(
    definition: TabularDefinition, *, workspace_id: int, check: Check | None = None, progress: Progress | None = None
) -> ProfileResult:
    """The profile of all rows of `definition`, its transformations applied.

    Raises UserError where they can't be read, and whatever `check` raises.
    """
    specs = specs_of_definition(definition, workspace_id=workspace_id)
    with _folder() as folder:
        return isolated.call(
            "datastores.tabular.profiling:profile_here",
            {"definition": definition, "specs": specs, "folder": folder},
            returns=ProfileResult,
            deadline_s=DEADLINE_S,
            preload=[__name__, *specs.preload],
            secrets=specs.secrets,
            check=check,
            progress=progress,
        )


def profile_here(definition: TabularDefinition, specs: StoreSpecs, folder: Path) -> ProfileResult:
    """In the isolated process: see `profile`. `folder` is empty."""
    from datastores.tabular import relations

    with relations.opened(definition, specs) as rows:
        columns = [placed.column for placed in rows.columns]
        selected = ", ".join(placed.sql_name for placed in rows.columns)
        at_once = max(1, min(relations.BATCH_ROWS, CELLS_A_BATCH // max(1, len(columns))))
        reader: Any = rows.connection.sql(f"SELECT {selected} FROM ({rows.sql})").to_arrow_reader(at_once)  # noqa: S608
        many = store(reader, columns, folder, lambda text: nursery.tell(_read_so_far(rows), text))
    return _profiled(many, columns, folder, nursery.tell)


def profile_batches(batches: "Iterable[pa.RecordBatch]", columns: Sequence[Column], folder: Path) -> ProfileResult:
    """The profile of these rows, in this process. `folder` is empty, and may be used for whatever does not fit."""
    return _profiled(store(batches, columns, folder, lambda _text: None), columns, folder, lambda *_: None)


def _profiled(rows: int, columns: Sequence[Column], folder: Path, tell: Tell) -> ProfileResult:
    """Ask about each column of the rows that lie in `folder`."""
    found: list[ColumnProfile] = []
    at_once = max(1, min(COLUMNS_AT_ONCE, CELLS_AT_ONCE // max(1, rows)))
    with connected(folder) as connection:
        for file, numbers in column_files(len(columns), folder):
            for start in range(0, len(numbers), at_once):
                part = numbers[start : start + at_once]
                tell(READING + (1 - READING) * len(found) / len(columns), _stage(part, columns))
                asked = [Asked(number, columns[number]) for number in part]
                found += Questions(connection, file, rows).profiles(asked)
    return ProfileResult(row_count=rows, columns=[column.model_dump(mode="json") for column in found])


def _read_so_far(rows: "relations.Rows") -> float | None:
    """The fraction of the whole work, while rows are read; None where it can't be known."""
    fraction = rows.read_fraction()
    return None if fraction is None else READING * fraction


def _stage(part: Sequence[int], columns: Sequence[Column]) -> str:
    first, last, many = part[0] + 1, part[-1] + 1, len(columns)
    if many == 1:
        return "The column"
    return f"Column {first:,} of {many:,}" if first == last else f"Columns {first:,} to {last:,} of {many:,}"


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """An empty folder for one profile. Those of workers of this machine that died go first."""
    home = Path(settings.STUDIO_HOME) / "tmp" / "profiles"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    prefix = f"{socket.gethostname()}~"
    for old in home.glob(f"{prefix}*"):
        pid = old.name.removeprefix(prefix).partition("~")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(old, ignore_errors=True)
    folder = home / f"{prefix}{os.getpid()}~{secrets.token_hex(6)}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
