"""Runs that a client makes somewhere else, over REST: begun, logged to, ended."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from compute.metrics.from_clients import ClientPoint
from compute.metrics.points import MAX_STEP
from pipelines import queries, services
from pipelines.models import StepRun
from pipelines.services.tracking import ENDS, MAX_EXPERIMENT_NAME, MAX_LABEL_NAME, MAX_LABEL_VALUE, STEP
from pipelines.tracked_runs import tracked_run_id
from studio.lib.clock import clock
from studio.lib.given import Given
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission

MAX_POINTS = 1000  # of one request
_YEAR_9999_MS = 253_402_300_799_000
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")


class Labels(serializers.DictField):
    child = serializers.CharField(max_length=MAX_LABEL_VALUE, allow_blank=True, trim_whitespace=False)


class BeginSerializer(Given):
    experiment = serializers.CharField(max_length=MAX_EXPERIMENT_NAME, help_text="Made where there is none.")
    name = serializers.CharField(max_length=MAX_LABEL_NAME, required=False, allow_blank=True)
    tags = Labels(required=False)


class AnyNumber(serializers.FloatField):
    """What JSON has no number for is a text."""

    def to_internal_value(self, data: Any) -> float:
        if data in _NOT_FINITE:
            return float(data)
        return super().to_internal_value(data)


class PointSerializer(Given):
    name = serializers.CharField(max_length=MAX_LABEL_NAME)
    value = AnyNumber(help_text="What is not finite is a text: `NaN`, `Infinity`, `-Infinity`.")
    step = serializers.IntegerField(min_value=1 - MAX_STEP, max_value=MAX_STEP - 1, default=0)
    at_ms = serializers.IntegerField(
        min_value=0, max_value=_YEAR_9999_MS, required=False, help_text="When it was measured; else now."
    )


class LogSerializer(Given):
    points = PointSerializer(many=True, required=False)
    tags = Labels(required=False)
    properties = Labels(required=False, help_text="Said once: what is there stays.")

    def validate_points(self, points: list[Any]) -> list[Any]:
        if len(points) > MAX_POINTS:
            raise serializers.ValidationError(f"Send at most {MAX_POINTS:,} points at once.")
        return points


class EndSerializer(Given):
    status = serializers.ChoiceField(choices=sorted(ENDS))
    reason = serializers.CharField(required=False, allow_blank=True, max_length=MAX_LABEL_VALUE)


class TrackedRunsView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(request=BeginSerializer, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, slug: str) -> Response:
        """Begin a run that the studio does not run: it goes on until you end it, or somebody cancels it.

        `tracking_id` is what MLflow's client calls it: metrics and files can be logged to it that way, too.
        """
        asked = BeginSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        step = services.start_tracked_run(self.access, **asked.validated_data)
        return Response(_json(step), status=status.HTTP_201_CREATED)


class TrackedRunAPIView(WorkspaceAPIView):
    """Base of the views of one of them."""

    write_permission = Permission.RUN

    def step(self, run_id: int) -> StepRun:
        """Raises Http404, ConflictError for a run that the studio runs."""
        run = queries.run_of(self.access.workspace, run_id)
        step = StepRun.objects.select_related("run").filter(run=run).order_by("position").first()
        assert step is not None, "a run has a step"
        services.refuse_unless_tracked(step)
        return step


class LogTrackedRunView(TrackedRunAPIView):
    @extend_schema(request=LogSerializer, responses={204: None})
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Log metrics, tags and properties to it: all of them or, where something is wrong, none."""
        step = self.step(run_id)
        asked = LogSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        now_ms = int(clock.now().timestamp() * 1000)
        records = services.Records(
            points=[
                ClientPoint(each["name"], each["step"], each["value"], each.get("at_ms", now_ms))
                for each in said.get("points", [])
            ],
            tags=said.get("tags", {}),
            properties=said.get("properties", {}),
        )
        attempt = services.attempt_to_log_to(step, as_its_program=False)
        services.log_records(self.access, step, attempt, records)
        return Response(status=status.HTTP_204_NO_CONTENT)


class EndTrackedRunView(TrackedRunAPIView):
    @extend_schema(request=EndSerializer, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Say how it ended. `ended` is false where it was over already; `status` says how."""
        step = self.step(run_id)
        asked = EndSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        ended = services.end_tracked_run(self.access, step, **asked.validated_data)
        step.refresh_from_db(fields=["status"])
        return Response({"ended": ended, "status": step.status})


def _json(step: StepRun) -> dict[str, Any]:
    return {
        "id": step.run_id,
        "step": STEP,
        "status": step.run.status,
        "tracking_id": tracked_run_id(step.run_id, step.pk),
    }
