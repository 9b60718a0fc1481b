"""Metrics, tags and properties over REST."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from compute.metrics.reading import MAX_ENTRIES, entries_of, image_of, json_number, json_value, points_of
from compute.metrics.said import image_ending
from pipelines import metric_queries, queries, services
from pipelines.api.runs import ATTEMPT, StepAPIView, asked_attempt, whole_number
from pipelines.inner_metrics import measured_within
from pipelines.models import Run, StepRun
from pipelines.serializers import TagsSerializer
from studio.lib.downloads import StreamedResponse, image_type, stream_file
from studio.lib.problems import UserError
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission

MOST_POINTS = 10_000
_METRIC = OpenApiParameter("metric", str, required=True, description="Its name.")
_NO_SERIES = ("list", "table", "confusion_matrix", "residuals", "accuracy_table", "predictions")


class RunMetricsView(WorkspaceAPIView):
    @extend_schema(parameters=[OpenApiParameter("step", str)], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, run_id: int) -> Response:
        """What the steps of a run measured: of each metric its last, lowest and highest value. At most 2,000.

        With what the runs measured that its steps had made: `run` and `measured_by` name the run and the step that
        measured, `within` the way there. The single values are read from there.
        Of several attempts of a step the last one counts; a reused step shows what it was taken from, and
        `reused_from` names that run. A number that is not finite is a text: `NaN`, `Infinity`, `-Infinity`.
        """
        run = queries.run_of(self.access.workspace, run_id)
        step = request.query_params.get("step", "").replace("\0", "")
        measured = metric_queries.measured_in(run, step=step) + measured_within(run, step=step)
        most = metric_queries.MAX_METRICS
        return Response({"metrics": metric_queries.measured_json(measured[:most]), "truncated": len(measured) >= most})


class StepMetricsView(StepAPIView):
    @extend_schema(parameters=[ATTEMPT], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """What one attempt of a step measured."""
        attempt, metrics = metric_queries.metrics_of(self.step(run_id, name), asked_attempt(request))
        return Response(
            {
                "attempt": attempt.number if attempt else 0,
                "points": sum(metric.count for metric in metrics if metric.kind == "scalar"),
                "metrics": [metric_queries.metric_json(metric) for metric in metrics],
            }
        )


class PointsView(StepAPIView):
    @extend_schema(
        parameters=[
            _METRIC,
            ATTEMPT,
            OpenApiParameter("points", int, description="At most so many: 1,000 unless given, up to 10,000."),
            OpenApiParameter("from", int, description="The first step."),
            OpenApiParameter("to", int, description="The last step."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """The points of a series, in the order in which they were logged.

        Where there are more than asked for, the lowest and the highest of each stretch; `of` says of how many.
        """
        metric = _metric(request, self.step(run_id, name), kinds=("scalar",))
        most = whole_number(request, "points", default=1000)
        if not 2 <= most <= MOST_POINTS:
            raise UserError(f"Ask for 2 to {MOST_POINTS:,} points.", loc=("points",))
        points, of = points_of(metric, most, first=_step(request, "from"), last=_step(request, "to"))
        return Response(
            {
                "metric": metric.name,
                "of": of,
                "steps": list(points.steps),
                "values": [json_number(value) for value in points.values],
            }
        )


class EntriesView(StepAPIView):
    @extend_schema(
        parameters=[_METRIC, ATTEMPT, OpenApiParameter("start", int), OpenApiParameter("count", int)],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """Values of a list, rows of a table, or documents as azureml has them: at most 1,000 from `start` on."""
        metric = _metric(request, self.step(run_id, name), kinds=_NO_SERIES)
        start = max(0, whole_number(request, "start", default=0))
        count = min(max(1, whole_number(request, "count", default=MAX_ENTRIES)), MAX_ENTRIES)
        entries = entries_of(metric, start=min(start, metric.count), count=count)
        body = {"metric": metric.name, "kind": metric.kind, "count": metric.count, "start": start}
        return Response({**body, "entries": json_value(entries)})


class ImageView(StepAPIView):
    @extend_schema(
        parameters=[_METRIC, ATTEMPT, OpenApiParameter("number", int, description="From 0; the last unless given.")],
        responses={(200, "image/png"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, slug: str, run_id: int, name: str) -> StreamedResponse:
        """A picture that was logged."""
        metric = _metric(request, self.step(run_id, name), kinds=("image",))
        number = whole_number(request, "number", default=metric.count - 1)
        content = image_of(metric, number) if 0 <= number < metric.count else None
        ending = image_ending(content) if content is not None else None
        if content is None or ending is None:
            raise UserError(f"There are pictures 0 to {metric.count - 1}.", loc=("number",))
        filename = f"{metric.name}-{number}.{ending}"
        content_type = image_type(filename) or "application/octet-stream"
        return stream_file(iter([content]), filename, content_type=content_type, size_bytes=len(content), inline=True)


class RunTagsView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, run_id: int) -> Response:
        """The tags of a run."""
        return _tags(queries.run_of(self.access.workspace, run_id))

    @extend_schema(request=TagsSerializer, responses=OpenApiTypes.OBJECT)
    def patch(self, request: Request, slug: str, run_id: int) -> Response:
        """Set some tags; null takes one away. The others stay as they are."""
        run = queries.run_of(self.access.workspace, run_id)
        services.set_tags(self.access, run, None, _wanted(request))
        return _tags(run)


class StepTagsView(StepAPIView):
    write_permission = Permission.RUN

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """The tags and properties of a step: those that it said itself, and those that people gave it."""
        step = self.step(run_id, name)
        return _tags(self.run(run_id), step)

    @extend_schema(request=TagsSerializer, responses=OpenApiTypes.OBJECT)
    def patch(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """Set some tags; null takes one away. The others stay as they are; properties are the step's alone."""
        run, step = self.run(run_id), self.step(run_id, name)
        services.set_tags(self.access, run, step, _wanted(request))
        return _tags(run, step)


def _tags(run: Run, step: StepRun | None = None) -> Response:
    return Response(metric_queries.tags_json(metric_queries.tags_of(run, step), step))


def _wanted(request: Request) -> dict[str, str | None]:
    given = TagsSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    wanted: dict[str, str | None] = given.validated_data["tags"]
    return wanted


def _metric(request: Request, step: StepRun, *, kinds: tuple[str, ...]) -> Any:
    name = request.query_params.get("metric", "")
    return metric_queries.metric_of(step, name, asked_attempt(request), kinds=kinds)


def _step(request: Request, name: str) -> int | None:
    return whole_number(request, name, default=0) if request.query_params.get(name, "").strip() else None
