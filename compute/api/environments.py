"""Environments over REST."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from compute import environment_queries as queries
from compute.environments.requirements import MAX_LINES
from compute.models import Environment
from compute.services import create_environment
from compute.spec import EnvironmentSpec
from studio.lib.pagination import Pages
from studio.workspaces.access import WorkspaceAPIView
from studio.workspaces.permissions import Permission


class EnvironmentSerializer(serializers.ModelSerializer[Environment]):
    python_version = serializers.CharField(source="spec.python_version")
    pip = serializers.ListField(child=serializers.CharField(), source="spec.pip")
    digest = serializers.CharField(source="spec.digest", help_text="Equal digests share one build per node.")
    curated = serializers.SerializerMethodField()
    created_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)

    class Meta:
        model = Environment
        fields: ClassVar = [
            "id",
            "name",
            "version",
            "description",
            "python_version",
            "pip",
            "digest",
            "curated",
            "created_by",
            "created_at",
        ]

    def get_curated(self, environment: Environment) -> bool:
        return environment.workspace_id is None


class NewEnvironmentSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    description = serializers.CharField(max_length=500, allow_blank=True, default="")
    python_version = serializers.CharField(max_length=20, default="3.11")
    pip = serializers.ListField(
        child=serializers.CharField(allow_blank=True), default=list, max_length=MAX_LINES, help_text="Requirements."
    )


class EnvironmentsView(WorkspaceAPIView):
    write_permission = Permission.EDIT_ENVIRONMENTS

    @extend_schema(
        parameters=[OpenApiParameter("q", str, description="Part of the name or description.")],
        responses=EnvironmentSerializer(many=True),
    )
    def get(self, request: Request, slug: str) -> Response:
        """The newest version of each environment: the workspace's own and those that come with the studio."""
        found = queries.latest_environments(self.access.workspace, text=request.query_params.get("q", "")[:100])
        pages = Pages()
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(EnvironmentSerializer(page or [], many=True).data)

    @extend_schema(request=NewEnvironmentSerializer, responses={201: EnvironmentSerializer, 200: EnvironmentSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Make a version under a name. 200 with the latest one where its specification is the same already."""
        wanted = NewEnvironmentSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        latest = queries.latest_own_version(self.access.workspace, data["name"])
        environment = create_environment(
            workspace=self.access.workspace,
            name=data["name"],
            description=data["description"],
            spec=EnvironmentSpec(python_version=data["python_version"], pip=data["pip"]),
            created_by=self.access.user,
        )
        code = status.HTTP_201_CREATED if environment.version > latest else status.HTTP_200_OK
        return Response(EnvironmentSerializer(environment).data, status=code)


class EnvironmentView(WorkspaceAPIView):
    @extend_schema(responses=EnvironmentSerializer)
    def get(self, request: Request, slug: str, environment_id: int) -> Response:
        """One version of an environment."""
        return Response(EnvironmentSerializer(queries.environment_of(self.access.workspace, environment_id)).data)
