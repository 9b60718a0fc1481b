"""Tabular versions for tests, without the pages that make them."""

from collections.abc import Mapping
from io import BytesIO

from datastores.backends import get_backend
from datastores.models import Dataset, DatasetVersion, Datastore
from datastores.sources import Column, ColumnType, DataPath, DelimitedFormat, FilesSource, TabularDefinition


def csv_version(
    datastore: Datastore, name: str, content: str, columns: Mapping[str, ColumnType], *, number: int = 1
) -> DatasetVersion:
    """Version `number` of the dataset `name`: one file with a header, which lies in `datastore`."""
    path = f"{name}/{number}.csv"
    get_backend(datastore).write(path, BytesIO(content.encode()))
    dataset, _ = Dataset.objects.get_or_create(workspace=datastore.workspace, name=name)
    definition = TabularDefinition(
        source=FilesSource(paths=[DataPath(datastore_id=datastore.pk, path=path)], format=DelimitedFormat()),
        columns=[Column(name=column, type=kind) for column, kind in columns.items()],
    )
    return DatasetVersion.objects.create(dataset=dataset, number=number, definition=definition)
