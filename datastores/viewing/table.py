"""The first rows of tables, of any format that is read."""

from typing import Any, ClassVar

from datastores.tabular import reading
from datastores.viewing.viewer import Looked, Viewer

ROWS = 100


class TableViewer(Viewer):
    name: ClassVar[str] = "table"
    label: ClassVar[str] = "Table"
    template: ClassVar[str] = "datastores/parts/viewers/table.html"
    suffixes: ClassVar[frozenset[str]] = frozenset(
        {".csv", ".tsv", ".tab", ".psv", ".parquet", ".pq", ".json", ".jsonl", ".ndjson", ".arrow", ".feather", ".ipc"}
        | {".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"}
    )

    def look(self, file: Looked) -> dict[str, Any]:
        sheet = file.wishes.get("sheet") or None
        table = reading.preview_file(file.datastore, file.entry.path, sheet=sheet, rows=ROWS)
        return {"table": table, "sheet": sheet or (table.sheets[0] if table.sheets else "")}
