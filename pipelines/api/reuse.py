"""Why a step ran or was reused, and whether its result may be taken again, over REST."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines import queries, services
from pipelines.explaining import explain
from pipelines.serializers import EndReuseSerializer, ReuseChangedSerializer
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission


class StepReuseView(WorkspaceAPIView):
    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """Why a step ran or was reused: the earlier step that is most like it, and every ingredient that differs.

        Code comes as diffs of its files, arguments side by side, data by its files as far as that can be told.
        """
        step = queries.step_of(queries.run_of(self.access.workspace, run_id), name)
        return Response(explain(self.access.workspace, step).as_json())


class ExcludeStepView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(request=EndReuseSerializer, responses=ReuseChangedSerializer)
    def post(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """Exclude a step's result from reuse: at once, or from `ends_at` on, when it expires.

        Of a reused step that is the result of the step that made it.
        """
        return _exclude(self, request, run_id, name)


class AllowStepView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(request=None, responses=ReuseChangedSerializer)
    def post(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """Let a step's result be taken again that was excluded from reuse, or expired."""
        return _allow(self, run_id, name)


class ExcludeRunView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(request=EndReuseSerializer, responses=ReuseChangedSerializer)
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Exclude from reuse, as for a step, all results that the run made itself. 409 where there is none."""
        return _exclude(self, request, run_id, None)


class AllowRunView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(request=None, responses=ReuseChangedSerializer)
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Let the results of the run be taken again."""
        return _allow(self, run_id, None)


def _exclude(view: WorkspaceAPIView, request: Request, run_id: int, name: str | None) -> Response:
    run = queries.run_of(view.access.workspace, run_id)
    step = queries.step_of(run, name).name if name is not None else None
    wanted = EndReuseSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    return Response({"steps": services.end_reuse(view.access, run, step, **wanted.validated_data)})


def _allow(view: WorkspaceAPIView, run_id: int, name: str | None) -> Response:
    run = queries.run_of(view.access.workspace, run_id)
    step = queries.step_of(run, name).name if name is not None else None
    return Response({"steps": services.allow_reuse(view.access, run, step)})
