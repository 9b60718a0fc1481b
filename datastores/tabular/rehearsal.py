"""In a process that waits for its call: what libraries load and set up at their first use is there when it comes."""

from pathlib import Path

from django.conf import settings

from datastores.sources import Column, ColumnType, DataPath, DelimitedFormat, FilesSource, TabularDefinition
from datastores.tabular.previews import of_table
from datastores.tabular.stores import StoreSpec, StoreSpecs

# As a studio's home, with a table of these columns. Nothing is written: the process may be ended at any moment.
_HOME = Path(__file__).parent / "rehearsed"
_COLUMNS: dict[str, ColumnType] = {"n": "integer", "x": "number", "s": "string", "at": "timestamp"}


def rehearse() -> None:
    """Read a small table; the settings that this leaves are not the studio's."""
    settings.STUDIO_HOME = _HOME
    settings.FOLDERS_GATEWAY = ""
    of_table(
        TabularDefinition(
            source=FilesSource(paths=[DataPath(datastore_id=1, path="table.csv")], format=DelimitedFormat()),
            columns=[Column(name=name, type=type_) for name, type_ in _COLUMNS.items()],
        ),
        StoreSpecs({1: StoreSpec("local", "rehearsal", {"path": "."}, {})}),
        rows=1,
        within_s=10.0,
    )
