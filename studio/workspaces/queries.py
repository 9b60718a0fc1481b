"""What the pages about people and workspaces read."""

from django.core.paginator import Page, Paginator
from django.db.models import Case, QuerySet, When

from studio.workspaces.models import AuditEvent, Membership, Role, User, Workspace

AUDIT_PAGE = 50
MEMBERS_PAGE = 100


def workspaces_of(user: User) -> QuerySet[Workspace]:
    """The workspaces that `user` is a member of, by name."""
    return Workspace.objects.filter(memberships__user=user)


def memberships(workspace: Workspace) -> QuerySet[Membership]:
    """Who is in the workspace: owners first, then by name."""
    order = Case(When(role=Role.OWNER, then=0), When(role=Role.CONTRIBUTOR, then=1), default=2)
    return Membership.objects.filter(workspace=workspace).select_related("user").order_by(order, "user__username")


def members(workspace: Workspace, *, page: str | int = 1) -> Page[Membership]:
    """One page of them."""
    return Paginator(memberships(workspace), MEMBERS_PAGE).get_page(page)


def audit_trail(workspace: Workspace, *, before: int | None = None) -> tuple[list[AuditEvent], int | None]:
    """The newest 50 events below the number `before`, and where the next 50 start (None: there are no more)."""
    rows = AuditEvent.objects.filter(workspace=workspace).select_related("actor")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: AUDIT_PAGE + 1])
    return found[:AUDIT_PAGE], found[AUDIT_PAGE - 1].pk if len(found) > AUDIT_PAGE else None
