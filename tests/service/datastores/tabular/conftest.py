"""Tables in the default datastore."""

from collections.abc import Callable

import pytest

from datastores.models import Datastore
from datastores.sources import Column, DataPath, DelimitedFormat, FilesSource, TabularDefinition, Transformation


@pytest.fixture
def table(datastore: Datastore) -> Callable[..., TabularDefinition]:
    """`table("a.csv", "b.csv", x="integer", y="string")`: delimited files in the default datastore."""

    def made(
        *paths: str,
        transformations: list[Transformation] | None = None,
        form: DelimitedFormat | None = None,
        partition_format: str | None = None,
        **columns: str,
    ) -> TabularDefinition:
        return TabularDefinition(
            source=FilesSource(
                paths=[DataPath(datastore_id=datastore.pk, path=path) for path in paths],
                format=form or DelimitedFormat(),
                partition_format=partition_format,
            ),
            columns=[Column(name=name, type=kind) for name, kind in columns.items()],
            transformations=transformations or [],
        )

    return made
