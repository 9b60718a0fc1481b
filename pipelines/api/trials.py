"""Trials of a sweep over REST."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines.api.runs import StepAPIView, whole_number
from pipelines.trial_queries import MAX_PAGE, trials_json, trials_of


class TrialsView(StepAPIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("start", int, description="So many are passed over."),
            OpenApiParameter("count", int, description="At most so many: 100 unless given, up to 1,000."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """The trials of a sweep by number, each with its values and its metric; `best` is the best one so far.

        `status` is that of the trial's run, or `stopped` where the sweep gave it up. 404 where the step is no sweep.
        """
        trials = trials_of(self.step(run_id, name))
        start = max(0, whole_number(request, "start", default=0))
        count = min(max(1, whole_number(request, "count", default=100)), MAX_PAGE)
        return Response(trials_json(trials, start=start, count=count))
