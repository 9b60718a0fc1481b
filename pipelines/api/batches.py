"""Batches of a parallel run over REST."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines.api.runs import ATTEMPT, StepAPIView, asked_attempt
from pipelines.batch_queries import batches_of


class BatchesView(StepAPIView):
    @extend_schema(parameters=[ATTEMPT], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, run_id: int, name: str) -> Response:
        """How many batches are done, failed, tried again, and of how many; and, at its end, the slowest and the failed.

        `items` says whether they are of files or rows. 404 where the step is no parallel run.
        """
        return Response(batches_of(self.step(run_id, name), asked_attempt(request)))
