"""Two runs side by side over REST."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines import queries
from pipelines.api.runs import whole_number
from pipelines.comparing import compare_runs, compare_steps
from pipelines.models import Run
from studio.lib.problems import UserError
from studio.workspaces.api_access import WorkspaceAPIView

_SIDES = [
    OpenApiParameter("left", int, required=True, description="The number of a run: what it was."),
    OpenApiParameter("right", int, required=True, description="The number of another: what it is."),
]


class _ComparingView(WorkspaceAPIView):
    def sides(self, request: Request) -> tuple[Run, Run]:
        """Raises Http404 for a run that is none of this workspace."""
        return self._side(request, "left"), self._side(request, "right")

    def _side(self, request: Request, name: str) -> Run:
        number = whole_number(request, name, default=0)
        if not number:
            raise UserError("Give the number of a run.", loc=(name,))
        return queries.run_of(self.access.workspace, number)


class CompareRunsView(_ComparingView):
    @extend_schema(parameters=_SIDES, responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str) -> Response:
        """What differs between two runs: parameters, steps by name, metrics; and what that did, in sentences.

        Of a step, `changed` is what somebody changed of it, `follows` the data that came out otherwise before it.
        """
        return Response(compare_runs(*self.sides(request)).as_json())


class CompareStepView(_ComparingView):
    @extend_schema(parameters=_SIDES, responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str, name: str) -> Response:
        """A step that both runs have: its code as diffs, arguments, inputs, packages, outputs and metrics."""
        left, right = self.sides(request)
        return Response(compare_steps(self.access.workspace, left, right, name).as_json())
