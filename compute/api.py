"""Compute targets and environments over REST."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from compute import queries
from compute.models import ComputeTarget, ConnectionCheck, Environment
from compute.requirements import MAX_LINES
from compute.services import change_target, create_environment, create_target, delete_target, request_check
from compute.services.checks import end_unheard
from compute.services.targets import MAX_SLOTS
from compute.spec import EnvironmentSpec
from datastores.models import Datastore
from studio.lib.pagination import Pages
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceAPIView
from studio.workspaces.permissions import Permission


class NodeSerializer(serializers.Serializer[queries.NodeRow]):
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=["alive", "silent", "stopped"])
    heartbeat_at = serializers.DateTimeField()
    slots = serializers.IntegerField()
    slots_in_use = serializers.IntegerField()
    hostname = serializers.CharField()
    started_at = serializers.DateTimeField()


class TargetSerializer(serializers.Serializer[queries.TargetRow]):
    id = serializers.IntegerField(source="target.pk")
    name = serializers.CharField(source="target.name")
    description = serializers.CharField(source="target.description")
    kind = serializers.CharField(source="target.kind")
    shared = serializers.BooleanField(source="is_shared")
    slots = serializers.IntegerField(source="target.slots", help_text="Jobs at once on each node.")
    slots_total = serializers.IntegerField(help_text="Of the nodes that are alive.")
    slots_in_use = serializers.IntegerField()
    queue_length = serializers.IntegerField()
    nodes = NodeSerializer(many=True)
    created_at = serializers.DateTimeField(source="target.created_at")


class ChangeTargetSerializer(serializers.Serializer[Any]):
    slots = serializers.IntegerField(min_value=1, max_value=MAX_SLOTS, default=2)
    description = serializers.CharField(max_length=500, allow_blank=True, default="")


class NewTargetSerializer(ChangeTargetSerializer):
    name = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(choices=["local"], default="local")


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


class CheckSerializer(serializers.ModelSerializer[ConnectionCheck]):
    target = serializers.SerializerMethodField()
    node = serializers.CharField(source="node_name", read_only=True)
    is_over = serializers.SerializerMethodField()
    field = serializers.SerializerMethodField()
    requested_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)

    class Meta:
        model = ConnectionCheck
        fields: ClassVar = [
            "id",
            "target",
            "node",
            "status",
            "is_over",
            "message",
            "field",
            "requested_by",
            "created_at",
            "finished_at",
        ]

    def get_target(self, check: ConnectionCheck) -> dict[str, Any]:
        return {"id": check.target_id, "name": check.target.name}

    def get_is_over(self, check: ConnectionCheck) -> bool:
        return check.finished_at is not None

    def get_field(self, check: ConnectionCheck) -> list[str]:
        return check.loc.split(".") if check.loc else []


class NewCheckSerializer(serializers.Serializer[Any]):
    target = serializers.IntegerField(min_value=1, max_value=2**63 - 1, help_text="Id of the compute target.")


class TargetsView(WorkspaceAPIView):
    write_permission = Permission.MANAGE_COMPUTE

    @extend_schema(responses=TargetSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The workspace's own targets and the shared ones, a page at a time."""
        pages = Pages()
        page = pages.paginate_queryset(queries.targets_of(self.access.workspace), request, view=self)
        return pages.get_paginated_response([TargetSerializer(row).data for row in queries.target_rows(page or [])])

    @extend_schema(request=NewTargetSerializer, responses={201: TargetSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Make a target. A node for it starts within seconds where the studio runs its nodes itself."""
        wanted = NewTargetSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        target = create_target(workspace=self.access.workspace, created_by=self.access.user, **wanted.validated_data)
        return Response(_target_json(target), status=status.HTTP_201_CREATED)


class TargetView(WorkspaceAPIView):
    write_permission = Permission.MANAGE_COMPUTE

    @extend_schema(responses=TargetSerializer)
    def get(self, request: Request, slug: str, target_id: int) -> Response:
        """A target with its nodes."""
        return Response(_target_json(queries.target_of(self.access.workspace, target_id)))

    @extend_schema(request=ChangeTargetSerializer, responses=TargetSerializer)
    def patch(self, request: Request, slug: str, target_id: int) -> Response:
        """Change the number of slots or the description."""
        target = self._own(target_id)
        wanted = ChangeTargetSerializer(data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        current = {"slots": target.slots, "description": target.description}
        change_target(target, changed_by=self.access.user, **current | wanted.validated_data)
        return Response(_target_json(target))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, target_id: int) -> Response:
        """Remove a target that nothing runs on."""
        delete_target(self._own(target_id), deleted_by=self.access.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _own(self, target_id: int) -> ComputeTarget:
        target = queries.target_of(self.access.workspace, target_id)
        if target.workspace_id is None:
            raise PermissionDenied("This target is shared by every workspace: only an administrator changes it.")
        return target


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


class _OfADatastore(WorkspaceAPIView):
    write_permission = Permission.MANAGE_DATASTORES

    def checks(self, datastore_id: int) -> QuerySet[ConnectionCheck]:
        datastore = self.datastore(datastore_id)
        end_unheard()
        checks = ConnectionCheck.objects.filter(datastore=datastore)
        return checks.select_related("target", "requested_by")

    def datastore(self, datastore_id: int) -> Datastore:
        datastore = Datastore.objects.filter(workspace=self.access.workspace, pk=datastore_id).first()
        if datastore is None:
            raise Http404("There is no such datastore in this workspace.")
        return datastore


class ChecksView(_OfADatastore):
    @extend_schema(operation_id="datastore_checks", responses=CheckSerializer(many=True))
    def get(self, request: Request, slug: str, datastore_id: int) -> Response:
        """The latest tests of this datastore's connection from compute nodes, newest first."""
        checks = list(self.checks(datastore_id)[:10])
        return Response({"results": [CheckSerializer(check).data for check in checks]})

    @extend_schema(request=NewCheckSerializer, responses={201: CheckSerializer})
    def post(self, request: Request, slug: str, datastore_id: int) -> Response:
        """Ask a node of a compute target to test the connection. Look again in a second: it answers within ten."""
        datastore = self.datastore(datastore_id)
        wanted = NewCheckSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        target = queries.targets_of(self.access.workspace).filter(pk=wanted.validated_data["target"]).first()
        if target is None:
            raise UserError("There is no such compute target in this workspace. Choose another one.", loc=("target",))
        check = request_check(datastore, target, requested_by=self.access.user)
        return Response(CheckSerializer(check).data, status=status.HTTP_201_CREATED)


class CheckView(_OfADatastore):
    @extend_schema(operation_id="datastore_check", responses=CheckSerializer)
    def get(self, request: Request, slug: str, datastore_id: int, check_id: int) -> Response:
        """One of them."""
        check = self.checks(datastore_id).filter(pk=check_id).first()
        if check is None:
            raise Http404("There is no such test of this datastore (any more).")
        return Response(CheckSerializer(check).data)


def _target_json(target: ComputeTarget) -> Any:
    return TargetSerializer(queries.target_rows([target])[0]).data
