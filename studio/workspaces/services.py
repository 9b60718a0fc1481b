"""Make workspaces, and let people in and out of them. Every change writes its audit event in the same transaction."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import Http404

from studio.lib.problems import ConflictError, UserError
from studio.workspaces import listener
from studio.workspaces.access import Access
from studio.workspaces.audit import record
from studio.workspaces.models import SLUG, Membership, Role, User, Workspace
from studio.workspaces.permissions import Permission


def create_workspace(*, name: str, slug: str, owner: User) -> Workspace:
    """A new workspace with `owner` as its owner, and whatever the rooms above give it from the start.

    Raises UserError at `name` or `slug`.
    """
    name = name.strip()
    _check_name(name)
    try:
        SLUG(slug)
    except ValidationError as error:
        raise UserError(" ".join(error.messages), loc=("slug",)) from error
    with transaction.atomic():
        try:
            with transaction.atomic():
                workspace = Workspace.objects.create(name=name, slug=slug)
        except IntegrityError as error:
            raise UserError(
                "A workspace with this address exists already. Choose another one.", loc=("slug",)
            ) from error
        Membership.objects.create(workspace=workspace, user=owner, role=Role.OWNER)
        record(workspace, owner, "workspace.create", workspace.name)
        listener.tell(workspace, owner)
    return workspace


def rename_workspace(access: Access, *, name: str) -> None:
    """Raises UserError at `name`."""
    access.require(Permission.MANAGE_MEMBERS)
    name = name.strip()
    _check_name(name)
    with transaction.atomic():
        Workspace.objects.filter(pk=access.workspace.pk).update(name=name)
        record(access.workspace, access.user, "workspace.rename", f"{access.workspace.name} to {name}")


def add_member(access: Access, *, who: str, role: str) -> Membership:
    """Let the person with this username or e-mail address in.

    Raises UserError at `who` or `role`, ConflictError where they are in already.
    """
    access.require(Permission.MANAGE_MEMBERS)
    role = _role(role)
    person = _person(who)
    with transaction.atomic():
        membership, is_new = Membership.objects.get_or_create(
            workspace=access.workspace, user=person, defaults={"role": role}
        )
        if not is_new:
            raise ConflictError(f"{person} is a member already. Change their role in the list.")
        record(access.workspace, access.user, "member.add", f"{person.username} as {role}")
    return membership


def change_role(access: Access, membership_id: int, *, role: str) -> Membership:
    """Raises UserError where it would leave the workspace without an owner, Http404 for a stranger."""
    access.require(Permission.MANAGE_MEMBERS)
    role = _role(role)
    with transaction.atomic():
        membership = _locked(access, membership_id)
        if membership.role == role:
            return membership
        if role != Role.OWNER:
            _keep_an_owner(membership)
        record(access.workspace, access.user, "member.role", f"{membership.user.username}: {membership.role} to {role}")
        membership.role = role
        membership.save(update_fields=["role"])
    return membership


def remove_member(access: Access, membership_id: int) -> None:
    """Raises UserError where it would leave the workspace without an owner, Http404 for a stranger."""
    access.require(Permission.MANAGE_MEMBERS)
    with transaction.atomic():
        membership = _locked(access, membership_id)
        _keep_an_owner(membership)
        record(access.workspace, access.user, "member.remove", membership.user.username)
        membership.delete()


def _check_name(name: str) -> None:
    if not name or len(name) > 100 or not name.replace("\u200d", "").isprintable():
        raise UserError("Give the workspace a name of 1 to 100 characters that can be shown.", loc=("name",))


def _role(role: str) -> Role:
    if role not in Role.values:
        raise UserError(f"Choose a role: {', '.join(Role.values)}.", loc=("role",))
    return Role(role)


def _person(who: str) -> User:
    who = who.replace("\0", "").strip()
    people = list(User.objects.filter(Q(username=who) | Q(email__iexact=who), is_active=True)[:2]) if who else []
    if not people:
        raise UserError(
            "Nobody here has this username or e-mail address. An administrator makes accounts.", loc=("who",)
        )
    if len(people) > 1:
        raise UserError("Several people share this e-mail address. Give the username.", loc=("who",))
    return people[0]


def _locked(access: Access, membership_id: int) -> Membership:
    """The membership, while nobody else can change one here: two owners can't demote each other at once."""
    Workspace.objects.select_for_update().get(pk=access.workspace.pk)
    membership = Membership.objects.select_related("user").filter(workspace=access.workspace, pk=membership_id).first()
    if membership is None:
        raise Http404("This person is not a member any more. Reload the page.")
    return membership


def _keep_an_owner(membership: Membership) -> None:
    if membership.role != Role.OWNER:
        return
    others = Membership.objects.filter(
        workspace_id=membership.workspace_id, role=Role.OWNER, user__is_active=True
    ).exclude(pk=membership.pk)
    if not others.exists():
        raise UserError(f"{membership.user} is the only owner. Make somebody else an owner first.", loc=("role",))
