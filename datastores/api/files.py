"""The files of a datastore: listed, downloaded, uploaded, deleted."""

from typing import Any, cast

from django.http import HttpResponseBase, QueryDict
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from datastores import services
from datastores.api.asked import AFTER, MAX_LISTED, PATH, PREFIX, whole_number
from datastores.api.stores import DatastoreView
from datastores.backends import get_backend
from datastores.downloads import send_path
from datastores.folder_zip import zipped_folder
from datastores.paths import clean_path
from datastores.serializers import NewFolder, entry_json, listing_json
from datastores.uploads import as_user_error, uploads_of
from studio.lib.downloads import stream_file
from studio.workspaces.permissions import Permission


class FilesView(DatastoreView):
    write_permission = Permission.EDIT_DATA

    @extend_schema(parameters=[PATH, PREFIX, AFTER, OpenApiParameter("limit", int)], responses=dict)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        path = clean_path(request.query_params.get("path", ""))
        listing = get_backend(self.datastore()).list(
            path,
            after=request.query_params.get("after") or None,
            limit=min(whole_number(request, "limit", 200), MAX_LISTED),
            prefix=request.query_params.get("prefix", ""),
        )
        return Response(listing_json(path, listing))

    @extend_schema(parameters=[PATH], responses={204: None})
    def delete(self, request: Request, **_kwargs: Any) -> Response:
        path = request.query_params.get("path", "")
        services.delete_path(self.datastore(), path=path, actor=self.access.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CountView(DatastoreView):
    @extend_schema(
        parameters=[OpenApiParameter("path", str, many=True, description="One or more files and folders.")],
        responses=dict,
    )
    def get(self, request: Request, **_kwargs: Any) -> Response:
        """How many files lie at and below some paths, as far as can be counted in two seconds."""
        counted = services.count_files(self.datastore(), request.query_params.getlist("path"))
        return Response({"files": counted.files, "size_bytes": counted.size_bytes, "is_complete": counted.is_complete})


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
        return send_path(request, self.datastore(), request.query_params.get("path", ""))


class FolderZipView(DatastoreView):
    @extend_schema(parameters=[PATH], responses={(200, "application/zip"): bytes})
    def get(self, request: Request, **_kwargs: Any) -> HttpResponseBase:
        """A folder with all that is in it, as a ZIP archive that is written while it is read."""
        name, pieces = zipped_folder(self.datastore(), request.query_params.get("path", ""))
        return stream_file(pieces, name, content_type="application/zip")


class UploadView(DatastoreView):
    """Multipart: `files`, their paths (see `datastores.uploads`), and the `folder` that they go to.

    Answers `{"uploaded": […], "refused": [{"path", "message"}]}`: 201 where every file was kept, 207 where one was
    refused, 507 where there was no room for one: on the disk, or within a quota.
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
        if result.no_room:
            return Response({**answer, "detail": result.no_room}, status=status.HTTP_507_INSUFFICIENT_STORAGE)
        return Response(answer, status=status.HTTP_207_MULTI_STATUS if result.refused else status.HTTP_201_CREATED)

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(as_user_error(exc) or exc)
