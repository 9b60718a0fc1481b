"""Uploads that go on after a broken connection: the tus protocol, version 1.0.0, with creation and termination."""

import base64
import binascii
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from datastores import resumable
from datastores.api.stores import DatastoreView
from datastores.models import ResumableUpload
from datastores.serializers import NewUpload, upload_json
from studio.lib.json_bodies import ReadableJSON
from studio.lib.problems import UserError
from studio.workspaces.permissions import Permission

VERSION = "1.0.0"
PART = "application/offset+octet-stream"
TUS = OpenApiParameter("Tus-Resumable", str, OpenApiParameter.HEADER, description=f"`{VERSION}`.")


class WrongVersion(UserError):  # noqa: N818
    status_code = status.HTTP_412_PRECONDITION_FAILED


class WrongType(UserError):  # noqa: N818
    status_code = status.HTTP_415_UNSUPPORTED_MEDIA_TYPE


class PartParser(BaseParser):
    """Nothing is parsed: the view reads the bytes as they arrive. For the API's description."""

    media_type = PART

    def parse(self, stream: Any, _media_type: Any = None, _parser_context: Any = None) -> Any:
        return stream


class TusView(DatastoreView):
    permission = Permission.EDIT_DATA
    write_permission = Permission.EDIT_DATA

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.headers.get("Tus-Resumable", VERSION) != VERSION:
            raise WrongVersion(f"The studio speaks version {VERSION} of the tus protocol.")

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Tus-Resumable"] = response["Tus-Version"] = VERSION
        response["Tus-Extension"] = "creation,termination"
        response["Cache-Control"] = "no-store"
        return response

    @extend_schema(exclude=True)
    def options(self, *_args: Any, **_kwargs: Any) -> Response:
        """What the server can do."""
        return Response(status=status.HTTP_204_NO_CONTENT, headers={"Tus-Max-Size": str(resumable.MAX_BYTES)})


class UploadsView(TusView):
    parser_classes = (ReadableJSON,)

    @extend_schema(
        parameters=[
            TUS,
            OpenApiParameter("Upload-Length", int, OpenApiParameter.HEADER, description="Bytes of the whole file."),
            OpenApiParameter("Upload-Metadata", str, OpenApiParameter.HEADER, description="`path` and its Base64."),
        ],
        request=NewUpload,
        responses={201: dict, 400: dict, 507: dict},
    )
    def post(self, request: Request, **_kwargs: Any) -> Response:
        """Begin an upload, by the headers of the tus protocol or by the same in JSON. `Location` takes its parts."""
        if "Upload-Length" in request.headers:
            size_bytes = _count(request, "Upload-Length")
            path = _path_in(request.headers.get("Upload-Metadata", ""))
        else:
            given = NewUpload(data=request.data)
            given.is_valid(raise_exception=True)
            size_bytes, path = given.validated_data["size_bytes"], given.validated_data["path"]
        upload = resumable.begin(self.datastore(), path=path, size_bytes=size_bytes, actor=self.access.user)
        address = reverse(
            "api-datastore-resumable", args=[self.access.workspace.slug, self.kwargs["datastore_id"], upload.pk]
        )
        resumable.keep_if_whole(upload)  # a file without bytes is whole from the start
        headers = {"Location": address, "Upload-Offset": "0"}
        return Response({**upload_json(upload), "url": address}, status=status.HTTP_201_CREATED, headers=headers)


class ResumableUploadView(TusView):
    parser_classes = (PartParser,)

    def _upload(self) -> ResumableUpload:
        upload = resumable.upload_of(self.datastore(), self.kwargs["upload_id"])
        upload.datastore.workspace = self.access.workspace
        return upload

    @extend_schema(responses={200: dict, 423: dict})
    def get(self, _request: Request, **_kwargs: Any) -> Response:
        """Where the upload stands; a whole file that could not be kept yet is tried once more."""
        upload = self._upload()
        resumable.keep_if_whole(upload)
        return Response(upload_json(upload))

    @extend_schema(exclude=True)
    def head(self, _request: Request, **_kwargs: Any) -> Response:
        upload = self._upload()
        resumable.keep_if_whole(upload)
        return Response(headers=_headers(upload) | {"Upload-Length": str(upload.size_bytes)})

    @extend_schema(
        parameters=[
            TUS,
            OpenApiParameter(
                "Upload-Offset", int, OpenApiParameter.HEADER, required=True, description="Where the bytes go on."
            ),
        ],
        request={PART: bytes},
        responses={204: None, 409: dict, 507: dict},
    )
    def patch(self, request: Request, **_kwargs: Any) -> Response:
        """A part of the file. What arrives before a connection breaks stays: `GET` or `HEAD` says how much it is."""
        if (request.content_type or "").partition(";")[0].strip().lower() != PART:
            raise WrongType(f"Send the bytes as they are, with the content type {PART}.")
        upload = self._upload()
        offset = _count(request, "Upload-Offset")
        resumable.receive(upload, offset=offset, body=request._request)  # noqa: SLF001 (unparsed, as it arrives)
        return Response(status=status.HTTP_204_NO_CONTENT, headers=_headers(upload))

    @extend_schema(responses={204: None})
    def delete(self, _request: Request, **_kwargs: Any) -> Response:
        """Give the upload up: what has arrived is thrown away."""
        resumable.forget(self._upload())
        return Response(status=status.HTTP_204_NO_CONTENT)


def _headers(upload: ResumableUpload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.received_bytes)}


def _count(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not text.isdecimal() or len(text) > 18:
        raise UserError(f"The header {header} must be a whole number of bytes.", loc=(header,))
    return int(text)


def _path_in(metadata: str) -> str:
    """The value of `path`, or of `filename`, in pairs of a key and its value in Base64."""
    pairs = {key: value for key, _, value in (pair.strip().partition(" ") for pair in metadata.split(","))}
    encoded = pairs.get("path") or pairs.get("filename") or ""
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UserError("The header Upload-Metadata must name the `path`, in Base64.", loc=("path",)) from error
