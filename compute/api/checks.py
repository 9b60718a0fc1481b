"""Tests of a datastore's connection from compute nodes, over REST."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from compute import queries
from compute.models import ConnectionCheck
from compute.services import request_check
from compute.services.checks import end_unheard
from datastores.models import Datastore
from studio.lib.given import Given
from studio.lib.problems import UserError
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission


class CheckSerializer(serializers.ModelSerializer[ConnectionCheck]):
    target = serializers.SerializerMethodField()
    node = serializers.CharField(source="node_name", read_only=True)
    is_over = serializers.SerializerMethodField()
    field = serializers.SerializerMethodField()
    requested_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True, allow_null=True)

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


class ChecksSerializer(serializers.Serializer[object]):
    results = CheckSerializer(many=True)


class NewCheckSerializer(Given):
    target = serializers.IntegerField(min_value=1, max_value=2**63 - 1, help_text="Id of the compute target.")


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
    @extend_schema(operation_id="datastore_checks", responses=ChecksSerializer)
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
