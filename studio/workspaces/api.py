"""REST about workspaces and their members."""

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.lib.given import Given
from studio.lib.pagination import Pages
from studio.workspaces import queries, services
from studio.workspaces.api_access import WorkspaceAPIView
from studio.workspaces.bearer import token_of
from studio.workspaces.models import Membership, Role, User, Workspace
from studio.workspaces.permissions import PERMISSIONS, Permission
from studio.workspaces.tokens import require_whole


class WorkspaceSerializer(serializers.ModelSerializer[Workspace]):
    class Meta:
        model = Workspace
        fields = ("slug", "name", "created_at")


class MakeWorkspaceSerializer(Given):
    # The service says what is wrong with a slug, taken ones included.
    slug = serializers.CharField(max_length=40)
    name = serializers.CharField(max_length=100)


class RenameSerializer(Given):
    name = serializers.CharField(max_length=100)


class MyWorkspaceSerializer(WorkspaceSerializer):
    role = serializers.ChoiceField(choices=Role.choices)
    permissions = serializers.ListField(child=serializers.ChoiceField(choices=[each.value for each in Permission]))

    class Meta(WorkspaceSerializer.Meta):
        fields = (*WorkspaceSerializer.Meta.fields, "role", "permissions")  # type: ignore[assignment]


class MemberSerializer(serializers.ModelSerializer[Membership]):
    username = serializers.CharField(source="user.username")
    name = serializers.CharField(source="user.get_full_name")

    class Meta:
        model = Membership
        fields = ("id", "username", "name", "role", "created_at")


class AddMemberSerializer(Given):
    who = serializers.CharField(max_length=254, help_text="Username or e-mail address.")
    role = serializers.ChoiceField(choices=Role.choices)


class RoleSerializer(Given):
    role = serializers.ChoiceField(choices=Role.choices)


class WorkspacesView(APIView):
    """The workspaces that you are a member of."""

    pagination_class = Pages  # for the schema

    @extend_schema(responses=WorkspaceSerializer(many=True))
    def get(self, request: Request) -> Response:
        pages = Pages()
        found = queries.workspaces_of(cast("User", request.user))
        token = token_of(request)
        if token is not None and not token.everywhere:
            found = found.filter(pk=token.workspace_id or 0)
        rows = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(WorkspaceSerializer(rows, many=True).data)

    @extend_schema(request=MakeWorkspaceSerializer, responses={201: WorkspaceSerializer})
    def post(self, request: Request) -> Response:
        """Make a workspace. You become its owner."""
        require_whole(request.auth)
        asked = MakeWorkspaceSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = services.create_workspace(owner=cast("User", request.user), **asked.validated_data)
        return Response(WorkspaceSerializer(made).data, status=status.HTTP_201_CREATED)


class WorkspaceView(WorkspaceAPIView):
    """One workspace, and what you may do in it."""

    write_permission = Permission.MANAGE_MEMBERS

    @extend_schema(responses=MyWorkspaceSerializer)
    def get(self, request: Request, slug: str) -> Response:
        access = self.access
        return Response(
            {
                **WorkspaceSerializer(access.workspace).data,
                "role": access.role,
                "permissions": sorted(PERMISSIONS[access.role]),
            }
        )

    @extend_schema(request=RenameSerializer, responses=WorkspaceSerializer)
    def patch(self, request: Request, slug: str) -> Response:
        """Rename it. Its slug stays."""
        asked = RenameSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        services.rename_workspace(self.access, name=asked.validated_data["name"])
        self.access.workspace.refresh_from_db()
        return Response(WorkspaceSerializer(self.access.workspace).data)


class MembersView(WorkspaceAPIView):
    """Who is in the workspace: owners first, then by name."""

    pagination_class = Pages  # for the schema

    write_permission = Permission.MANAGE_MEMBERS

    @extend_schema(responses=MemberSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        pages = Pages()
        rows = pages.paginate_queryset(queries.memberships(self.access.workspace), request, view=self)
        return pages.get_paginated_response(MemberSerializer(rows, many=True).data)

    @extend_schema(request=AddMemberSerializer, responses={201: MemberSerializer})
    def post(self, request: Request, slug: str) -> Response:
        asked = AddMemberSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        added = services.add_member(self.access, **asked.validated_data)
        return Response(MemberSerializer(added).data, status=status.HTTP_201_CREATED)


class MemberView(WorkspaceAPIView):
    """One person's membership."""

    permission = write_permission = Permission.MANAGE_MEMBERS

    @extend_schema(request=RoleSerializer, responses=MemberSerializer)
    def patch(self, request: Request, slug: str, membership_id: int) -> Response:
        asked = RoleSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        changed = services.change_role(self.access, membership_id, role=asked.validated_data["role"])
        return Response(MemberSerializer(changed).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, membership_id: int) -> Response:
        services.remove_member(self.access, membership_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
