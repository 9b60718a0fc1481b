"""Single nodes over REST: how their machines were used, what they said, stop and start."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compute import node_queries, queries
from compute.api.targets import TargetSerializer
from compute.models import Node
from compute.services import start_node, stop_node
from compute.sharing import require_change
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission


class _Numbers(serializers.ListField):
    """None where it was not known."""

    child = serializers.FloatField(allow_null=True)


class GpuFiguresSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    busy = _Numbers(help_text="Percent.")
    memory_used = _Numbers(help_text="Bytes.")
    memory_total = serializers.IntegerField(allow_null=True)


class NodeFiguresSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    at = serializers.ListField(child=serializers.FloatField(), help_text="Seconds since 1970, oldest first.")
    cpu = _Numbers(help_text="Percent of the CPUs that the node may use.")
    memory_used = _Numbers(help_text="Bytes.")
    memory_total = serializers.IntegerField(allow_null=True)
    disk_used = _Numbers(help_text="Bytes of the disk that the node works on.")
    disk_total = serializers.IntegerField(allow_null=True)
    disk_read = _Numbers(help_text="Bytes a second.")
    disk_written = _Numbers(help_text="Bytes a second.")
    gpus = GpuFiguresSerializer(many=True)


class FiguresSerializer(serializers.Serializer[Any]):
    now = serializers.FloatField(help_text="Seconds since 1970.")
    nodes = NodeFiguresSerializer(many=True)


class FiguresQuerySerializer(serializers.Serializer[Any]):
    node = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        required=False,
        max_length=node_queries.MOST_NODES,
        help_text=f"Of these nodes only; without any, of the first {node_queries.MOST_NODES} by name.",
    )
    since = serializers.FloatField(default=0.0, help_text="What came after it only, in seconds since 1970.")


class LogQuerySerializer(serializers.Serializer[Any]):
    lines = serializers.IntegerField(
        min_value=1, max_value=node_queries.MOST_LOG_LINES, default=node_queries.LOG_LINES, help_text="So many at most."
    )


class LogLineSerializer(serializers.Serializer[node_queries.LogLine]):
    at = serializers.DateTimeField()
    level = serializers.CharField()
    logger = serializers.CharField()
    text = serializers.CharField()
    is_first = serializers.BooleanField(help_text="Whether a start of the node begins with it.")


class NodeLogSerializer(serializers.Serializer[Any]):
    lines = LogLineSerializer(many=True)


class NodeFiguresView(WorkspaceAPIView):
    @extend_schema(parameters=[FiguresQuerySerializer], responses=FiguresSerializer)
    def get(self, request: Request, slug: str, target_id: int) -> Response:
        """How the machines of a target's nodes were used over the last hour."""
        target = queries.target_of(self.access.workspace, target_id)
        wanted = FiguresQuerySerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        nodes = Node.objects.filter(target=target).order_by("name")
        if "node" in wanted.validated_data:
            nodes = nodes.filter(pk__in=wanted.validated_data["node"])
        found = list(nodes[: node_queries.MOST_NODES])
        figures, now = node_queries.figures_of(found, since_s=wanted.validated_data["since"])
        return Response({"now": now.timestamp(), "nodes": [asdict(each) for each in figures]})


class _OneNodeView(WorkspaceAPIView):
    """For those who may change the target. Others are told so."""

    write_permission = Permission.VIEW  # `require_change` asks for more

    def node(self, target_id: int, node_id: int) -> Node:
        target = queries.target_of(self.access.workspace, target_id)
        require_change(self.access, target)
        return queries.node_of(target, node_id)

    def target_json(self, node: Node) -> Any:
        return TargetSerializer(queries.target_rows([node.target], self.access.workspace)[0]).data


class NodeLogView(_OneNodeView):
    @extend_schema(parameters=[LogQuerySerializer], responses=NodeLogSerializer)
    def get(self, request: Request, slug: str, target_id: int, node_id: int) -> Response:
        """The last lines of what the node's own process said. It may name work of every workspace of the target."""
        node = self.node(target_id, node_id)
        wanted = LogQuerySerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        lines = node_queries.log_of(node, lines=wanted.validated_data["lines"])
        return Response(NodeLogSerializer({"lines": lines}).data)


class StopNodeView(_OneNodeView):
    @extend_schema(request=None, responses=TargetSerializer)
    def post(self, request: Request, slug: str, target_id: int, node_id: int) -> Response:
        """Stop a node. What it runs is ended and given back. 409 for one that has stopped."""
        node = self.node(target_id, node_id)
        stop_node(node, stopped_by=self.access.user)
        return Response(self.target_json(node))


class StartNodeView(_OneNodeView):
    @extend_schema(request=None, responses=TargetSerializer)
    def post(self, request: Request, slug: str, target_id: int, node_id: int) -> Response:
        """Let the supervisor start a node that was stopped so. 409 for any other."""
        node = self.node(target_id, node_id)
        start_node(node, started_by=self.access.user)
        return Response(self.target_json(node))
