"""Datastores, their files and datasets in the REST API."""

from typing import Any, cast

from django.http import HttpResponseBase, QueryDict
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from datastores import queries, services
from datastores.backends import get_backend
from datastores.datasets import page_of_files, summarise
from datastores.models import Dataset, Datastore
from datastores.paths import clean_path, name_of
from datastores.serializers import (
    ChangeDataset,
    ChangeDatastore,
    DatasetPaths,
    NewDataset,
    NewFolder,
    RegisterDatastore,
    dataset_json,
    datastore_json,
    entry_json,
    listing_json,
    matched_json,
    summary_json,
    version_json,
)
from datastores.sources import paths_of
from datastores.uploads import as_user_error, uploads_of
from studio.lib.downloads import stream_file
from studio.lib.pagination import Pages
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceAPIView
from studio.workspaces.permissions import Permission

MAX_LISTED = 1000
PATH = OpenApiParameter("path", str, description="Below the datastore's root, with “/” between names.")
AFTER = OpenApiParameter("after", str, description="What the last page gave as `after`.")
PAGE = OpenApiParameter("page", int)


class DatastoresView(WorkspaceAPIView):
    write_permission = Permission.MANAGE_DATASTORES

    @extend_schema(responses=dict, operation_id="datastores_list")
    def get(self, request: Request, **_kwargs: Any) -> Response:
        pages = Pages()
        page = pages.paginate_queryset(queries.datastores_in(self.access.workspace), request, view=self)
        return pages.get_paginated_response(
            [datastore_json(datastore, self.access.workspace.slug) for datastore in page or []]
        )

    @extend_schema(request=RegisterDatastore, responses={201: dict})
    def post(self, request: Request, **_kwargs: Any) -> Response:
        given = RegisterDatastore(data=request.data)
        given.is_valid(raise_exception=True)
        datastore = services.register_datastore(self.access.workspace, actor=self.access.user, **given.validated_data)
        return Response(datastore_json(datastore, self.access.workspace.slug), status=status.HTTP_201_CREATED)


class DatastoreView(WorkspaceAPIView):
    """One datastore. Views about its files inherit from it."""

    write_permission = Permission.MANAGE_DATASTORES

    def datastore(self) -> Datastore:
        return queries.datastore_in(self.access.workspace, self.kwargs["datastore_id"])


class DatastoreDetailView(DatastoreView):
    @extend_schema(responses=dict)
    def get(self, _request: Request, **_kwargs: Any) -> Response:
        return Response(datastore_json(self.datastore(), self.access.workspace.slug))

    @extend_schema(request=ChangeDatastore, responses=dict)
    def patch(self, request: Request, **_kwargs: Any) -> Response:
        datastore = self.datastore()
        given = ChangeDatastore(data=request.data)
        given.is_valid(raise_exception=True)
        changes = given.validated_data
        if changes.get("is_default") is False and datastore.is_default:
            raise UserError("A workspace needs a default datastore: make another one the default.", loc=("is_default",))
        if "description" in changes:
            services.change_datastore(datastore, description=changes["description"], actor=self.access.user)
        if changes.get("is_default"):
            services.make_default(datastore, actor=self.access.user)
        return Response(datastore_json(datastore, self.access.workspace.slug))

    @extend_schema(responses={204: None})
    def delete(self, _request: Request, **_kwargs: Any) -> Response:
        services.remove_datastore(self.datastore(), actor=self.access.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class FilesView(DatastoreView):
    write_permission = Permission.EDIT_DATA

    @extend_schema(parameters=[PATH, AFTER, OpenApiParameter("limit", int)], responses=dict)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        path = clean_path(request.query_params.get("path", ""))
        listing = get_backend(self.datastore()).list(
            path,
            after=request.query_params.get("after") or None,
            limit=min(_whole_number(request, "limit", 200), MAX_LISTED),
        )
        return Response(listing_json(path, listing))

    @extend_schema(parameters=[PATH], responses={204: None})
    def delete(self, request: Request, **_kwargs: Any) -> Response:
        path = request.query_params.get("path", "")
        services.delete_path(self.datastore(), path=path, actor=self.access.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class FoldersView(DatastoreView):
    write_permission = Permission.EDIT_DATA

    @extend_schema(request=NewFolder, responses={201: dict})
    def post(self, request: Request, **_kwargs: Any) -> Response:
        given = NewFolder(data=request.data)
        given.is_valid(raise_exception=True)
        entry = services.make_folder(self.datastore(), actor=self.access.user, **given.validated_data)
        return Response(entry_json(entry), status=status.HTTP_201_CREATED)


class DownloadView(DatastoreView):
    @extend_schema(parameters=[PATH], responses={(200, "application/octet-stream"): bytes})
    def get(self, request: Request, **_kwargs: Any) -> HttpResponseBase:
        path = clean_path(request.query_params.get("path", ""))
        backend = get_backend(self.datastore())
        entry = backend.stat(path)
        return stream_file(backend.open_read(path), name_of(path), size_bytes=entry.size_bytes)


class UploadView(DatastoreView):
    """Multipart: `files`, their paths (see `datastores.uploads`), and the `folder` that they go to.

    Answers `{"uploaded": […], "refused": [{"path", "message"}]}`: 201 where every file was kept, 207 where one was
    refused, 507 where the disk is full.
    """

    write_permission = Permission.EDIT_DATA
    parser_classes = (MultiPartParser,)

    @extend_schema(request={"multipart/form-data": dict}, responses={201: dict, 207: dict, 507: dict})
    def post(self, request: Request, **_kwargs: Any) -> Response:
        fields = cast("QueryDict", request.data)  # of a multipart request
        result = services.upload_files(
            self.datastore(),
            folder=fields.get("folder", ""),
            files=uploads_of(fields, request.FILES),
            actor=self.access.user,
        )
        answer = {
            "uploaded": [entry_json(entry) for entry in result.kept],
            "refused": [
                {"path": refused.path.encode("utf-8", "replace").decode(), "message": refused.message}
                for refused in result.refused
            ],
        }
        if result.disk_is_full:
            return Response(
                {**answer, "detail": "The datastore's disk is full."}, status=status.HTTP_507_INSUFFICIENT_STORAGE
            )
        return Response(answer, status=status.HTTP_207_MULTI_STATUS if result.refused else status.HTTP_201_CREATED)

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(as_user_error(exc) or exc)


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
        page = _whole_number(request, "page", 1)
        files, has_more = page_of_files(paths_of(version.definition), workspace_id=self.access.workspace.pk, page=page)
        return Response({"page": page, "has_more": has_more, "files": [matched_json(file) for file in files]})


def _whole_number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise UserError(f"`{name}` must be a whole number from 1.", loc=(name,))
    return int(text)
