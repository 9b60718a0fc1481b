"""Approvals over REST: which wait, and the answer to one."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines import approval_queries, queries, services
from pipelines.serializers import AnsweredSerializer, AnswerSerializer, OpenApprovalSerializer
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission


class ApprovalsView(WorkspaceAPIView):
    @extend_schema(responses=OpenApprovalSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The approvals that wait in this workspace, the oldest first, no more than 200."""
        return Response([approval_queries.approval_json(each) for each in approval_queries.open_approvals(self.access)])


class AnswerStepView(WorkspaceAPIView):
    # Who is asked, the step says: it may be a reader.
    write_permission = Permission.VIEW

    @extend_schema(request=AnswerSerializer, responses=AnsweredSerializer)
    def post(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """Say yes or no to an approval. 403 for who is not asked; 409 where it waits for no answer (any more)."""
        run = queries.run_of(self.access.workspace, run_id)
        step = queries.step_of(run, name)
        wanted = AnswerSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        services.answer_step(self.access, run, step.name, **wanted.validated_data)
        step.refresh_from_db(fields=["status", "reason"])
        return Response({"status": step.status, "reason": step.reason})
