"""Runs, their steps, logs, outputs and code over REST."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from compute.drivers.logs import log_bytes
from compute.logs import reading
from pipelines import queries, services
from pipelines.metric_queries import tags_json, tags_of
from pipelines.models import Run, StepRun
from pipelines.step_usage import usage_of
from studio.lib.downloads import StreamedResponse, image_type, stream_file, stream_image
from studio.lib.pagination import NewestFirst
from studio.lib.problems import UserError
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission

ATTEMPT = OpenApiParameter("attempt", int, description="The latest unless given.")
_KEPT_OF = OpenApiParameter("attempt", int, description="What that one left and is kept; else what the step has.")
_PATH = OpenApiParameter("path", str)


class RunsView(WorkspaceAPIView):
    @extend_schema(
        operation_id="workspaces_runs_list",
        parameters=[
            OpenApiParameter("status", str),
            OpenApiParameter("pipeline", int),
            OpenApiParameter("submitted_by", str, description="A user name."),
            OpenApiParameter("experiment", str, description="The name of one."),
            OpenApiParameter("q", str, description="Part of the pipeline's or experiment's name, or a number."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, slug: str) -> Response:
        """The workspace's runs, the newest first, a page at a time."""
        asked = request.query_params
        narrowed = queries.RunFilter(
            status=asked.get("status", ""),
            pipeline=asked.get("pipeline", ""),
            submitted_by=asked.get("submitted_by", "").replace("\0", ""),
            experiment=asked.get("experiment", "").replace("\0", "\ufffd"),  # of no experiment
            text=asked.get("q", "").replace("\0", "")[:100].strip(),
        )
        pages = NewestFirst()
        page = pages.paginate_queryset(queries.runs_of(self.access.workspace, narrowed), request, view=self)
        return pages.get_paginated_response([queries.run_row(run) for run in page or []])


class RunView(WorkspaceAPIView):
    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, run_id: int) -> Response:
        """The run's state, steps and edges included."""
        return Response(queries.run_state(queries.run_of(self.access.workspace, run_id)))


class EventsView(WorkspaceAPIView):
    @extend_schema(parameters=[OpenApiParameter("after", int)], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, run_id: int) -> Response:
        """What happened after event number `after`; ask again from the last one until nothing comes."""
        run = queries.run_of(self.access.workspace, run_id)
        events = queries.events_after(run, whole_number(request, "after", default=0))
        return Response({"events": events, "last_event": run.last_event})


class CancelView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(request=None, responses={202: OpenApiTypes.OBJECT})
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Ask for the run's end. Asking twice, or for a run that is over, changes nothing."""
        run = queries.run_of(self.access.workspace, run_id)
        asked = services.cancel_run(self.access, run)
        run.refresh_from_db()
        body = {"asked": asked, "status": run.status, "cancel_requested_at": queries.iso(run.cancel_requested_at)}
        return Response(body, status=status.HTTP_202_ACCEPTED)


class StepAPIView(WorkspaceAPIView):
    """Base of the views of one step."""

    def step(self, run_id: int, name: str) -> StepRun:
        return queries.step_of(self.run(run_id), name)

    def run(self, run_id: int) -> Run:
        return queries.run_of(self.access.workspace, run_id)

    def folder(self, request: Request, step: StepRun, output: str) -> queries.OutputFolder:
        return queries.OutputFolder(self.access.workspace, step, output, attempt=asked_attempt(request))


class StepView(StepAPIView):
    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """A step with everything that made it."""
        run = self.run(run_id)
        step = queries.step_of(run, name)
        tags = tags_json(tags_of(run, step), step)
        return Response({**queries.step_detail(self.access.workspace, step), "tags": tags})


class LogView(StepAPIView):
    @extend_schema(
        parameters=[ATTEMPT, OpenApiParameter("start", int), OpenApiParameter("count", int)],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """At most 2,000 lines from `start` on; a negative `start` counts from the end."""
        page = queries.log_page(
            self.step(run_id, name),
            attempt=asked_attempt(request),
            start=whole_number(request, "start", default=0),
            count=whole_number(request, "count", default=reading.MAX_LINES),
        )
        return Response(page)


class LogSearchView(StepAPIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("q", str, required=True),
            ATTEMPT,
            OpenApiParameter("from", int),
            OpenApiParameter("direction", str, enum=["forward", "backward"]),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """The lines that hold `q`, upper and lower case alike, from line `from` on in one direction."""
        attempt, _numbers = queries.attempt_of(self.step(run_id, name), asked_attempt(request))
        needle = request.query_params.get("q", "")[:500]
        if attempt is None or not needle:
            return Response(reading.LogSearch(None, [], more=False, next_line=None).as_json())
        backward = request.query_params.get("direction") == "backward"
        start = whole_number(request, "from", default=reading.total_lines(attempt) if backward else 0)
        found = reading.search(attempt, needle, start_line=start, direction="backward" if backward else "forward")
        return Response(found.as_json())


class LogDownloadView(StepAPIView):
    @extend_schema(parameters=[ATTEMPT], responses={(200, "text/plain"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, run_id: int, name: str) -> StreamedResponse:
        """The whole log as it was written."""
        attempt, _numbers = queries.attempt_of(self.step(run_id, name), asked_attempt(request))
        pieces = log_bytes(attempt) if attempt else iter(())
        number = attempt.number if attempt else 1
        return stream_file(
            pieces, f"run-{run_id}-{name}-attempt-{number}.log", content_type="text/plain; charset=utf-8"
        )


class OutputView(StepAPIView):
    @extend_schema(parameters=[_PATH, _KEPT_OF, OpenApiParameter("after", str)], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, run_id: int, name: str, output: str) -> Response:
        """A folder of an output."""
        folder = self.folder(request, self.step(run_id, name), output)
        path = request.query_params.get("path", "")
        return Response(queries.listing_json(path, folder.list(path, after=request.query_params.get("after"))))


class OutputDownloadView(StepAPIView):
    @extend_schema(
        parameters=[_PATH, _KEPT_OF, OpenApiParameter("inline", bool, description="An image, to be drawn in a page.")],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, slug: str, run_id: int, name: str, output: str) -> StreamedResponse:
        """A file of an output."""
        folder = self.folder(request, self.step(run_id, name), output)
        entry, stream = folder.open(request.query_params.get("path", ""))
        answer = stream_image if request.query_params.get("inline") and image_type(entry.label) else stream_file
        return answer(stream, entry.label, size_bytes=entry.size_bytes)


class UsageView(StepAPIView):
    @extend_schema(parameters=[ATTEMPT], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """What an attempt used: totals and, for one that took some seconds, its course. Live while it runs.

        Columns of `series` are of equal length. `cpu_s`, `read_bytes` and `written_bytes` count from the beginning;
        `memory_bytes` is the most since the instant before.
        """
        return Response(usage_of(self.step(run_id, name), asked_attempt(request)))


class CodeView(StepAPIView):
    @extend_schema(
        parameters=[
            _PATH,
            OpenApiParameter("attempt", int, description="What that one ran; else the latest."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """The files that ran, with the commit that they are of where that is known; or one of them with its text."""
        frozen = queries.frozen_at(self.step(run_id, name), asked_attempt(request))
        digest, git = frozen.snapshot, queries.git_json(frozen.step)
        path = request.query_params.get("path")
        if not digest and path is None:
            return Response({"files": [], "git": git})
        snapshot = queries.snapshot_of(self.access.workspace, digest)
        if path is not None:
            return Response(queries.source_file_json(snapshot, path))
        files: list[dict[str, Any]] = queries.snapshot_json(snapshot)["files"]
        shown = [{"path": file["path"], "size_bytes": file["size_bytes"]} for file in files]
        return Response({"files": shown, "git": git})


def asked_attempt(request: Request) -> int | None:
    number = whole_number(request, "attempt", default=0)
    return number or None


def whole_number(request: Request, name: str, *, default: int) -> int:
    given = request.query_params.get(name, "").strip()
    if not given:
        return default
    try:
        number = int(given)
    except ValueError as error:
        raise UserError("Give a whole number.", loc=(name,)) from error
    if abs(number) > 10**12:
        raise UserError("This number is too large.", loc=(name,))
    return number
