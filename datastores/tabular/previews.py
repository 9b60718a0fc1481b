"""In the isolated process: the first rows of tables and of files."""

import time
from typing import TYPE_CHECKING

from datastores.sources import TabularDefinition
from datastores.tabular import relations
from datastores.tabular.reading import TablePreview
from datastores.tabular.stores import StoreSpecs
from datastores.tabular.types import text_of

if TYPE_CHECKING:
    from datastores.sources import DataPath

PIECE = 2048


def of_table(definition: TabularDefinition, specs: StoreSpecs, rows: int, within_s: float) -> TablePreview:
    until = time.monotonic() + within_s
    with relations.opened(definition, specs, hurry=relations.Hurry(rows=rows), check_all=False) as opened:
        cursor = opened.connection.execute(f"SELECT * FROM ({opened.sql}) LIMIT {rows + 1}")  # noqa: S608
        found = cursor.fetchall()
    assert until
    return TablePreview(
        columns=[placed.column for placed in opened.columns],
        rows=[[text_of(value) for value in row] for row in found[:rows]],
        is_cut=len(found) > rows,
    )


def of_file(place: "DataPath", specs: StoreSpecs, format: str | None, sheet: str | None, rows: int) -> TablePreview:  # noqa: A002
    raise NotImplementedError
