"""Pipelines and their versions over REST."""

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines import queries, services
from pipelines.catalogue import catalogue_for
from pipelines.etags import etag_of, require_match
from pipelines.graph import edges_of
from pipelines.models import LONG_OF_VERSIONS
from pipelines.serializers import (
    ChangePipelineSerializer,
    NewPipelineSerializer,
    NewVersionSerializer,
    PipelineSerializer,
    SavedSerializer,
    SubmitSerializer,
    SubmittedSerializer,
    ValidatedSerializer,
    ValidateSerializer,
    VersionRowSerializer,
    VersionSerializer,
)
from pipelines.validation import parse_definition, problems_of, warnings_of
from studio.lib.pagination import Pages
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission

_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="1 to 255 characters of your own. Who asks again with the same gets the run that there is already.",
)
_IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The pipeline's ETag when it was read: 412 where somebody has saved since.",
)


class PipelinesView(WorkspaceAPIView):
    pagination_class = Pages  # for the schema

    @extend_schema(
        parameters=[OpenApiParameter("q", str, description="Part of the name or description.")],
        responses=PipelineSerializer(many=True),
    )
    def get(self, request: Request, slug: str) -> Response:
        """The workspace's pipelines, the last changed first, a page at a time."""
        pages = Pages()
        found = queries.pipelines_of(self.access.workspace, text=request.query_params.get("q", "")[:100])
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(PipelineSerializer(page or [], many=True, context={"slug": slug}).data)

    @extend_schema(request=NewPipelineSerializer, responses={201: PipelineSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Make a pipeline. What it does comes with its first version."""
        wanted = NewPipelineSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        pipeline = services.create_pipeline(self.access, **wanted.validated_data)
        return Response(PipelineSerializer(pipeline, context={"slug": slug}).data, status=status.HTTP_201_CREATED)


class PipelineView(WorkspaceAPIView):
    @extend_schema(responses=PipelineSerializer)
    def get(self, request: Request, slug: str, pipeline_id: int) -> Response:
        """A pipeline with the definition of its latest version, null where it has none."""
        pipeline = queries.pipeline_of(self.access.workspace, pipeline_id)
        version = queries.version_of(pipeline)
        definition = version.definition.model_dump(mode="json") if version else None
        body = {**PipelineSerializer(pipeline, context={"slug": slug}).data, "definition": definition}
        return Response(body, headers={"ETag": etag_of(pipeline)})

    @extend_schema(request=ChangePipelineSerializer, responses=PipelineSerializer)
    def patch(self, request: Request, slug: str, pipeline_id: int) -> Response:
        """Change the name or the description."""
        pipeline = queries.pipeline_of(self.access.workspace, pipeline_id)
        wanted = ChangePipelineSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        pipeline = services.rename_pipeline(self.access, pipeline, **wanted.validated_data)
        return Response(PipelineSerializer(pipeline, context={"slug": slug}).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, pipeline_id: int) -> Response:
        """Take a pipeline off the lists. Its runs stay."""
        services.delete_pipeline(self.access, queries.pipeline_of(self.access.workspace, pipeline_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ValidateView(WorkspaceAPIView):
    @extend_schema(request=ValidateSerializer, responses=ValidatedSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """What keeps a definition from being submitted, field by field, and the edges that its bindings make."""
        wanted = ValidateSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        definition = parse_definition(wanted.validated_data["definition"])
        pipeline_id = wanted.validated_data.get("pipeline_id")
        own = queries.pipelines_of(self.access.workspace).filter(pk=pipeline_id).first() if pipeline_id else None
        catalogue = catalogue_for(self.access.workspace, definition, pipeline=own)
        problems = problems_of(definition, catalogue)
        names = [step.name for step in definition.steps]
        edges = [
            {"from": names[edge.upstream], "output": edge.output, "to": names[edge.downstream], "input": edge.input}
            for edge in edges_of(definition)
        ]
        warnings = [warning.as_json() for warning in warnings_of(definition, catalogue)]
        return Response({"problems": [problem.as_json() for problem in problems], "warnings": warnings, "edges": edges})


class VersionsView(WorkspaceAPIView):
    pagination_class = Pages  # for the schema

    @extend_schema(responses=VersionRowSerializer(many=True))
    def get(self, request: Request, slug: str, pipeline_id: int) -> Response:
        """A pipeline's versions, the newest first, a page at a time."""
        pipeline = queries.pipeline_of(self.access.workspace, pipeline_id)
        rows = pipeline.versions.select_related("created_by").defer(*LONG_OF_VERSIONS).order_by("-number")
        pages = Pages()
        page = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response(VersionRowSerializer(page or [], many=True).data)

    @extend_schema(
        request=NewVersionSerializer, responses={201: SavedSerializer, 200: SavedSerializer}, parameters=[_IF_MATCH]
    )
    def post(self, request: Request, slug: str, pipeline_id: int) -> Response:
        """Save. Half-finished is fine: what is left to do comes back as `problems`.

        Nobody's work is overwritten: where somebody saved since, it is 409 by `base_version`, 412 by `If-Match`.
        """
        pipeline = queries.pipeline_of(self.access.workspace, pipeline_id)
        wanted = NewVersionSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        if "base_version" not in data or "If-Match" in request.headers:
            matched = require_match(request.headers.get("If-Match"), pipeline)
            data.setdefault("base_version", matched)
        definition = parse_definition(data.pop("definition"))
        saved = services.save_version(self.access, pipeline, definition=definition, **data)
        problems = problems_of(definition, catalogue_for(self.access.workspace, definition, pipeline=pipeline))
        return Response(
            {"number": saved.version.number, "problems": [problem.as_json() for problem in problems]},
            status=status.HTTP_201_CREATED if saved.created else status.HTTP_200_OK,
            headers={"ETag": etag_of(saved.version.pipeline)},
        )


class VersionView(WorkspaceAPIView):
    @extend_schema(responses=VersionSerializer)
    def get(self, request: Request, slug: str, pipeline_id: int, number: int) -> Response:
        """One version with its definition."""
        pipeline = queries.pipeline_of(self.access.workspace, pipeline_id)
        return Response(VersionSerializer(queries.version_of(pipeline, number)).data)


class SubmitView(WorkspaceAPIView):
    write_permission = Permission.RUN

    @extend_schema(request=SubmitSerializer, responses={201: SubmittedSerializer}, parameters=[_IDEMPOTENCY_KEY])
    def post(self, request: Request, slug: str, pipeline_id: int) -> Response:
        """Submit a run of a version, the latest unless told otherwise.

        With an `Idempotency-Key`, asking again within a day is answered with the run that there is.
        """
        pipeline = queries.pipeline_of(self.access.workspace, pipeline_id)
        wanted = SubmitSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        key, is_new = request.headers.get("Idempotency-Key"), True
        if key is None:
            run = services.submit_run(self.access, pipeline, **wanted.validated_data)
        else:
            run, is_new = services.submit_once(self.access, pipeline, key, wanted.validated_data)
        url = reverse("runs:detail", args=[slug, run.pk])
        body = {"id": run.pk, "url": url, "status": run.status}
        headers = {} if is_new else {"Idempotent-Replayed": "true"}
        return Response(body, status=status.HTTP_201_CREATED, headers=headers)
