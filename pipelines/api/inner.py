"""What a pipeline takes and gives where a step of another one runs it, over REST."""

from django.http import Http404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines.api.runs import whole_number
from pipelines.nested_versions import versions_meant
from studio.workspaces.api_access import WorkspaceAPIView


class InterfaceView(WorkspaceAPIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("name", str, required=True),
            OpenApiParameter("version", int, description="The latest unless given."),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, slug: str) -> Response:
        """A pipeline by its name: its parameters, which a step that runs it feeds, and what its own steps write."""
        name = request.query_params.get("name", "").replace("\0", "")[:200]
        asked = (name, whole_number(request, "version", default=0) or None)
        version = versions_meant(self.access.workspace, [asked]).get(asked)
        if version is None:
            raise Http404("There is no such pipeline in this workspace, or no such version of it.")
        definition = version.definition
        return Response(
            {
                "id": version.pipeline_id,
                "version": version.number,
                "url": reverse("pipelines:edit", args=[slug, version.pipeline_id]),
                "parameters": [parameter.model_dump(mode="json") for parameter in definition.parameters],
                "outputs": [
                    {"step": step.name, "output": output.name} for step in definition.steps for output in step.outputs
                ],
            }
        )
