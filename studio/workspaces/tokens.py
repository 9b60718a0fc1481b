"""API tokens: made for a purpose, shown once, taken away again. Knox hashes and checks them."""

from dataclasses import dataclass
from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils import timezone
from knox.models import AuthToken

from studio.lib.problems import Problem, UserError
from studio.workspaces.audit import record
from studio.workspaces.models import AccessToken, Membership, Role, User, Workspace

MAX_TOKENS = 100  # of one person
MAX_DAYS = 3660
USED_TO_S = 60  # how exactly it is known when a token was last used


@dataclass(frozen=True, slots=True)
class NewToken:
    """`secret` is never seen again: the database has its hash alone."""

    row: AccessToken
    secret: str


def make_token(
    user: User, *, name: str, workspace: str = "", role: str = "", days: int | None = None, by: object = None
) -> NewToken:
    """A new token of `user`, for all of their workspaces or for the one with the slug `workspace`.

    Raises UserError at `name`, `workspace`, `role` or `days`, and PermissionDenied where `by`, the token that asks, is
    itself for less than everything.
    """
    require_whole(by)
    name = name.strip()
    problems = []
    if not name or len(name) > 100 or not name.isprintable():
        problems.append(Problem(("name",), "Say in 1 to 100 characters what the token is for, as in “nightly job”."))
    place = _workspace(user, workspace) if workspace else None
    if workspace and place is None:
        problems.append(Problem(("workspace",), f"You are in no workspace “{workspace[:40]}”. Choose one of yours."))
    if role and role not in Role.values:
        problems.append(Problem(("role",), f"Choose a role, or none for your own: {', '.join(Role.values)}."))
    if days is not None and not 1 <= days <= MAX_DAYS:
        problems.append(Problem(("days",), f"Choose between 1 and {MAX_DAYS:,} days, or none for a token that stays."))
    if problems:
        raise UserError(problems)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if tokens_of(user).count() >= MAX_TOKENS:
            raise UserError(f"You have {MAX_TOKENS} tokens. Take away one that you no longer use.", loc=("name",))
        token, secret = AuthToken.objects.create(user, expiry=None if days is None else timedelta(days=days))
        row = AccessToken.objects.create(token=token, name=name, everywhere=place is None, workspace=place, role=role)
        record(place, user, "api_token.create", name)
    return NewToken(row, secret)


def tokens_of(user: User) -> QuerySet[AccessToken]:
    """Those that still work, the newest first."""
    rows = AccessToken.objects.filter(token__user=user).select_related("token", "workspace")
    return rows.filter(Q(token__expiry=None) | Q(token__expiry__gt=timezone.now())).order_by("-pk")


def revoke_token(user: User, token_id: int, *, by: object = None) -> None:
    """It opens nothing from now on. Raises Http404 where `user` has no such token, PermissionDenied as `make_token`."""
    require_whole(by)
    with transaction.atomic():
        row = AccessToken.objects.filter(pk=token_id, token__user=user).select_related("workspace").first()
        if row is None:
            raise Http404("You have no such token.")
        record(row.workspace, user, "api_token.revoke", str(row))
        AuthToken.objects.filter(pk=row.token_id).delete()  # and what is known about it


def about(token: object) -> AccessToken | None:
    """What a request's credentials say of themselves; None for a session, and for a token of the time before names."""
    if not isinstance(token, AuthToken):
        return None
    return AccessToken.objects.filter(token=token).select_related("workspace").first()


def note_use(row: AccessToken) -> None:
    """Not at every request: to the minute is exact enough, and costs a write a minute."""
    now = timezone.now()
    seen = row.last_used_at
    if seen is None or now - seen > timedelta(seconds=USED_TO_S):
        AccessToken.objects.filter(pk=row.pk, last_used_at=seen).update(last_used_at=now)


def require_whole(by: object) -> None:
    """Raises PermissionDenied for a token that is for one workspace or one role: it could make itself a greater one."""
    row = about(by)
    if row is not None and not row.is_whole:
        raise PermissionDenied(
            "This token is for one workspace or role only. Sign in, or use a token that may do all that you may."
        )


def _workspace(user: User, slug: str) -> Workspace | None:
    found = Membership.objects.filter(user=user, workspace__slug=slug).select_related("workspace").first()
    return found.workspace if found else None
