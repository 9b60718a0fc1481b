"""What the pages and the API read."""

from typing import Any

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import Http404

from datastores.models import Dataset, DatasetVersion, Datastore
from studio.workspaces.models import Workspace


def datastores_in(workspace: Workspace) -> QuerySet[Datastore]:
    return Datastore.objects.filter(workspace=workspace).select_related("created_by")


def datastore_in(workspace: Workspace, datastore_id: int) -> Datastore:
    """Raises Http404 where the workspace has none of this id."""
    datastore = datastores_in(workspace).filter(pk=datastore_id).first()
    if datastore is None:
        raise Http404("There is no such datastore in this workspace.")
    datastore.workspace = workspace
    return datastore


def dataset_in(workspace: Workspace, dataset_id: int) -> Dataset:
    """Raises Http404 where the workspace has none of this id."""
    dataset = Dataset.objects.filter(workspace=workspace, pk=dataset_id).select_related("created_by").first()
    if dataset is None:
        raise Http404("There is no such dataset in this workspace.")
    dataset.workspace = workspace
    return dataset


def versions_of(dataset: Dataset) -> QuerySet[DatasetVersion]:
    """Newest first."""
    return dataset.versions.select_related("created_by")


def version_of(dataset: Dataset, number: int | None) -> DatasetVersion:
    """The newest version where `number` is None. Raises Http404 where there is none."""
    versions = versions_of(dataset)
    version = versions.first() if number is None else versions.filter(number=number).first()
    if version is None:
        raise Http404("The dataset has no such version.")
    version.dataset = dataset
    return version


def datasets_using(datastore: Datastore) -> QuerySet[Dataset]:
    """The datasets of which some version points into `datastore`, by name."""
    versions = naming(DatasetVersion.objects.filter(dataset__workspace=datastore.workspace_id), "definition", datastore)
    return Dataset.objects.filter(pk__in=versions.values("dataset_id")).order_by("name")


def naming(rows: "QuerySet[Any]", column: str, datastore: Datastore) -> "QuerySet[Any]":
    """Those of `rows` whose JSON in `column` names `datastore`, found by the database alone.

    In JSON a quote inside of a text is escaped, so that no path can look like the key.
    """
    key = f'"datastore_id": {datastore.pk}'
    said: QuerySet[Any] = rows.annotate(**{f"{column}_said": Cast(column, TextField())})
    named: QuerySet[Any] = said.filter(
        Q(**{f"{column}_said__contains": f"{key},"}) | Q(**{f"{column}_said__contains": key + "}"})
    )
    return named
