"""The first rows of a table."""

from collections.abc import Callable

from datastores.sources import TabularDefinition
from datastores.tabular import reading
from studio.workspaces.models import Workspace

Put = Callable[..., None]
Table = Callable[..., TabularDefinition]


def test_the_first_rows_of_a_file(workspace: Workspace, put: Put, table: Table) -> None:
    put("a.csv", content=b"x,y\n1,one\n2,\n3,three\n")
    seen = reading.preview(table("a.csv", x="integer", y="string"), workspace_id=workspace.pk, rows=2)
    assert seen.rows == [["1", "one"], ["2", None]]
    assert seen.is_cut
