"""The trash, pins and the rules about how long runs are kept, over REST."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines import queries, services, trash_queries
from pipelines.models import Retention
from pipelines.retention import Rules
from pipelines.serializers import PipelineSerializer
from studio.lib.given import Given
from studio.lib.pagination import Pages
from studio.lib.problems import ConflictError
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.models import Workspace
from studio.workspaces.permissions import Permission

_WHYS = 3  # in a sentence


class ChosenRunsSerializer(Given):
    runs = serializers.ListField(child=serializers.IntegerField(min_value=1, max_value=2**62), help_text="At most 200.")


class TrashedSerializer(serializers.Serializer[Any]):
    trashed = serializers.ListField(child=serializers.IntegerField())
    refused = serializers.ListField(child=serializers.DictField(), help_text="`run` and `message`, for each.")
    said = serializers.CharField(help_text="The same in a sentence or more.")


class NoteSerializer(Given):
    note = serializers.CharField(max_length=500, allow_blank=True, default="")


class PinnedSerializer(serializers.Serializer[Any]):
    note = serializers.CharField()
    by = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField()


class StaysSerializer(serializers.Serializer[Any]):
    stays = serializers.ListField(child=serializers.CharField(), help_text="What is not deleted with it, and why.")


class NewNameSerializer(Given):
    name = serializers.CharField(max_length=100, required=False, help_text="The one that it had, unless given.")


class RulesSerializer(Given):
    """Each is enough for a run to go into the trash. Null: no rule."""

    keep_days = serializers.IntegerField(required=False, allow_null=True, help_text="After a run's end.")
    keep_runs = serializers.IntegerField(required=False, allow_null=True, help_text="The newest of each pipeline.")
    keep_bytes = serializers.IntegerField(required=False, allow_null=True, help_text="Of outputs, of all runs.")


class RetentionSerializer(RulesSerializer):
    trash_days = serializers.IntegerField(required=False, help_text="How long a run stays in the trash.")


class PreviewSerializer(serializers.Serializer[Any]):
    runs = serializers.IntegerField()
    size_bytes = serializers.IntegerField()
    is_more = serializers.BooleanField(help_text="There are more runs than were counted.")
    words = serializers.CharField()


class TrashView(WorkspaceAPIView):
    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str) -> Response:
        """The runs in the trash, the last ones first, a page at a time."""
        pages = Pages()
        page = pages.paginate_queryset(trash_queries.trashed_runs(self.access.workspace), request, view=self)
        return pages.get_paginated_response([trash_queries.trash_row(trash) for trash in page or []])


class TrashRunsView(WorkspaceAPIView):
    write_permission = Permission.DELETE_RUNS

    @extend_schema(
        operation_id="workspaces_runs_trash_several", request=ChosenRunsSerializer, responses=TrashedSerializer
    )
    def post(self, request: Request, slug: str) -> Response:
        """Put several runs in the trash. Those that are not over, or pinned, stay, and `refused` says so."""
        wanted = ChosenRunsSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        said = services.trash_runs(self.access, wanted.validated_data["runs"])
        trashed = [run_id for run_id, why in said.items() if not why]
        refused = [{"run": run_id, "message": why} for run_id, why in said.items() if why]
        whys = list(filter(None, said.values()))  # `refused` has them all
        more = f" {len(whys) - _WHYS:,} more stay, too." if len(whys) > _WHYS else ""
        reasons = " ".join(whys[:_WHYS]) + more
        if not trashed:
            raise ConflictError(reasons)
        are = "run is" if len(trashed) == 1 else "runs are"
        words = f"{len(trashed):,} {are} in the trash. {reasons}".strip()
        return Response({"trashed": trashed, "refused": refused, "said": words})


class TrashRunView(WorkspaceAPIView):
    write_permission = Permission.DELETE_RUNS

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Put a run in the trash. 409 where it is not over, pinned, or there already."""
        services.trash_run(self.access, queries.run_of(self.access.workspace, run_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class RestoreRunView(WorkspaceAPIView):
    write_permission = Permission.DELETE_RUNS

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Take a run out of the trash, with all that belongs to it. 409 where it is not there."""
        services.restore_run(self.access, queries.run_of(self.access.workspace, run_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class PurgeRunView(WorkspaceAPIView):
    write_permission = Permission.MANAGE_RETENTION

    @extend_schema(responses=StaysSerializer)
    def get(self, request: Request, slug: str, run_id: int) -> Response:
        """What would stay of a run that is deleted, and why."""
        return Response({"stays": trash_queries.staying(queries.run_of(self.access.workspace, run_id))})

    @extend_schema(request=None, responses={202: None})
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Delete a run in the trash for good, within minutes. 409 where it is not there."""
        services.purge_now(self.access, queries.run_of(self.access.workspace, run_id))
        return Response(status=status.HTTP_202_ACCEPTED)


class PinRunView(WorkspaceAPIView):
    write_permission = Permission.DELETE_RUNS

    @extend_schema(request=NoteSerializer, responses=PinnedSerializer)
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Pin a run: rules do not put it in the trash, and nobody does before the pin is off."""
        return _pin(self, request, run_id, None)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, run_id: int) -> Response:
        """Take the pin off a run."""
        return _unpin(self, run_id, None)


class PinStepView(WorkspaceAPIView):
    write_permission = Permission.DELETE_RUNS

    @extend_schema(request=NoteSerializer, responses=PinnedSerializer)
    def post(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """Pin a step: its run stays."""
        return _pin(self, request, run_id, name)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """Take the pin off a step."""
        return _unpin(self, run_id, name)


class RestorePipelineView(WorkspaceAPIView):
    @extend_schema(request=NewNameSerializer, responses=PipelineSerializer)
    def post(self, request: Request, slug: str, pipeline_id: int) -> Response:
        """Put a deleted pipeline on the lists again, under another name where its own is taken meanwhile."""
        pipeline = trash_queries.deleted_pipeline(self.access.workspace, pipeline_id)
        wanted = NewNameSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        restored = services.restore_pipeline(self.access, pipeline, **wanted.validated_data)
        return Response(PipelineSerializer(restored, context={"slug": slug}).data)


class RetentionView(WorkspaceAPIView):
    write_permission = Permission.MANAGE_RETENTION

    @extend_schema(responses=RetentionSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """How long the workspace keeps its runs."""
        return Response(_retention_json(self.access.workspace))

    @extend_schema(request=RetentionSerializer, responses=RetentionSerializer)
    def patch(self, request: Request, slug: str) -> Response:
        """Change it. What is not given stays; null takes a rule away."""
        given = _given(request, RetentionSerializer)
        now = {**_retention_json(self.access.workspace), **given}
        trash_days = now.pop("trash_days")
        services.set_retention(self.access, trash_days=trash_days, rules=Rules(**now))
        return Response(_retention_json(self.access.workspace))


class RetentionPreviewView(WorkspaceAPIView):
    write_permission = Permission.MANAGE_RETENTION

    @extend_schema(request=RulesSerializer, responses=PreviewSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """What rules would put in the trash now. Nothing is changed."""
        found = services.preview_rules(self.access, Rules(**_given(request, RulesSerializer)))
        body = {"runs": found.runs, "size_bytes": found.size_bytes, "is_more": found.is_more, "words": found.words}
        return Response(body)


def _given(request: Request, shape: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    wanted = shape(data=request.data)
    wanted.is_valid(raise_exception=True)
    given: dict[str, Any] = wanted.validated_data
    return given


def _retention_json(workspace: Workspace) -> dict[str, Any]:
    found = Retention.objects.filter(workspace=workspace).first() or Retention()
    return {name: getattr(found, name) for name in ("trash_days", "keep_days", "keep_runs", "keep_bytes")}


def _pin(view: WorkspaceAPIView, request: Request, run_id: int, name: str | None) -> Response:
    run = queries.run_of(view.access.workspace, run_id)
    step = queries.step_of(run, name) if name is not None else None
    pin = services.pin(view.access, run, step, **_given(request, NoteSerializer))
    return Response(queries.pin_json(pin))


def _unpin(view: WorkspaceAPIView, run_id: int, name: str | None) -> Response:
    run = queries.run_of(view.access.workspace, run_id)
    services.unpin(view.access, run, queries.step_of(run, name) if name is not None else None)
    return Response(status=status.HTTP_204_NO_CONTENT)
