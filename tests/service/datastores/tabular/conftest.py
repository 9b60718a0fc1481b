"""Tables in the default datastore."""

from collections.abc import Callable

import pytest

from datastores.models import Datastore
from datastores.sources import Column, DataPath, DelimitedFormat, FilesSource, Format, TabularDefinition, Transformation
from datastores.tabular import inference
from datastores.tabular.inference import FilesDraft, Inference

Put = Callable[..., None]
Table = Callable[..., TabularDefinition]
Look = Callable[..., Inference]


@pytest.fixture
def table(datastore: Datastore) -> Table:
    """`table("a.csv", "b.csv", x="integer", y="string")`: delimited files in the default datastore."""

    def made(
        *paths: str,
        transformations: list[Transformation] | None = None,
        form: Format | None = None,
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


@pytest.fixture
def look(datastore: Datastore) -> Look:
    """`look("a.csv", separator=";")`: what files in the default datastore are found to be."""

    def looked(*paths: str, given: dict[str, str] | None = None, **said: object) -> Inference:
        draft = FilesDraft(paths=[DataPath(datastore_id=datastore.pk, path=path) for path in paths], **said)
        return inference.look(draft, workspace_id=datastore.workspace_id, given=given)

    return looked


def types(definition: TabularDefinition) -> dict[str, str]:
    return {column.name: column.type for column in definition.columns}
