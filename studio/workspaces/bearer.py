"""How a request to the API says with a token who it comes from."""

from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from rest_framework.request import Request

from studio.workspaces import tokens
from studio.workspaces.models import AccessToken, User


class Bearer(TokenAuthentication):  # type: ignore[misc] # without types
    """Knox's tokens, which say what they are for: `token_of` the request they came with."""

    def validate_user(self, auth_token: AuthToken) -> tuple[User, AuthToken]:
        person, token = super().validate_user(auth_token)
        token.said = tokens.about(token)
        if token.said is not None:
            tokens.note_use(token.said)
        return person, token


def token_of(request: Request) -> AccessToken | None:
    """None where somebody is signed in instead."""
    said: AccessToken | None = getattr(request.auth, "said", None)
    return said


class BearerScheme(KnoxTokenScheme):  # type: ignore[no-untyped-call] # it registers itself
    """The schema's word for it."""

    target_class = "studio.workspaces.bearer.Bearer"
