"""Pipelines as YAML files over REST: written, read, with their code or without."""

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines import queries, services
from pipelines.models import PipelineVersion
from pipelines.yaml.archive import archive_of, file_name, text_of
from pipelines.yaml.errors import FileError
from pipelines.yaml.folder import Folder
from pipelines.yaml_serializers import ForeignNameSerializer, ImportedSerializer, ImportSerializer, imported_json
from studio.lib.downloads import StreamedResponse, stream_file
from studio.lib.json_bodies import ReadableJSON
from studio.lib.misshapen import no_such_field
from studio.lib.problems import Problem, UserError
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.models import Workspace

_FILES, _TEXTS = ("file", "files"), ("text", "paths", "main", "name", "into", "means", "remember", "dry_run")
_OF_FORMS = "csrfmiddlewaretoken"
_FORM_BYTES = 16 * 1024**2  # what a form takes besides the files themselves


class TooLargeError(UserError):
    """Refused by what the request says of itself. Becomes a 413."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE


class VersionView(WorkspaceAPIView):
    def version(self, pipeline_id: int, number: int) -> PipelineVersion:
        """Raises Http404."""
        pipeline = queries.pipeline_of(self.access.workspace, pipeline_id)
        version = queries.version_of(pipeline, number)
        assert version is not None
        version.pipeline = pipeline
        return version


class YamlView(VersionView):
    @extend_schema(responses={(200, "application/yaml"): OpenApiTypes.OBJECT})
    def get(self, request: Request, slug: str, pipeline_id: int, number: int) -> StreamedResponse:
        """A version as a YAML file. Its steps' code stays here: the file says which it is."""
        version = self.version(pipeline_id, number)
        data = text_of(version).encode()
        return stream_file([data], f"{file_name(version)}.yml", content_type="application/yaml", size_bytes=len(data))


class ArchiveView(VersionView):
    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, pipeline_id: int, number: int) -> StreamedResponse:
        """A version as a ZIP archive: the YAML file, and the code of its steps. Any studio can import it."""
        exported = archive_of(self.version(pipeline_id, number))
        return stream_file(exported.pieces, exported.name, content_type="application/zip")


class ImportView(WorkspaceAPIView):
    parser_classes = (MultiPartParser, ReadableJSON)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Look at the request's length first: reading it is what signing in by a session already does."""
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > settings.SNAPSHOT_MAX_BYTES + _FORM_BYTES:
            limit = f"{settings.SNAPSHOT_MAX_BYTES / 1024**2:,.0f} MB"
            raise TooLargeError(f"An import may have {limit}. Upload data to a datastore instead.")
        super().initial(request, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, TooManyFilesSent | TooManyFieldsSent | RequestDataTooBig):
            exc = TooLargeError("These are too many files at once. Send them as a zip.")
        response = super().handle_exception(exc)
        if isinstance(exc, FileError) and exc.needs:
            response.data["needs"] = [need.as_json() for need in exc.needs]
        return response

    @extend_schema(
        request={"multipart/form-data": ImportSerializer, "application/json": ImportSerializer},
        responses={200: ImportedSerializer, 201: ImportedSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Make what a YAML file says: one of this studio's own, or of Azure ML's command line (version 2).

        Send a `file` (YAML, or a zip with its code), several `files` with their `paths`, or a `text`. All is made or
        nothing; with `dry_run` nothing is, and the answer says what would be. What is wrong comes back as 400 with
        every problem at once, the `loc` of each being the file, the line and the column. `needs` lists the names for
        which `means` must say what they are here.
        """
        form = _form(request)
        wanted = ImportSerializer(data=form)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        into = queries.pipeline_of(self.access.workspace, data["into"]) if data.get("into") else None
        with _folder(request, data) as folder:
            imported = services.import_folder(
                self.access,
                folder,
                main=data["main"],
                name=data["name"],
                into=into,
                means=data["means"],
                keeps_meanings=data["remember"],
                dry_run=data["dry_run"],
            )
        code = status.HTTP_200_OK if data["dry_run"] else status.HTTP_201_CREATED
        return Response(imported_json(imported, slug), status=code)


class ForeignNamesView(WorkspaceAPIView):
    @extend_schema(responses=ForeignNameSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """What names in files from elsewhere are called in this workspace, as imports take them."""
        return Response(_names(self.access.workspace))

    @extend_schema(request=ForeignNameSerializer, responses=ForeignNameSerializer(many=True))
    def patch(self, request: Request, slug: str) -> Response:
        """Say what a name is called here, or with an empty `ours` that it means nothing. Gives all names back."""
        wanted = ForeignNameSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        services.set_meaning(self.access, **wanted.validated_data)
        return Response(_names(self.access.workspace))


def _names(workspace: Workspace) -> list[dict[str, str]]:
    return [
        {"sort": sort, "theirs": theirs, "ours": ours}
        for sort, names in services.meanings_of(workspace).items()
        for theirs, ours in names.items()
    ]


def _form(request: Request) -> dict[str, Any]:
    """The fields, whichever way they came. Raises UserError for those that would have had no effect."""
    if not isinstance(request.data, QueryDict):
        if not isinstance(request.data, Mapping):
            raise UserError("Send an object with “text”, or a form with “file”.")
        return dict(request.data)
    form = request.data
    problems = []
    for name in dict.fromkeys([*form, *request.FILES]):
        if name in _FILES and any(isinstance(each, str) for each in form.getlist(name)):
            problems.append(Problem((name,), "Send this as a file, and not as a field of text."))
        elif name in _TEXTS and name in request.FILES:
            problems.append(Problem((name,), "Send this as a field of the form, and not as a file."))
        elif name not in (*_FILES, *_TEXTS, _OF_FORMS):
            problems.append(Problem((name[:100],), no_such_field(name[:100], [*_FILES, *_TEXTS])))
    if problems:
        raise UserError(problems[:20])
    fields: dict[str, Any] = {name: form[name] for name in _TEXTS if name in form and name != "paths"}
    fields |= {"paths": form.getlist("paths")} if "paths" in form else {}
    if "means" in fields:
        try:
            fields["means"] = json.loads(fields["means"] or "{}")
        except (ValueError, RecursionError) as error:
            raise UserError(
                "This must be JSON: an object for each sort, with names by names.", loc=("means",)
            ) from error
    return fields


def _folder(request: Request, data: Mapping[str, Any]) -> Folder:
    given = [name for name in _FILES if name in request.FILES] + (["text"] if data["text"] else [])
    if len(given) != 1:
        raise UserError("Send one of these: “file”, “files” with “paths”, or “text”.", loc=("file",))
    if given == ["text"]:
        return Folder.of_text(data["text"])
    if given == ["file"]:
        file = request.FILES["file"]
        return Folder.of_upload(file.name or "", file)
    files = request.FILES.getlist("files")
    paths = data["paths"] or [file.name or "" for file in files]
    if len(paths) != len(files):
        raise UserError(f"There are {len(files)} files and {len(paths)} paths. Send one path for each file.")
    return Folder.of_files(list(zip(paths, files, strict=True)))
