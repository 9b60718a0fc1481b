"""Compute targets over REST."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from compute import queries
from compute.models import ComputeTarget, Node
from compute.resources import Capacity
from compute.services import (
    change_target,
    create_target,
    delete_target,
    remove_node,
    set_node_intake,
    set_target_intake,
)
from compute.services.pool_settings import change_pool, create_pool
from compute.services.targets import MAX_SLOTS
from compute.sharing import require_change
from compute.states import Intake, NodeIsolation
from studio.lib.given import Given
from studio.lib.pagination import Pages
from studio.lib.problems import UserError
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.models import Workspace
from studio.workspaces.permissions import Permission


class CapacitySerializer(serializers.Serializer[Capacity]):
    cpus = serializers.FloatField(allow_null=True)
    memory_bytes = serializers.IntegerField(allow_null=True)
    gpus = serializers.IntegerField()


class NodeSerializer(serializers.Serializer[queries.NodeRow]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=["alive", "silent", "stopped"])
    heartbeat_at = serializers.DateTimeField()
    slots = serializers.IntegerField()
    slots_in_use = serializers.IntegerField()
    intake = serializers.ChoiceField(choices=Intake.choices, help_text="Whether it takes new jobs.")
    capacity = CapacitySerializer(source="whole", help_text="What it gives out in all; null where nobody knows.")
    free = CapacitySerializer()
    hostname = serializers.CharField()
    started_at = serializers.DateTimeField()
    isolation = serializers.ChoiceField(
        choices=NodeIsolation.choices, allow_blank=True, help_text="How steps there are kept from one another's files."
    )
    isolation_note = serializers.CharField(help_text="Why there is no sandbox, where there is none.")


class SshHostSerializer(Given):
    host = serializers.CharField(max_length=255)
    port = serializers.IntegerField(min_value=1, max_value=65535, default=22)
    user = serializers.CharField(max_length=100)
    host_key = serializers.CharField(
        max_length=5000, default="", allow_blank=True, help_text="Its fingerprint, as in SHA256:…, or the public key."
    )


class PoolSerializer(Given):
    """The settings of a pool. `hosts` and what follows matter for the provider `ssh` alone."""

    provider = serializers.ChoiceField(choices=["processes", "ssh"], required=False)
    min_nodes = serializers.IntegerField(required=False)
    max_nodes = serializers.IntegerField(required=False)
    idle_s = serializers.FloatField(required=False, help_text="A node without work for so long goes.")
    hosts = SshHostSerializer(many=True, required=False)
    nodes_per_host = serializers.IntegerField(required=False)
    auth = serializers.ChoiceField(choices=["key", "password", "identity"], required=False)
    folder = serializers.CharField(max_length=500, required=False)
    python = serializers.CharField(max_length=500, required=False, allow_blank=True)


class PoolCredentialsSerializer(Given):
    """With what the hosts let the studio in. Never given back."""

    private_key = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False, max_length=50_000)
    passphrase = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False, max_length=1000)
    password = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False, max_length=1000)


class TargetSerializer(serializers.Serializer[queries.TargetRow]):
    id = serializers.IntegerField(source="target.pk")
    name = serializers.CharField(source="target.name")
    description = serializers.CharField(source="target.description")
    kind = serializers.CharField(source="target.kind")
    intake = serializers.ChoiceField(
        source="target.intake", choices=Intake.choices, help_text="Whether it takes new jobs."
    )
    shared = serializers.BooleanField(source="is_shared")
    slots = serializers.IntegerField(source="target.slots", help_text="Jobs at once on each node.")
    slots_total = serializers.IntegerField(help_text="Of the nodes that are alive.")
    slots_in_use = serializers.IntegerField()
    queue_length = serializers.IntegerField()
    pool = serializers.SerializerMethodField(help_text="Of a pool that is this workspace's own.")
    nodes = NodeSerializer(many=True)
    created_at = serializers.DateTimeField(source="target.created_at")

    @extend_schema_field(PoolSerializer(allow_null=True))
    def get_pool(self, row: queries.TargetRow) -> Any:
        pool = row.target.pool
        return None if pool is None or row.is_shared else PoolSerializer(pool).data


class ChangeTargetSerializer(Given):
    slots = serializers.IntegerField(min_value=1, max_value=MAX_SLOTS, default=2)
    description = serializers.CharField(max_length=500, allow_blank=True, default="")
    intake = serializers.ChoiceField(choices=Intake.choices, required=False)
    pool = PoolSerializer(required=False)
    credentials = PoolCredentialsSerializer(required=False, write_only=True)


class NewTargetSerializer(ChangeTargetSerializer):
    name = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(choices=["local", "pool"], default="local")


class TargetsView(WorkspaceAPIView):
    pagination_class = Pages  # for the schema

    write_permission = Permission.MANAGE_COMPUTE

    @extend_schema(responses=TargetSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The workspace's own targets and the shared ones, a page at a time."""
        pages = Pages()
        page = pages.paginate_queryset(queries.targets_of(self.access.workspace), request, view=self)
        rows = queries.target_rows(page or [], self.access.workspace)
        return pages.get_paginated_response([TargetSerializer(row).data for row in rows])

    @extend_schema(request=NewTargetSerializer, responses={201: TargetSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Make a target. A node for it starts within seconds where the studio runs its nodes itself."""
        wanted = NewTargetSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        make = create_pool if wanted.validated_data.pop("kind") == "pool" else create_target
        given = {**wanted.validated_data}
        if make is create_target:
            _refuse_of_pools(given)
        else:
            given.setdefault("pool", {})
        intake = given.pop("intake", Intake.OPEN)
        with transaction.atomic():
            target = make(workspace=self.access.workspace, created_by=self.access.user, **given)
            if intake != Intake.OPEN:
                set_target_intake(target, Intake(intake), changed_by=self.access.user)
        return Response(_target_json(target, self.access.workspace), status=status.HTTP_201_CREATED)


class TargetView(WorkspaceAPIView):
    write_permission = Permission.VIEW  # `require_change` asks for more

    @extend_schema(responses=TargetSerializer)
    def get(self, request: Request, slug: str, target_id: int) -> Response:
        """A target with its nodes."""
        return Response(self._json(queries.target_of(self.access.workspace, target_id)))

    @extend_schema(request=ChangeTargetSerializer, responses=TargetSerializer)
    def patch(self, request: Request, slug: str, target_id: int) -> Response:
        """Change slots, description or a pool's settings: what is not given stays. Pause, drain, resume by `intake`."""
        target = self._changeable(target_id)
        wanted = ChangeTargetSerializer(data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        changes = wanted.validated_data
        intake = changes.pop("intake", None)
        if changes:
            given = {"slots": target.slots, "description": target.description} | changes
            if target.kind == "pool":
                change_pool(target, changed_by=self.access.user, **{"pool": {}} | given)
            else:
                _refuse_of_pools(given)
                change_target(target, changed_by=self.access.user, **given)
        if intake is not None:
            set_target_intake(target, Intake(intake), changed_by=self.access.user)
        return Response(self._json(target))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, target_id: int) -> Response:
        """Remove a target that nothing runs on."""
        delete_target(self._changeable(target_id), deleted_by=self.access.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _changeable(self, target_id: int) -> ComputeTarget:
        target = queries.target_of(self.access.workspace, target_id)
        require_change(self.access, target)
        return target

    def _json(self, target: ComputeTarget) -> Any:
        return _target_json(target, self.access.workspace)


class QueuedJobSerializer(serializers.Serializer[queries.JobRow]):
    id = serializers.IntegerField(allow_null=True, help_text="Null for a job of another workspace.")
    title = serializers.CharField(allow_null=True)
    is_own = serializers.BooleanField()
    position = serializers.IntegerField()
    priority = serializers.IntegerField()
    requested_by = serializers.CharField()
    asks_for = serializers.CharField()
    waits_for = serializers.CharField(help_text="Why it has not started, in words.")
    queued_at = serializers.DateTimeField()


class QueueSerializer(serializers.Serializer[queries.Queue]):
    length = serializers.IntegerField()
    page = serializers.IntegerField()
    pages = serializers.IntegerField()
    jobs = QueuedJobSerializer(many=True)


class QueueView(WorkspaceAPIView):
    @extend_schema(parameters=[OpenApiParameter("page", int)], responses=QueueSerializer)
    def get(self, request: Request, slug: str, target_id: int) -> Response:
        """The jobs that wait for a target, the next one first, with the reason why each waits."""
        target = queries.target_of(self.access.workspace, target_id)
        page = request.query_params.get("page", "")
        number = int(page) if page.isascii() and page.isdecimal() and len(page) < 9 else 1
        return Response(QueueSerializer(queries.queue(target, self.access.workspace, page=number)).data)


class ChangeNodeSerializer(Given):
    intake = serializers.ChoiceField(choices=Intake.choices)


class NodeView(WorkspaceAPIView):
    write_permission = Permission.VIEW  # `require_change` asks for more

    @extend_schema(request=ChangeNodeSerializer, responses=TargetSerializer)
    def patch(self, request: Request, slug: str, target_id: int, node_id: int) -> Response:
        """Pause, drain or resume one node. What runs on it goes on."""
        node = self._node(target_id, node_id)
        wanted = ChangeNodeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        set_node_intake(node, Intake(wanted.validated_data["intake"]), changed_by=self.access.user)
        return Response(_target_json(node.target, self.access.workspace))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, target_id: int, node_id: int) -> Response:
        """Take a node that is gone off the list. 409 for one that lives or holds jobs."""
        remove_node(self._node(target_id, node_id), removed_by=self.access.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _node(self, target_id: int, node_id: int) -> Node:
        target = queries.target_of(self.access.workspace, target_id)
        require_change(self.access, target)
        return queries.node_of(target, node_id)


def _refuse_of_pools(given: dict[str, Any]) -> None:
    for name in ("pool", "credentials"):
        if name in given:
            raise UserError("Only a pool has this: give the kind “pool”.", loc=(name,))


def _target_json(target: ComputeTarget, workspace: Workspace) -> Any:
    return TargetSerializer(queries.target_rows([target], workspace)[0]).data
