"""One stream of a step's log apart from the others, over REST."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from compute.logs.lines import Stream
from compute.logs.one_stream import MAX_LINES, STREAMS, StreamPage, read_stream, stream_bytes
from pipelines import queries
from pipelines.api.runs import ATTEMPT, StepAPIView, asked_attempt, whole_number
from studio.lib.downloads import StreamedResponse, stream_file
from studio.lib.problems import UserError

STREAM = OpenApiParameter(
    "stream",
    str,
    required=True,
    enum=STREAMS,
    description="“o”: standard output, “e”: standard error, “s”: the studio's own words.",
)
_NAMES: dict[Stream, str] = {"o": "stdout", "e": "stderr", "s": "studio"}


class LogStreamView(StepAPIView):
    @extend_schema(
        parameters=[STREAM, ATTEMPT, OpenApiParameter("before", int), OpenApiParameter("count", int)],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """The last lines of one stream (1,000 at most) before line `before` of the log, or of all.

        `earlier` is where to go on, null at the beginning; each line's `n` is its number in the whole log.
        """
        step = self.step(run_id, name)
        attempt, numbers = queries.attempt_of(step, asked_attempt(request))
        stream = _stream(request)
        if attempt is None:
            empty = StreamPage(0, complete=step.finished_at is not None, lines=[], earlier=None)
            return Response({**empty.as_json(), "attempts": []})
        before = whole_number(request, "before", default=-1)
        count = whole_number(request, "count", default=MAX_LINES)
        page = read_stream(attempt, stream, before=None if before < 0 else before, count=count)
        return Response({**page.as_json(), "attempts": numbers})


class LogStreamDownloadView(StepAPIView):
    @extend_schema(parameters=[STREAM, ATTEMPT], responses={(200, "text/plain"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, run_id: int, name: str) -> StreamedResponse:
        """All of one stream as it was written."""
        attempt, _numbers = queries.attempt_of(self.step(run_id, name), asked_attempt(request))
        stream = _stream(request)
        pieces = stream_bytes(attempt, stream) if attempt else iter(())
        number = attempt.number if attempt else 1
        title = f"run-{run_id}-{name}-attempt-{number}-{_NAMES[stream]}.log"
        return stream_file(pieces, title, content_type="text/plain; charset=utf-8")


def _stream(request: Request) -> Stream:
    asked = request.query_params.get("stream", "")
    for stream in STREAMS:
        if stream == asked:
            return stream
    raise UserError("Choose a stream: “o” (output), “e” (errors) or “s” (the studio's own words).", loc=("stream",))
