"""Quotas over REST, to read: administrators set them."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from compute.quota_queries import NAMES, QuotaRow, Use, quota_rows
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.permissions import Permission


class UseSerializer(serializers.Serializer[Use]):
    name = serializers.ChoiceField(choices=NAMES)
    used = serializers.FloatField()
    limit = serializers.IntegerField(allow_null=True, help_text="Null: there is none.")


class QuotaSerializer(serializers.Serializer[QuotaRow]):
    person = serializers.CharField(
        source="person.username", default=None, allow_null=True, help_text="Null: the workspace as a whole."
    )
    uses = UseSerializer(many=True)


class QuotasSerializer(serializers.Serializer[object]):
    results = QuotaSerializer(many=True)


class QuotasView(WorkspaceAPIView):
    @extend_schema(operation_id="workspaces_quotas", responses=QuotasSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """Limits and use of the workspace and, for owners, of everybody in it; for the others, their own."""
        sees_all = self.access.may(Permission.MANAGE_COMPUTE)
        rows = quota_rows(self.access.workspace, person=None if sees_all else self.access.user)
        return Response({"results": [QuotaSerializer(row).data for row in rows]})
