"""Source folders over REST: uploaded, edited, read. A folder is named by its digest and never changes."""

from typing import Any, cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from datastores import snapshots
from pipelines import queries, services
from pipelines.git_facts import GitFacts
from pipelines.serializers import (
    EditSourcesSerializer,
    SourcesSerializer,
    UploadedSourcesSerializer,
    UploadSourcesSerializer,
)
from studio.lib.json_bodies import ReadableJSON
from studio.lib.misshapen import MAX_TOLD, no_such_field
from studio.lib.problems import Problem, UserError
from studio.workspaces.api_access import WorkspaceAPIView

_FILES, _TEXTS = ("files", "zip", "diff"), ("paths", "base", "git")
_OF_FORMS = "csrfmiddlewaretoken"
_NAME_CHARS = 100
_FORM_BYTES = 2 * 1024**2  # what a form takes besides the files themselves


class UploadTooLargeError(UserError):
    """Refused by what the request says of itself. Becomes a 413."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE


class SourcesView(WorkspaceAPIView):
    parser_classes = (MultiPartParser, ReadableJSON)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Look at the request's length first: reading it is what signing in by a session already does."""
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > settings.SNAPSHOT_MAX_BYTES + _FORM_BYTES:
            raise UploadTooLargeError(
                f"This upload has {int(length) / 1024**2:,.0f} MB; a source folder may have "
                f"{settings.SNAPSHOT_MAX_BYTES / 1024**2:,.0f} MB. "
                "Upload data to a datastore instead, and give it to the step as an input."
            )
        super().initial(request, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, TooManyFilesSent | TooManyFieldsSent):
            exc = UserError(
                f"These are too many files at once; a source folder may have {settings.SNAPSHOT_MAX_FILES:,}. "
                "Leave out data, virtual environments and caches, and upload data to a datastore instead.",
                loc=("files",),
            )
        elif isinstance(exc, RequestDataTooBig):
            exc = UploadTooLargeError("The names of these files are too long together. Upload them as a zip.")
        return super().handle_exception(exc)

    @extend_schema(
        request={"multipart/form-data": UploadSourcesSerializer},
        responses={201: UploadedSourcesSerializer, 507: dict},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Take in files (each one's place in a parallel `paths` field) or a zip, on top of `base` if given.

        What `git` says comes back in the shape that a step's definition takes as its `git`.
        """
        if not request.content_type.startswith("multipart/"):
            raise UserError("Send the files as multipart/form-data, in fields named “files” and “paths”, or “zip”.")
        form = cast("QueryDict", request.data)
        _check_parts(request, form)
        base = form.get("base") or None
        said = _git_facts(form.get("git"))
        archive = request.FILES.get("zip")
        if archive is not None:
            snapshot = snapshots.add_zip(self.access.workspace, base, archive, actor=self.access.user)
        else:
            files = _named_files(request)
            snapshot = snapshots.add_files(self.access.workspace, base, files, actor=self.access.user)
        answer = queries.snapshot_json(snapshot)
        if said is not None:
            diff = request.FILES.get("diff")
            git = services.git_facts_of(self.access, said, source=snapshot.digest, diff=diff)
            answer["git"] = git.model_dump(mode="json")
        return Response(answer, status=status.HTTP_201_CREATED)


class EditSourcesView(WorkspaceAPIView):
    parser_classes = (ReadableJSON,)

    @extend_schema(request=EditSourcesSerializer, responses={201: SourcesSerializer, 507: dict})
    def post(self, request: Request, slug: str) -> Response:
        """Move, delete and write text files, in this order."""
        wanted = EditSourcesSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        snapshot = snapshots.edit(
            self.access.workspace,
            data["base"],
            put={file["path"]: file["text"] for file in data["put"]},
            delete=data["delete"],
            move=[(move["from"], move["to"]) for move in data["move"]],
            actor=self.access.user,
        )
        return Response(queries.snapshot_json(snapshot), status=status.HTTP_201_CREATED)


class SourceView(WorkspaceAPIView):
    @extend_schema(responses=SourcesSerializer)
    def get(self, request: Request, slug: str, digest: str) -> Response:
        """The files of a source folder."""
        return Response(queries.snapshot_json(queries.snapshot_of(self.access.workspace, digest)))


class SourceFileView(WorkspaceAPIView):
    @extend_schema(parameters=[OpenApiParameter("path", str, required=True)], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, digest: str) -> Response:
        """One file; `text` is null where it is binary or too long for an editor."""
        snapshot = queries.snapshot_of(self.access.workspace, digest)
        return Response(queries.source_file_json(snapshot, request.query_params.get("path", "")))


def _check_parts(request: Request, form: QueryDict) -> None:
    """A misspelt part would have had no effect, and so would one of the wrong sort."""
    problems = []
    for name in dict.fromkeys([*form, *request.FILES]):
        if name in _FILES and any(isinstance(each, str) for each in form.getlist(name)):
            problems.append(Problem((name,), "Send this as a file, and not as a field of text."))
        elif name in _TEXTS and name in request.FILES:
            problems.append(Problem((name,), "Send this as a field of the form, and not as a file."))
        elif name not in (*_FILES, *_TEXTS, _OF_FORMS):
            shown = name[:_NAME_CHARS]
            problems.append(Problem((shown,), no_such_field(shown, [*_FILES, *_TEXTS])))
    if problems:
        raise UserError(problems[:MAX_TOLD])


def _git_facts(text: str | None) -> GitFacts | None:
    if not text:
        return None
    return services.read_git_facts(text)


def _named_files(request: Request) -> list[tuple[str, Any]]:
    """Each file with its place. Browsers cut folders off a file's own name, hence the field beside it."""
    files: list[Any] = request.FILES.getlist("files")
    paths: list[str] = cast("QueryDict", request.data).getlist("paths")
    if paths and len(paths) != len(files):
        raise UserError(f"There are {len(files)} files and {len(paths)} paths. Send one path for each file.")
    return list(zip(paths or [file.name or "" for file in files], files, strict=True))
