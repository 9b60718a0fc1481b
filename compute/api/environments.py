"""Environments over REST."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from compute import environment_queries as queries
from compute.environments.conda_files import spec_of
from compute.environments.requirements import MAX_LINES
from compute.models import Environment, EnvironmentBuild
from compute.queries import target_of
from compute.services import create_environment, rebuild_environment, request_builds
from compute.spec import EnvironmentSpec
from studio.lib.given import Given
from studio.lib.pagination import Pages
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission


class EnvironmentSerializer(serializers.ModelSerializer[Environment]):
    python_version = serializers.CharField(source="spec.python_version")
    pip = serializers.ListField(child=serializers.CharField(), source="spec.pip")
    conda = serializers.ListField(child=serializers.CharField(), source="spec.conda")
    channels = serializers.ListField(child=serializers.CharField(), source="spec.channels")
    indexes = serializers.ListField(child=serializers.CharField(), source="spec.indexes")
    variables = serializers.DictField(child=serializers.CharField(), source="spec.variables")
    setup_script = serializers.CharField(source="spec.setup_script")
    interpreter = serializers.CharField(source="spec.interpreter", help_text="A Python of the node, else empty.")
    digest = serializers.CharField(help_text="Equal digests share one lock, and one build per machine.")
    curated = serializers.SerializerMethodField()
    created_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True, allow_null=True)

    class Meta:
        model = Environment
        fields: ClassVar = [
            "id",
            "name",
            "version",
            "description",
            "python_version",
            "pip",
            "conda",
            "channels",
            "indexes",
            "variables",
            "setup_script",
            "interpreter",
            "digest",
            "curated",
            "created_by",
            "created_at",
        ]

    def get_curated(self, environment: Environment) -> bool:
        return environment.workspace_id is None


def _lines(help_text: str) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(allow_blank=True),
        default=list,
        max_length=MAX_LINES,
        error_messages={"max_length": "An environment takes at most {max_length} lines here."},
        help_text=help_text,
    )


class NewEnvironmentSerializer(Given):
    name = serializers.CharField(max_length=100)
    description = serializers.CharField(max_length=500, allow_blank=True, default="")
    python_version = serializers.CharField(max_length=20, default="3.11")
    pip = _lines("Requirements.")
    conda = _lines("conda dependencies, as in `numpy=1.26`.")
    channels = _lines("conda channels, the first one goes first.")
    indexes = _lines("Names of further package indexes.")
    variables = serializers.DictField(
        child=serializers.CharField(allow_blank=True), default=dict, help_text="Set for each step."
    )
    setup_script = serializers.CharField(
        allow_blank=True, default="", trim_whitespace=False, help_text="A shell script, the last part of a build."
    )
    interpreter = serializers.CharField(
        allow_blank=True, default="", help_text="Instead of packages: the path of a Python that each node has."
    )
    conda_file = serializers.CharField(
        allow_blank=True,
        default="",
        trim_whitespace=False,
        help_text="A whole conda YAML file; what the other fields say is added to it.",
    )


class LockedPackageSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.CharField()
    installed_by = serializers.CharField(source="source", help_text="pip or conda")


class LockSerializer(serializers.Serializer[Any]):
    locked_at = serializers.DateTimeField(source="created_at")
    tool = serializers.CharField(source="document.tool")
    python = serializers.CharField(source="document.python")
    packages = LockedPackageSerializer(many=True, source="document.packages")
    requirements = serializers.CharField(source="document.requirements", help_text="For pip, with hashes.")
    conda = serializers.CharField(source="document.conda", help_text="For conda, an explicit list.")


class BuildSerializer(serializers.ModelSerializer[EnvironmentBuild]):
    target = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)

    class Meta:
        model = EnvironmentBuild
        fields: ClassVar = [
            "id",
            "digest",
            "status",
            "target",
            "node_name",
            "hostname",
            "created_at",
            "started_at",
            "finished_at",
            "removed_at",
            "size_bytes",
            "reason",
        ]


class BuildWithLogSerializer(BuildSerializer):
    class Meta(BuildSerializer.Meta):
        fields: ClassVar = [*BuildSerializer.Meta.fields, "log"]


class BuildOnSerializer(Given):
    target = serializers.IntegerField(help_text="The number of a compute target.")


class EnvironmentsView(WorkspaceAPIView):
    pagination_class = Pages  # for the schema

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
            spec=_spec(data),
            created_by=self.access.user,
        )
        code = status.HTTP_201_CREATED if environment.version > latest else status.HTTP_200_OK
        return Response(EnvironmentSerializer(environment).data, status=code)


def _spec(data: dict[str, Any]) -> EnvironmentSpec:
    said = {name: data[name] for name in EnvironmentSpec.model_fields if name in data}
    spec = EnvironmentSpec(**said)
    if not data["conda_file"].strip():
        return spec
    file = spec_of(data["conda_file"], python_version=spec.python_version)
    return spec.model_copy(
        update={
            "python_version": file.python_version,
            "pip": [*spec.pip, *file.pip],
            "conda": [*spec.conda, *file.conda],
            "channels": [*spec.channels, *file.channels],
            "variables": {**file.variables, **spec.variables},
        }
    )


class EnvironmentView(WorkspaceAPIView):
    @extend_schema(responses=EnvironmentSerializer)
    def get(self, request: Request, slug: str, environment_id: int) -> Response:
        """One version of an environment."""
        return Response(EnvironmentSerializer(queries.environment_of(self.access.workspace, environment_id)).data)


class EnvironmentVersionsView(WorkspaceAPIView):
    pagination_class = Pages  # for the schema

    @extend_schema(responses=EnvironmentSerializer(many=True))
    def get(self, request: Request, slug: str, environment_id: int) -> Response:
        """All versions of the environment's name, the newest first."""
        environment = queries.environment_of(self.access.workspace, environment_id)
        pages = Pages()
        page = pages.paginate_queryset(queries.versions_of(environment), request, view=self)
        return pages.get_paginated_response(EnvironmentSerializer(page or [], many=True).data)


class EnvironmentLockView(WorkspaceAPIView):
    @extend_schema(responses=LockSerializer)
    def get(self, request: Request, slug: str, environment_id: int) -> Response:
        """The exact versions that its first build fixed. 404 before that."""
        environment = queries.environment_of(self.access.workspace, environment_id)
        return Response(LockSerializer(queries.lock_of_environment(environment)).data)


class EnvironmentRebuildView(WorkspaceAPIView):
    write_permission = Permission.EDIT_ENVIRONMENTS

    @extend_schema(request=None, responses={201: EnvironmentSerializer})
    def post(self, request: Request, slug: str, environment_id: int) -> Response:
        """A new version that asks for the same and is locked with the newest packages by its first build."""
        environment = queries.environment_of(self.access.workspace, environment_id)
        newer = rebuild_environment(environment, rebuilt_by=self.access.user)
        return Response(EnvironmentSerializer(newer).data, status=status.HTTP_201_CREATED)


class EnvironmentBuildsView(WorkspaceAPIView):
    write_permission = Permission.EDIT_ENVIRONMENTS
    pagination_class = Pages  # for the schema

    @extend_schema(responses=BuildSerializer(many=True))
    def get(self, request: Request, slug: str, environment_id: int) -> Response:
        """Its builds, the newest first."""
        environment = queries.environment_of(self.access.workspace, environment_id)
        found = queries.builds_seen_by(self.access.workspace).filter(digest=environment.digest).defer("log")
        pages = Pages()
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(BuildSerializer(page or [], many=True).data)

    @extend_schema(request=BuildOnSerializer, responses={202: BuildSerializer(many=True)})
    def post(self, request: Request, slug: str, environment_id: int) -> Response:
        """Make it ready ahead of its first step, on every machine of a target."""
        environment = queries.environment_of(self.access.workspace, environment_id)
        wanted = BuildOnSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        target = target_of(self.access.workspace, wanted.validated_data["target"])
        asked = request_builds(environment, target, workspace=self.access.workspace, requested_by=self.access.user)
        return Response(BuildSerializer(asked, many=True).data, status=status.HTTP_202_ACCEPTED)


class EnvironmentBuildView(WorkspaceAPIView):
    @extend_schema(responses=BuildWithLogSerializer)
    def get(self, request: Request, slug: str, build_id: int) -> Response:
        """One build, with its log."""
        return Response(BuildWithLogSerializer(queries.build_of(self.access.workspace, build_id)).data)
