"""Datasets in the REST API's words."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema_field
from pydantic import TypeAdapter, ValidationError
from rest_framework import serializers

from datastores.changes import Changes, SchemaChanges
from datastores.dataset_queries import DatasetRow
from datastores.datasets import Matched, Summary
from datastores.drafts import TableDraft
from datastores.models import DatasetVersion, Datastore
from datastores.serializers import entry_json
from datastores.sources import Column, DataPath, TabularDefinition, Transformation, datastores_of, paths_of
from studio.lib.given import Given
from studio.lib.misshapen import shape_problems
from studio.lib.problems import UserError

_LARGEST_ID = 2**63 - 1


class PathGiven(Given):
    datastore_id = serializers.IntegerField(
        min_value=1,
        max_value=_LARGEST_ID,
        required=False,
        allow_null=True,
        default=None,
        help_text="Without one, `path` is a web address.",
    )
    path = serializers.CharField(allow_blank=True, trim_whitespace=False)


class DatasetPaths(Given):
    paths = PathGiven(many=True, allow_empty=True)

    def data_paths(self) -> list[DataPath]:
        return [DataPath(**path) for path in self.validated_data["paths"]]


class Said(Given):
    """What is said about a version."""

    description = serializers.CharField(max_length=500, default="", allow_blank=True)
    tags = serializers.DictField(child=serializers.CharField(allow_blank=True), default=dict)

    def words(self) -> dict[str, Any]:
        return {name: self.validated_data[name] for name in ("description", "tags")}


@extend_schema_field({"type": "object"})
class DraftField(serializers.JSONField):
    """A table as far as it is said: `{"source": {"kind": "files" | "query" | "mltable", …}, "types": {COLUMN: TYPE},
    "transformations": […], "timestamp_column": …}`. What is left open is found out."""

    def to_internal_value(self, data: Any) -> Any:
        return _validated(TableDraft, super().to_internal_value(data), ())


@extend_schema_field({"type": "array", "items": {"type": "object"}})
class TransformationsField(serializers.JSONField):
    """What is done to the rows, in order, as in `[{"kind": "take", "count": 1000}]`."""

    def to_internal_value(self, data: Any) -> Any:
        return _validated(list[Transformation], super().to_internal_value(data), ("transformations",))


class TableGiven(Given):
    table = DraftField()


class NewDatasetVersion(Said):
    """Of files (`paths`) or of a table (`table`); with neither, the newest one again: its data has moved on."""

    paths = PathGiven(many=True, allow_empty=True, required=False)
    table = DraftField(required=False)
    moved_on = serializers.BooleanField(default=False, help_text="Make a version even where it says the same.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "paths" in attrs and "table" in attrs:
            raise serializers.ValidationError("Give either paths or a table.")
        return attrs

    def data_paths(self) -> list[DataPath]:
        return [DataPath(**path) for path in self.validated_data["paths"]]


class NewDataset(NewDatasetVersion):
    name = serializers.CharField(max_length=100)
    moved_on = None  # type: ignore[assignment] # there is nothing yet that it could say again

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "paths" not in attrs and "table" not in attrs:
            raise serializers.ValidationError({"paths": "Give paths, or a table."})
        return super().validate(attrs)


class DerivedTable(Said):
    """A new dataset (`name`), or a new version of one (`dataset_id`)."""

    transformations = TransformationsField()
    name = serializers.CharField(max_length=100, required=False)
    dataset_id = serializers.IntegerField(min_value=1, max_value=_LARGEST_ID, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("name" in attrs) == ("dataset_id" in attrs):
            raise serializers.ValidationError({"name": "Give a name, or the id of the dataset to add a version to."})
        return attrs


class ChangeDataset(Given):
    description = serializers.CharField(max_length=500, allow_blank=True)


DRAFT_EXAMPLES = [
    OpenApiExample(
        "CSV files",
        {"table": {"source": {"kind": "files", "paths": [{"datastore_id": 1, "path": "sales/**/*.csv"}]}}},
    ),
    OpenApiExample(
        "A query",
        {"table": {"source": {"kind": "query", "datastore_id": 2, "query": "SELECT * FROM orders"}}},
    ),
    OpenApiExample(
        "An MLTable folder",
        {"table": {"source": {"kind": "mltable", "path": {"datastore_id": 1, "path": "tables/orders"}}}},
    ),
]


def matched_json(matched: Matched) -> dict[str, Any]:
    datastore = matched.datastore
    where = {"datastore_id": datastore and datastore.pk, "datastore": datastore and datastore.name}
    return {**where, **({"url": matched.url} if matched.url else {}), **entry_json(matched.entry)}


def summary_json(summary: Summary) -> dict[str, Any]:
    return {
        "file_count": summary.file_count,
        "size_bytes": summary.size_bytes,
        "is_complete": summary.is_complete,
        "first": [matched_json(matched) for matched in summary.first],
    }


def dataset_json(row: DatasetRow, slug: str) -> dict[str, Any]:
    dataset, latest = row.dataset, row.latest
    return {
        "id": dataset.pk,
        "name": dataset.name,
        "kind": "table" if latest.is_tabular else "file",
        "description": dataset.description,
        "latest_version": latest.number,
        "latest_version_id": latest.pk,
        "paths": [path.model_dump() for path in paths_of(latest.definition)],
        "file_count": latest.file_count,
        "size_bytes": latest.size_bytes,
        "row_count": row.row_count,
        "created_at": dataset.created_at,
        "created_by": dataset.created_by and dataset.created_by.username,
        "changed_at": latest.created_at,
        "url": reverse("datasets:detail", args=[slug, dataset.pk]),
    }


def version_json(version: DatasetVersion, datastores: Mapping[int, Datastore]) -> dict[str, Any]:
    """`datastores` are those that it points into, removed ones too."""
    definition = version.definition
    gone = [pk for pk in datastores_of(definition) if pk not in datastores or datastores[pk].removed_at]
    return {
        "id": version.pk,
        "number": version.number,
        "kind": "table" if version.is_tabular else "file",
        "paths": [path.model_dump() for path in paths_of(definition)],
        "definition": definition.model_dump(mode="json"),
        "description": version.description,
        "tags": version.tags.tags,
        "origin": version.origin,
        "created_at": version.created_at,
        "created_by": version.created_by and version.created_by.username,
        "fingerprint": version.fingerprint,
        "file_count": version.file_count,
        "size_bytes": version.size_bytes,
        "listed_at": version.listed_at,
        "listing_error": version.listing_error,
        "removed_datastores": [
            {"id": pk, "name": datastores[pk].name if pk in datastores else None} for pk in sorted(gone)
        ],
    }


def found_json(definition: TabularDefinition, columns: list[Column], notes: list[str]) -> dict[str, Any]:
    """`columns` are those after the transformations."""
    return {
        "definition": definition.model_dump(mode="json"),
        "columns": [column.model_dump() for column in columns],
        "notes": notes,
    }


def changes_json(changes: Changes | None, schema: SchemaChanges | None) -> dict[str, Any]:
    """`is_known` is false where nobody wrote down what was there when the version was made."""
    body: dict[str, Any] = {"is_known": changes is not None or schema is not None}
    if changes is not None:
        body |= {
            "is_complete": changes.is_complete,
            **{str(kind): count for kind, count in changes.counts.items()},
            "first": [
                {
                    "kind": change.kind,
                    "datastore_id": change.file.datastore_id,
                    "path": change.file.label,
                    "size_bytes": change.file.size_bytes,
                }
                for change in changes.first
            ],
        }
    if schema is not None:
        body["columns"] = {
            "added": [column.model_dump() for column in schema.added],
            "removed": [column.model_dump() for column in schema.removed],
            "retyped": [{"name": name, "before": before, "now": now} for name, before, now in schema.retyped],
        }
    return body


def _validated(shape: Any, value: Any, loc: tuple[str | int, ...]) -> Any:
    """Raises UserError with what is wrong with its shape."""
    try:
        return TypeAdapter(shape).validate_python(value)
    except ValidationError as error:
        raise UserError(shape_problems(error, shape, below=loc)) from error
