"""Files of runs: the artifacts of their steps, which clients put and take through the studio alone."""

from contextlib import closing
from typing import Any, BinaryIO, cast

from django.http import Http404
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from datastores.backends import Listing
from datastores.paths import clean_path, join
from pipelines import queries
from pipelines.mlflow import registry
from pipelines.mlflow.caller import Caller, caller_of, run_name_of
from pipelines.mlflow.failures import missing, unfit
from pipelines.mlflow.found_runs import step_of
from pipelines.mlflow.protocol import Asked, ProtocolView
from pipelines.mlflow.runs import OfRun, own_step
from pipelines.model_queries import ModelFolder
from pipelines.models import StepRun
from pipelines.registered import ModelVersion
from pipelines.services import attempt_to_log_to, tracked_files
from pipelines.texts import unfit_text
from studio.lib.downloads import stream_file
from studio.lib.problems import UserError
from studio.workspaces.permissions import Permission

ROOT = "mlflow-artifacts:/"
MAX_LISTED = 20_000  # entries of an answer without pages


class List(OfRun):
    path: str = ""
    page_token: str = ""


class ListBelow(Asked):
    path: str = ""


def list_of_run(caller: Caller, asked: List) -> dict[str, Any]:
    """A folder of a run's files, a page at a time; names are below the run's root."""
    step = step_of(caller, asked.run)
    listing = _listing(caller, step, asked.path, after=asked.page_token or None)
    folder = clean_path(asked.path)
    answer: dict[str, Any] = {
        "root_uri": f"{ROOT}{run_name_of(step)}",
        "files": _files(listing, folder),
    }
    if listing.after:
        answer["next_page_token"] = listing.after
    return answer


def list_below(caller: Caller, asked: ListBelow) -> dict[str, Any]:
    """The same by a path that begins with the run; names are of the folder, and all of them come at once."""
    version, path = _version_and_path(caller, asked.path)
    step = None
    if version is None:
        step, path = _step_and_path(caller, asked.path)
    files: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        if version is not None:
            listing = _listing_of_version(caller, version, path, after=after)
        else:
            assert step is not None, "it is of a version or of a run"
            listing = _listing(caller, step, path, after=after)
        files += _files(listing, "")
        if len(files) > MAX_LISTED and step is None:
            raise unfit(
                f"There are more than {MAX_LISTED:,} files in this folder. Download them from the model's page."
            )
        if len(files) > MAX_LISTED and step is not None:
            raise unfit(
                f"There are more than {MAX_LISTED:,} files in this folder, and this way of listing has no pages. Ask "
                f"for artifacts/list with run_id={run_name_of(step)}, which has."
            )
        after = listing.after
        if after is None:
            return {"files": files}


class FileView(ProtocolView):
    """One file, by a path that begins with its run."""

    def get(self, request: Request, artifact: str, slug: str | None = None) -> HttpResponseBase:
        caller = caller_of(request, slug)
        version, path = _version_and_path(caller, artifact)
        if version is not None:
            return _file_of_version(caller, version, path)
        step, path = _step_and_path(caller, artifact)
        try:
            entry, stream = queries.ArtifactFolder(caller.workspace, step).open(path)
        except (Http404, UserError) as error:
            raise missing(f"Run “{run_name_of(step)}” has no file “{path[:200]}”.") from error
        return stream_file(stream, entry.label, size_bytes=entry.size_bytes)

    def put(self, request: Request, artifact: str, slug: str | None = None) -> Response:
        caller = caller_of(request, slug)
        caller.access.require(Permission.RUN)
        step, path = _step_and_path(caller, artifact)
        step = own_step(caller, run_name_of(step))
        attempt = attempt_to_log_to(step, as_its_program=caller.is_program_of(step))
        body = cast("BinaryIO", request._request)  # noqa: SLF001 (unparsed, as it arrives)
        tracked_files.put_file(caller.access, step, attempt, path, body)
        return Response({})

    def delete(self, request: Request, artifact: str, slug: str | None = None) -> Response:
        caller = caller_of(request, slug)
        caller.access.require(Permission.RUN)
        step, path = _step_and_path(caller, artifact)
        step = own_step(caller, run_name_of(step))
        attempt = attempt_to_log_to(step, as_its_program=caller.is_program_of(step))
        tracked_files.delete_file(caller.access, step, attempt, path)
        return Response({})


def _step_and_path(caller: Caller, artifact: str) -> tuple[StepRun, str]:
    if next(unfit_text(artifact, ()), None) is not None:
        raise unfit("There is a character in this path that can't be kept. Remove it.")
    cleaned = clean_path(artifact)
    run_id, _, path = cleaned.partition("/")
    return step_of(caller, run_id), path


def _version_and_path(caller: Caller, artifact: str) -> tuple[ModelVersion | None, str]:
    """A version of a model, where the path begins as those of versions do. Raises MlflowError."""
    if next(unfit_text(artifact, ()), None) is not None:
        raise unfit("There is a character in this path that can't be kept. Remove it.")
    first, _, rest = clean_path(artifact).partition("/")
    if first != registry.MODELS:
        return None, ""
    name, _, rest = rest.partition("/")
    number, _, path = rest.partition("/")
    return registry.version_of(caller, name, number), path


def _file_of_version(caller: Caller, version: ModelVersion, path: str) -> HttpResponseBase:
    try:
        entry, stream = ModelFolder(caller.workspace, version).open(path)
    except (Http404, UserError) as error:
        raise missing(f"Version {version} has no file “{path[:200]}”.") from error
    return stream_file(stream, entry.label, size_bytes=entry.size_bytes)


def _listing_of_version(caller: Caller, version: ModelVersion, path: str, *, after: str | None) -> Listing:
    """Raises Http404 where the files can't be there: its datastore was removed."""
    folder = ModelFolder(caller.workspace, version)
    with closing(folder.backend):
        try:
            return folder.list(path, after=after)
        except (Http404, UserError):
            return Listing([], None)


def _listing(caller: Caller, step: StepRun, path: str, *, after: str | None) -> Listing:
    """Empty where there is no such folder: clients ask so whether something is there."""
    try:
        folder = queries.ArtifactFolder(caller.workspace, step)
    except queries.NoArtifacts:
        return Listing([], None)
    path = clean_path(path)
    with closing(folder.backend):
        try:
            return folder.list(path, after=after)
        except (Http404, UserError):  # a file is no folder, either
            return Listing([], None)


def _files(listing: Listing, folder: str) -> list[dict[str, Any]]:
    return [
        {
            "path": join(folder, entry.label),
            "is_dir": entry.kind == "folder",
            **({"file_size": entry.size_bytes} if entry.kind == "file" else {}),
        }
        for entry in listing.entries
    ]
