"""What the pages and the API read of datasets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KeyTransform

from datastores.models import Dataset, DatasetVersion, Datastore, Profile
from datastores.sources import datastores_of
from datastores.states import WorkStatus
from studio.workspaces.models import Workspace

DatasetKind = Literal["file", "table"]


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """A dataset with its newest version, and how many rows that has where a profile counted them."""

    dataset: Dataset
    latest: DatasetVersion
    row_count: int | None


def datasets_in(workspace: Workspace, *, text: str = "", kind: str = "") -> QuerySet[Dataset]:
    """By name, with `latest_id`, `latest_number`, `changed_at` and `version_count`. `kind`: a DatasetKind, or empty."""
    latest = DatasetVersion.objects.filter(dataset=OuterRef("pk")).order_by("-number")
    datasets = Dataset.objects.filter(workspace=workspace).select_related("created_by")
    if text := text.strip().replace("\0", ""):  # PostgreSQL's texts hold none
        datasets = datasets.filter(Q(name__icontains=text) | Q(description__icontains=text))
    if kind in {"file", "table"}:
        is_table = Exists(DatasetVersion.objects.filter(dataset=OuterRef("pk"), definition__kind="tabular"))
        datasets = datasets.filter(is_table if kind == "table" else ~is_table)
    return datasets.annotate(
        latest_id=Subquery(latest.values("pk")[:1]),
        latest_number=Subquery(latest.values("number")[:1]),
        changed_at=Subquery(latest.values("created_at")[:1]),
        version_count=Count("versions"),
    ).order_by("name", "pk")  # grouping for the count takes the model's own order away


def with_latest(datasets: Sequence[Dataset]) -> list[DatasetRow]:
    """Rows for `datasets` as `datasets_in` gives them, in two queries."""
    ids = [dataset.latest_id for dataset in datasets]  # type: ignore[attr-defined]
    versions = DatasetVersion.objects.select_related("created_by").in_bulk([pk for pk in ids if pk is not None])
    row_counts = row_counts_of(versions)
    rows = []
    for dataset, version_id in zip(datasets, ids, strict=True):
        if version := versions.get(version_id):  # deleted meanwhile, otherwise
            version.dataset = dataset
            rows.append(DatasetRow(dataset, version, row_counts.get(version.pk)))
    return rows


def row_counts_of(version_ids: "Sequence[int] | dict[int, DatasetVersion]") -> dict[int, int]:
    """How many rows a profile counted, by version."""
    profiles = Profile.objects.filter(version__in=list(version_ids), status=WorkStatus.COMPLETED)
    counted = profiles.order_by("pk").annotate(rows=KeyTransform("row_count", "result"))
    return {version: int(rows) for version, rows in counted.values_list("version_id", "rows") if rows is not None}


def version_in(workspace: Workspace, version_id: int) -> DatasetVersion | None:
    """A version by its own id; None where the workspace has none of it."""
    return DatasetVersion.objects.filter(dataset__workspace=workspace, pk=version_id).select_related("dataset").first()


def derived_from(version: DatasetVersion) -> list[DatasetVersion]:
    """The versions that were derived from `version`, by name."""
    derived = DatasetVersion.objects.filter(
        dataset__workspace=version.dataset.workspace_id, definition__derived_from=version.pk
    )
    return list(derived.select_related("dataset").order_by(F("dataset__name"), "number")[:50])


def datastores_named(workspace: Workspace, versions: Sequence[DatasetVersion]) -> dict[int, Datastore]:
    """The datastores that `versions` point into, removed ones too, by id: in one query."""
    wanted: set[int] = set()
    for version in versions:
        wanted |= datastores_of(version.definition)
    return Datastore.everything.filter(workspace=workspace).in_bulk(wanted)
