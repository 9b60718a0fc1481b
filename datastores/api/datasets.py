"""Datasets and their versions."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from datastores import queries, services
from datastores.api.asked import PAGE, whole_number
from datastores.dataset_serializers import (
    ChangeDataset,
    DatasetPaths,
    NewDataset,
    dataset_json,
    matched_json,
    summary_json,
    version_json,
)
from datastores.datasets import page_of_files, summarise
from datastores.models import Dataset
from datastores.sources import paths_of
from studio.lib.pagination import Pages
from studio.workspaces.access import WorkspaceAPIView
from studio.workspaces.permissions import Permission


class DatasetsView(WorkspaceAPIView):
    write_permission = Permission.EDIT_DATA

    @extend_schema(parameters=[OpenApiParameter("q", str)], responses=dict, operation_id="datasets_list")
    def get(self, request: Request, **_kwargs: Any) -> Response:
        pages = Pages()
        datasets = queries.datasets_in(self.access.workspace, text=request.query_params.get("q", ""))
        page = pages.paginate_queryset(datasets, request, view=self)
        return pages.get_paginated_response([dataset_json(row, self.access.workspace.slug) for row in page or []])

    @extend_schema(request=NewDataset, responses={201: dict})
    def post(self, request: Request, **_kwargs: Any) -> Response:
        given = NewDataset(data=request.data)
        given.is_valid(raise_exception=True)
        version = services.create_dataset(
            self.access.workspace,
            name=given.validated_data["name"],
            description=given.validated_data["description"],
            paths=given.data_paths(),
            actor=self.access.user,
        )
        dataset = queries.datasets_in(self.access.workspace).get(pk=version.dataset_id)
        return Response(dataset_json(dataset, self.access.workspace.slug), status=status.HTTP_201_CREATED)


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


class DatasetView(WorkspaceAPIView):
    """One dataset. Views about its versions inherit from it."""

    write_permission = Permission.EDIT_DATA

    def dataset(self) -> Dataset:
        return queries.dataset_in(self.access.workspace, self.kwargs["dataset_id"])


class DatasetDetailView(DatasetView):
    def _answer(self) -> Response:
        self.dataset()
        dataset = queries.datasets_in(self.access.workspace).get(pk=self.kwargs["dataset_id"])
        return Response(dataset_json(dataset, self.access.workspace.slug))

    @extend_schema(responses=dict)
    def get(self, _request: Request, **_kwargs: Any) -> Response:
        return self._answer()

    @extend_schema(request=ChangeDataset, responses=dict)
    def patch(self, request: Request, **_kwargs: Any) -> Response:
        dataset = self.dataset()
        given = ChangeDataset(data=request.data)
        given.is_valid(raise_exception=True)
        services.change_dataset(dataset, actor=self.access.user, **given.validated_data)
        return self._answer()

    @extend_schema(responses={204: None})
    def delete(self, _request: Request, **_kwargs: Any) -> Response:
        services.delete_dataset(self.dataset(), actor=self.access.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class DatasetVersionsView(DatasetView):
    @extend_schema(responses=dict)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        pages = Pages()
        page = pages.paginate_queryset(queries.versions_of(self.dataset()), request, view=self)
        return pages.get_paginated_response([version_json(version) for version in page or []])

    @extend_schema(request=DatasetPaths, responses={200: dict, 201: dict})
    def post(self, request: Request, **_kwargs: Any) -> Response:
        dataset = self.dataset()
        given = DatasetPaths(data=request.data)
        given.is_valid(raise_exception=True)
        version, is_new = services.add_dataset_version(dataset, paths=given.data_paths(), actor=self.access.user)
        return Response(version_json(version), status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)


class DatasetVersionFilesView(DatasetView):
    @extend_schema(parameters=[PAGE], responses=dict)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        version = queries.version_of(self.dataset(), self.kwargs["number"])
        page = whole_number(request, "page", 1)
        files, has_more = page_of_files(paths_of(version.definition), workspace_id=self.access.workspace.pk, page=page)
        return Response({"page": page, "has_more": has_more, "files": [matched_json(file) for file in files]})
