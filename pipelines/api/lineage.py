"""The lineage over REST."""

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines.api.runs import whole_number
from pipelines.lineage import key_from, more_of, walk
from studio.lib.problems import UserError
from studio.workspaces.api_access import WorkspaceAPIView


class LineageView(WorkspaceAPIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("version", int, description="A version of a dataset, by its id."),
            OpenApiParameter("model", int, description="A version of a model, by its id."),
            OpenApiParameter("output", str, description="STEP_RUN_ID:NAME, an output of a step of a run."),
            OpenApiParameter("step", int, description="A step of a run, by its id."),
            OpenApiParameter("file", str, description="DATASTORE_ID:PATH, a file or folder."),
            OpenApiParameter("direction", str, enum=["up", "down"], description="One hop only, backward or forward."),
            OpenApiParameter("after", int, description="With a direction: so many links are known already."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, slug: str) -> Response:
        """What a thing was made from and what was made of it: nodes and edges, two hops each way. Name one."""
        asked = {name: str(value).replace("\0", "") for name, value in request.query_params.items()}
        if not asked.keys() & {"version", "model", "output", "step", "file"}:
            return Response({"centre": None, "nodes": [], "edges": []})
        key = key_from(self.access.workspace, asked)
        if key is None:
            raise Http404("There is nothing of this kind in the workspace.")
        match asked.get("direction", ""):
            case "":
                return Response(walk(self.access.workspace, key).as_json())
            case "up" | "down" as direction:
                after = whole_number(request, "after", default=0)
                return Response(more_of(self.access.workspace, key, direction, max(0, after)).as_json())
            case _:
                raise UserError("A direction is “up” or “down”.", loc=("direction",))
