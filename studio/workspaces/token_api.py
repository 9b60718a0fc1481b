"""REST about your own API tokens."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.lib.given import Given
from studio.lib.pagination import Pages
from studio.workspaces import tokens
from studio.workspaces.models import AccessToken, Role, User


class TokenSerializer(serializers.ModelSerializer[AccessToken]):
    workspace = serializers.CharField(source="workspace.slug", default=None, allow_null=True)
    starts_with = serializers.CharField(source="token.token_key")
    created_at = serializers.DateTimeField(source="token.created")
    expires_at = serializers.DateTimeField(source="token.expiry", allow_null=True)

    class Meta:
        model = AccessToken
        fields = (
            "id", "name", "starts_with", "everywhere", "workspace", "role", "created_at", "expires_at", "last_used_at",
        )  # fmt: skip


class NewTokenSerializer(TokenSerializer):
    token = serializers.CharField(help_text="Shown this once. Send it as `Authorization: Bearer TOKEN`.")

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "token")  # type: ignore[assignment]


class MakeTokenSerializer(Given):
    name = serializers.CharField(help_text="What it is for.")
    workspace = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="The slug of the only workspace that it opens; all of yours without.",
    )
    role = serializers.ChoiceField(
        choices=Role.choices, required=False, allow_blank=True, help_text="It may do no more than this role."
    )
    days = serializers.IntegerField(
        required=False, allow_null=True, help_text="After how many days it expires; never without."
    )


class TokensView(APIView):
    """Your API tokens. What they are themselves is never shown again."""

    pagination_class = Pages  # for the schema

    @extend_schema(responses=TokenSerializer(many=True))
    def get(self, request: Request) -> Response:
        tokens.require_whole(request.auth)
        pages = Pages()
        rows = pages.paginate_queryset(tokens.tokens_of(cast("User", request.user)), request, view=self)
        return pages.get_paginated_response(TokenSerializer(rows, many=True).data)

    @extend_schema(request=MakeTokenSerializer, responses={201: NewTokenSerializer})
    def post(self, request: Request) -> Response:
        """Make a token. A token that is for one workspace or role can't."""
        asked = MakeTokenSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = tokens.make_token(cast("User", request.user), **asked.validated_data, by=request.auth)
        body: dict[str, Any] = {**TokenSerializer(made.row).data, "token": made.secret}
        return Response(body, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class TokenView(APIView):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, token_id: int) -> Response:
        """Take a token away. It opens nothing from then on."""
        tokens.revoke_token(cast("User", request.user), token_id, by=request.auth)
        return Response(status=status.HTTP_204_NO_CONTENT)
