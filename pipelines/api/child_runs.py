"""The runs that a step had made, over REST."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines import child_queries
from pipelines.api.runs import StepAPIView
from pipelines.states import RunStatus
from studio.lib.pagination import Pages


class StepRunsView(StepAPIView):
    @extend_schema(
        operation_id="workspaces_runs_steps_runs_list",
        parameters=[
            OpenApiParameter("status", str, enum=RunStatus.values),
            OpenApiParameter("page", int),
            OpenApiParameter("page_size", int, description="50 unless given, 200 at most."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """The runs that the step had made, by their numbers, a page at a time; and how many there are of each status.

        None for a step that makes no runs, and for one that has not begun.
        """
        step = self.step(run_id, name)
        pages = Pages()
        found = child_queries.runs_made(step, status=request.query_params.get("status", ""))
        page = pages.paginate_queryset(found, request, view=self)
        answer = pages.get_paginated_response([child_queries.made_json(run) for run in page or []])
        return Response({**answer.data, "counts": child_queries.counts_of(step)})
