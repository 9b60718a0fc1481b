"""In a process that waits for its call: what libraries load and set up at their first use is there when it comes."""

import tempfile
from pathlib import Path

from django.conf import settings

from datastores.sources import Column, ColumnType, DataPath, DelimitedFormat, FilesSource, TabularDefinition
from datastores.tabular.previews import of_table
from datastores.tabular.stores import StoreSpec, StoreSpecs

_COLUMNS: dict[str, ColumnType] = {"n": "integer", "x": "number", "s": "string", "at": "timestamp"}
_ROWS = "n,x,s,at\n1,0.5,a,2026-01-01 00:00:00\n"


def rehearse() -> None:
    """Read a small table from a folder of its own; the settings that this leaves are not the studio's."""
    with tempfile.TemporaryDirectory(prefix="studio-rehearsal-") as home:
        settings.STUDIO_HOME = Path(home)
        settings.FOLDERS_GATEWAY = ""
        workspaces = Path(home) / "workspaces"
        workspaces.mkdir()
        (workspaces / "table.csv").write_text(_ROWS)
        of_table(
            TabularDefinition(
                source=FilesSource(paths=[DataPath(datastore_id=1, path="table.csv")], format=DelimitedFormat()),
                columns=[Column(name=name, type=type_) for name, type_ in _COLUMNS.items()],
            ),
            StoreSpecs({1: StoreSpec("local", "rehearsal", {"path": "."}, {})}),
            rows=1,
            within_s=10.0,
        )
