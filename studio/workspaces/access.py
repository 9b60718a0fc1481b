"""The one place where a person's way into a workspace is checked: pages, API and sockets all come here."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseNotAllowed

from studio.workspaces.models import AccessToken, Membership, Role, User, Workspace
from studio.workspaces.permissions import PERMISSIONS, Permission

P = ParamSpec("P")

_OF_A_PAGE = ["GET", "HEAD", "POST"]  # what links and forms send; the rest is the API's


@dataclass(frozen=True, slots=True)
class Access:
    """A person in a workspace, and what they may do there."""

    user: User
    workspace: Workspace
    role: Role
    by_token: bool = False  # with no more than the role of the token that asks

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS[self.role]

    def require(self, permission: Permission) -> None:
        """Raise PermissionDenied with a sentence that says who can help."""
        if self.may(permission):
            return
        role = self.role.label.lower()
        if self.by_token:
            limit = f"{'an' if role[0] in 'aeiou' else 'a'} {role}"
            raise PermissionDenied(f"This token may do no more than {limit} may. Use another one, or sign in.")
        raise PermissionDenied(f"Your role in this workspace, {role}, does not allow this. Ask an owner of it.")

    def narrowed(self, role: Role) -> "Access":
        """With no more than `role` has: what a token may do for somebody."""
        return self if PERMISSIONS[self.role] <= PERMISSIONS[role] else replace(self, role=role, by_token=True)


def authorise(
    user: User | AnonymousUser, slug: str, permission: Permission, *, token: AccessToken | None = None
) -> Access:
    """What `user` is in the workspace `slug`, and what the token with which they come may do there.

    Raises Http404 where they are no member (whether or not the workspace exists: an outsider can't tell), and
    PermissionDenied where their role does not have `permission`.
    """
    membership = (
        Membership.objects.select_related("workspace").filter(workspace__slug=slug, user_id=user.pk).first()
        if user.is_authenticated and user.is_active
        else None
    )
    if membership is None or (token and not token.opens(membership.workspace_id)):
        raise Http404("There is no such workspace, or you are not a member of it.")
    access = Access(user=cast("User", user), workspace=membership.workspace, role=Role(membership.role))
    if token and token.role:
        access = access.narrowed(Role(token.role))
    access.require(permission)
    return access


def access_of(user: User | None, workspace: Workspace) -> Access | None:
    """What somebody in whose name something goes on may do in a workspace; None where they are no member any more."""
    if user is None or not user.is_active:
        return None
    role = Membership.objects.filter(workspace=workspace, user=user).values_list("role", flat=True).first()
    return Access(user=user, workspace=workspace, role=Role(role)) if role else None


class WorkspaceRequest(HttpRequest):
    """A page's request after `workspace_page` let it in."""

    access: Access
    user: User


def workspace_page(
    permission: Permission, *, write: Permission | None = None
) -> Callable[
    [Callable[Concatenate[WorkspaceRequest, P], HttpResponseBase]],
    Callable[Concatenate[HttpRequest, str, P], HttpResponseBase],
]:
    """Let a page's view run only for members with `permission` (`write` for anything but GET and HEAD).

    The URL gives `slug` first; the view gets a request with `.access` instead. A view without a POST says so.
    """

    def decorate(
        view: Callable[Concatenate[WorkspaceRequest, P], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, str, P], HttpResponseBase]:
        @wraps(view)
        @login_required
        def guarded(request: HttpRequest, slug: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            needed = permission if write is None or request.method in {"GET", "HEAD"} else write
            request.access = authorise(request.user, slug, needed)  # type: ignore[attr-defined]
            if request.method not in _OF_A_PAGE:
                return HttpResponseNotAllowed(_OF_A_PAGE)
            return view(cast("WorkspaceRequest", request), *args, **kwargs)

        return cast("Callable[Concatenate[HttpRequest, str, P], HttpResponseBase]", guarded)

    return decorate
