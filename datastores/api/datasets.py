"""Datasets and their versions."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from datastores import dataset_queries, queries, services
from datastores.api.asked import PAGE, whole_number
from datastores.changes import changes_since, schema_changes
from datastores.dataset_serializers import (
    DRAFT_EXAMPLES,
    ChangeDataset,
    DatasetPaths,
    DerivedTable,
    NewDataset,
    NewDatasetVersion,
    TableGiven,
    changes_json,
    dataset_json,
    found_json,
    matched_json,
    summary_json,
    version_json,
)
from datastores.datasets import page_of_files, summarise
from datastores.models import Dataset, DatasetVersion
from datastores.sources import TabularDefinition, paths_of
from studio.lib.pagination import Pages
from studio.lib.problems import UserError
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission

MOST_ROWS = 1000
CHANGES_BUDGET_S = 20.0  # nobody looks at an empty page meanwhile


class DatasetsView(WorkspaceAPIView):
    write_permission = Permission.EDIT_DATA

    @extend_schema(
        parameters=[OpenApiParameter("q", str), OpenApiParameter("kind", str, enum=["file", "table"])],
        responses=dict,
        operation_id="datasets_list",
    )
    def get(self, request: Request, **_kwargs: Any) -> Response:
        pages = Pages()
        asked = request.query_params
        datasets = dataset_queries.datasets_in(
            self.access.workspace, text=asked.get("q", ""), kind=asked.get("kind", "")
        )
        page = pages.paginate_queryset(datasets, request, view=self)
        rows = dataset_queries.with_latest(page or [])
        return pages.get_paginated_response([dataset_json(row, self.access.workspace.slug) for row in rows])

    @extend_schema(request=NewDataset, responses={201: dict}, examples=DRAFT_EXAMPLES)
    def post(self, request: Request, **_kwargs: Any) -> Response:
        given = NewDataset(data=request.data)
        given.is_valid(raise_exception=True)
        workspace, said = self.access.workspace, {"actor": self.access.user, **given.words()}
        name = given.validated_data["name"]
        if "table" in given.validated_data:
            found = services.settle_table(workspace, given.validated_data["table"])
            version = services.create_table(workspace, name=name, definition=found.definition, **said)
        else:
            version = services.create_dataset(workspace, name=name, paths=given.data_paths(), **said)
        return Response(_dataset_json(version.dataset), status=status.HTTP_201_CREATED)


class DatasetPreviewView(WorkspaceAPIView):
    """What paths match now: count, size and first names. Changes nothing."""

    write_permission = Permission.EDIT_DATA

    @extend_schema(request=DatasetPaths, responses=dict)
    def post(self, request: Request, **_kwargs: Any) -> Response:
        given = DatasetPaths(data=request.data)
        given.is_valid(raise_exception=True)
        return Response(
            summary_json(
                summarise(
                    services.checked_paths(self.access.workspace, given.data_paths()),
                    workspace_id=self.access.workspace.pk,
                )
            )
        )


class TableInferView(WorkspaceAPIView):
    """What a table would be, and its first rows: settings and types as they are found out. Changes nothing."""

    write_permission = Permission.EDIT_DATA

    @extend_schema(
        request=TableGiven, parameters=[OpenApiParameter("rows", int)], responses=dict, examples=DRAFT_EXAMPLES
    )
    def post(self, request: Request, **_kwargs: Any) -> Response:
        from datastores.tabular import reading

        given = TableGiven(data=request.data)
        given.is_valid(raise_exception=True)
        found = services.settle_table(self.access.workspace, given.validated_data["table"])
        rows = min(whole_number(request, "rows", 50), MOST_ROWS)
        preview = reading.preview(found.definition, workspace_id=self.access.workspace.pk, rows=rows)
        body = found_json(found.definition, preview.columns, [*found.notes, *preview.notes])
        return Response({**body, "rows": preview.rows, "is_cut": preview.is_cut})


class DatasetView(WorkspaceAPIView):
    """One dataset. Views about its versions inherit from it."""

    write_permission = Permission.EDIT_DATA

    def dataset(self) -> Dataset:
        dataset_id = self.kwargs.get("dataset_id") or self.kwargs["table_id"]
        return queries.dataset_in(self.access.workspace, dataset_id)

    def version(self) -> DatasetVersion:
        return queries.version_of(self.dataset(), self.kwargs["number"])

    def table(self) -> tuple[DatasetVersion, TabularDefinition]:
        version = self.version()
        if not isinstance(version.definition, TabularDefinition):
            raise UserError("This dataset names files: it has no rows.")
        return version, version.definition

    def version_json(self, *versions: DatasetVersion) -> list[dict[str, Any]]:
        datastores = dataset_queries.datastores_named(self.access.workspace, versions)
        return [version_json(version, datastores) for version in versions]


class DatasetDetailView(DatasetView):
    @extend_schema(responses=dict)
    def get(self, _request: Request, **_kwargs: Any) -> Response:
        return Response(_dataset_json(self.dataset()))

    @extend_schema(request=ChangeDataset, responses=dict)
    def patch(self, request: Request, **_kwargs: Any) -> Response:
        dataset = self.dataset()
        given = ChangeDataset(data=request.data)
        given.is_valid(raise_exception=True)
        services.change_dataset(dataset, actor=self.access.user, **given.validated_data)
        return Response(_dataset_json(dataset))

    @extend_schema(responses={204: None})
    def delete(self, _request: Request, **_kwargs: Any) -> Response:
        services.delete_dataset(self.dataset(), actor=self.access.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class DatasetVersionsView(DatasetView):
    @extend_schema(responses=dict, operation_id="dataset_versions_list")
    def get(self, request: Request, **_kwargs: Any) -> Response:
        pages = Pages()
        page = pages.paginate_queryset(queries.versions_of(self.dataset()), request, view=self)
        return pages.get_paginated_response(self.version_json(*(page or [])))

    @extend_schema(request=NewDatasetVersion, responses={200: dict, 201: dict}, examples=DRAFT_EXAMPLES)
    def post(self, request: Request, **_kwargs: Any) -> Response:
        dataset = self.dataset()
        given = NewDatasetVersion(data=request.data)
        given.is_valid(raise_exception=True)
        said = {"actor": self.access.user, "moved_on": given.validated_data["moved_on"], **given.words()}
        if "table" in given.validated_data:
            found = services.settle_table(self.access.workspace, given.validated_data["table"])
            version, is_new = services.add_table_version(dataset, definition=found.definition, **said)
        elif "paths" in given.validated_data:
            version, is_new = services.add_dataset_version(dataset, paths=given.data_paths(), **said)
        else:
            latest = queries.version_of(dataset, None)
            version, is_new = services.make_again(latest, actor=self.access.user, **given.words())
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(self.version_json(version)[0], status=code)


class DatasetVersionView(DatasetView):
    @extend_schema(responses=dict)
    def get(self, _request: Request, **_kwargs: Any) -> Response:
        return Response(self.version_json(self.version())[0])


class DatasetVersionFilesView(DatasetView):
    @extend_schema(parameters=[PAGE], responses=dict)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        version = self.version()
        page = whole_number(request, "page", 1)
        files, has_more = page_of_files(paths_of(version.definition), workspace_id=self.access.workspace.pk, page=page)
        return Response({"page": page, "has_more": has_more, "files": [matched_json(file) for file in files]})


class DatasetVersionRowsView(DatasetView):
    """The first rows of a table, as texts; null where a value is missing."""

    @extend_schema(parameters=[OpenApiParameter("rows", int)], responses=dict)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        from datastores.tabular import reading

        _version, definition = self.table()
        rows = min(whole_number(request, "rows", 100), MOST_ROWS)
        preview = reading.preview(definition, workspace_id=self.access.workspace.pk, rows=rows)
        return Response(
            {
                "columns": [column.model_dump() for column in preview.columns],
                "rows": preview.rows,
                "is_cut": preview.is_cut,
                "notes": preview.notes,
            }
        )


class DatasetVersionChangesView(DatasetView):
    """What changed since the version was made: files added, removed and changed, or a query's columns."""

    @extend_schema(responses=dict)
    def get(self, _request: Request, **_kwargs: Any) -> Response:
        version = self.version()
        return Response(changes_json(changes_since(version, budget_s=CHANGES_BUDGET_S), schema_changes(version)))


class DatasetVersionDeriveView(DatasetView):
    """A table of this one's rows, with more done to them when they are read. Nothing is copied."""

    @extend_schema(request=DerivedTable, responses={200: dict, 201: dict})
    def post(self, request: Request, **_kwargs: Any) -> Response:
        base, _definition = self.table()
        given = DerivedTable(data=request.data)
        given.is_valid(raise_exception=True)
        definition = services.derived_table(base, given.validated_data["transformations"])
        said = {"actor": self.access.user, **given.words()}
        is_new = True
        if "dataset_id" in given.validated_data:
            target = queries.dataset_in(self.access.workspace, given.validated_data["dataset_id"])
            version, is_new = services.add_table_version(target, definition=definition, **said)
        else:
            name = given.validated_data["name"]
            version = services.create_table(self.access.workspace, name=name, definition=definition, **said)
        body = {"dataset": _dataset_json(version.dataset), "version": self.version_json(version)[0]}
        return Response(body, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)


def _dataset_json(dataset: Dataset) -> dict[str, Any]:
    workspace = dataset.workspace
    found = dataset_queries.datasets_in(workspace).filter(pk=dataset.pk)
    return dataset_json(dataset_queries.with_latest(list(found))[0], workspace.slug)
