"""Datasets in the REST API's words."""

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from datastores.datasets import Matched, Summary
from datastores.models import Dataset, DatasetVersion
from datastores.serializers import entry_json
from datastores.sources import DataPath, paths_of


class PathGiven(serializers.Serializer[Any]):
    datastore_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    path = serializers.CharField(allow_blank=True, trim_whitespace=False)


class DatasetPaths(serializers.Serializer[Any]):
    paths = PathGiven(many=True, allow_empty=True)

    def data_paths(self) -> list[DataPath]:
        return [DataPath(**path) for path in self.validated_data["paths"]]


class NewDataset(DatasetPaths):
    name = serializers.CharField(max_length=100)
    description = serializers.CharField(max_length=500, default="", allow_blank=True)


class ChangeDataset(serializers.Serializer[Any]):
    description = serializers.CharField(max_length=500, allow_blank=True)


def matched_json(matched: Matched) -> dict[str, Any]:
    datastore = matched.datastore
    where = {"datastore_id": datastore and datastore.pk, "datastore": datastore and datastore.name}
    return {**where, **entry_json(matched.entry)}


def summary_json(summary: Summary) -> dict[str, Any]:
    return {
        "file_count": summary.file_count,
        "size_bytes": summary.size_bytes,
        "is_complete": summary.is_complete,
        "first": [matched_json(matched) for matched in summary.first],
    }


def dataset_json(dataset: Dataset, slug: str) -> dict[str, Any]:
    """`dataset` as `queries.datasets_in` gives it."""
    latest = dataset.latest_definition  # type: ignore[attr-defined]
    return {
        "id": dataset.pk,
        "name": dataset.name,
        "description": dataset.description,
        "latest_version": dataset.latest_number,  # type: ignore[attr-defined]
        "paths": [path.model_dump() for path in latest.paths] if latest else [],
        "created_at": dataset.created_at,
        "created_by": dataset.created_by and dataset.created_by.username,
        "url": reverse("datasets:detail", args=[slug, dataset.pk]),
    }


def version_json(version: DatasetVersion) -> dict[str, Any]:
    return {
        "number": version.number,
        "paths": [path.model_dump() for path in paths_of(version.definition)],
        "created_at": version.created_at,
        "created_by": version.created_by and version.created_by.username,
    }
