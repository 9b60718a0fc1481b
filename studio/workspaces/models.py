"""People, workspaces, who may do what in which, and what was done."""

from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models

SLUG = RegexValidator(
    r"\A[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z",
    "Use 1 to 40 lower-case letters, digits and hyphens, as in “fraud”.",
)
NAME = RegexValidator(
    r"\A[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,98}[A-Za-z0-9_])?\Z",
    "Use 1 to 100 letters, digits, hyphens, dots and underscores, starting with a letter or digit.",
)


class User(AbstractUser):
    """A person who signs in."""

    def __str__(self) -> str:
        return self.get_full_name() or self.username


class Workspace(models.Model):
    """The wall between teams: whatever is in one workspace does not exist for the others."""

    slug = models.CharField(max_length=40, unique=True, validators=[SLUG])
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)
    members: "models.ManyToManyField[User, Membership]" = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="Membership", related_name="workspaces"
    )

    class Meta:
        ordering: ClassVar = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do; `permissions.PERMISSIONS` is the table."""

    OWNER = "owner", "Owner"
    CONTRIBUTOR = "contributor", "Contributor"
    READER = "reader", "Reader"


class Membership(models.Model):
    """One person's role in one workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "user"], name="one_role_per_person_and_workspace"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.workspace}"


class AccessToken(models.Model):
    """What one of a person's API tokens is for and may do. Knox keeps its hash, and when it expires.

    A token does what its person may, or less: in one workspace only, or with no more than a role's permissions.
    """

    token = models.OneToOneField("knox.AuthToken", on_delete=models.CASCADE, related_name="about")
    name = models.CharField(max_length=100, blank=True)
    everywhere = models.BooleanField(default=True)  # where not, in `workspace` alone, and nowhere once that is gone
    workspace = models.ForeignKey(Workspace, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    role = models.CharField(max_length=20, choices=Role, blank=True)  # at most this; empty: the person's own
    last_used_at = models.DateTimeField(null=True, blank=True)  # to the minute

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return self.name or "a token without a name"

    @property
    def is_whole(self) -> bool:
        """Whether it may do all that its person may."""
        return self.everywhere and not self.role

    def opens(self, workspace_id: int) -> bool:
        return self.everywhere or self.workspace_id == workspace_id


class AuditEvent(models.Model):
    """Who did what to which object, written in the transaction that did it."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, null=True, related_name="audit_events")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    verb = models.CharField(max_length=60)  # as in "run.submit"
    target = models.CharField(max_length=200)  # as in "run 17 of digits"
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["workspace", "-id"], name="audit_by_workspace")]

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.target}"
