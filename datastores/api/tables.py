"""All rows of a table, as a file."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from datastores import services
from datastores.api.datasets import DatasetView
from datastores.dataset_serializers import DRAFT_EXAMPLES, TableGiven
from datastores.sources import TabularDefinition
from studio.lib.downloads import PIECE_BYTES, StreamedResponse, stream_file
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission

MOST_S = 600.0
_PARQUET = {(200, "application/vnd.apache.parquet"): bytes}


class TableParquetView(WorkspaceAPIView):
    """The rows of a table that is only said, and kept nowhere. Changes nothing."""

    write_permission = Permission.EDIT_DATA

    @extend_schema(request=TableGiven, responses=_PARQUET, examples=DRAFT_EXAMPLES, operation_id="table_parquet")
    def post(self, request: Request, **_kwargs: Any) -> StreamedResponse:
        """One file of Parquet with all its rows, in their order. Laid out by keys or not makes no difference."""
        given = TableGiven(data=request.data)
        given.is_valid(raise_exception=True)
        found = services.settle_table(self.access.workspace, given.validated_data["table"])
        return _as_parquet(found.definition, self.access.workspace.pk, "table.parquet")


class DatasetVersionParquetView(DatasetView):
    @extend_schema(responses=_PARQUET, operation_id="dataset_version_parquet")
    def get(self, _request: Request, **_kwargs: Any) -> StreamedResponse:
        """One file of Parquet with all its rows, in their order. Laid out by keys or not makes no difference."""
        version, definition = self.table()
        name = f"{version.dataset.name}-{version.number}.parquet"
        return _as_parquet(definition, self.access.workspace.pk, name)


def _as_parquet(definition: TabularDefinition, workspace_id: int, name: str) -> StreamedResponse:
    """Raises UserError where it can't be read, or takes longer than `MOST_S`."""
    from datastores.tabular.writing import FILE_NAME, write_parquet

    flat = [each for each in definition.transformations if each.kind != "partition_by"]
    drafts = Path(settings.STUDIO_HOME) / "tmp"
    drafts.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="table-", dir=drafts))
    try:
        write_parquet(
            definition.model_copy(update={"transformations": flat}),
            folder,
            workspace_id=workspace_id,
            deadline_s=MOST_S,
        )
        file = (folder / FILE_NAME).open("rb")
        size_bytes = (folder / FILE_NAME).stat().st_size
    finally:
        # An open file stays readable until the answer is sent, and is gone then, however that ends.
        shutil.rmtree(folder, ignore_errors=True)

    def pieces() -> Iterator[bytes]:
        with file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    return stream_file(pieces(), name, content_type="application/vnd.apache.parquet", size_bytes=size_bytes)
