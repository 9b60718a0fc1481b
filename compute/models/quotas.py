"""What people and workspaces may use, and what they have used."""

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from compute.states import (
    QuotaScope,
)
from studio.workspaces.models import Workspace


class Quota(models.Model):
    """A limit that an administrator set on what a workspace, or a person in it, may use of the studio's compute."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="quotas")
    scope = models.CharField(max_length=20, choices=QuotaScope, default=QuotaScope.WORKSPACE)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    # Null: no limit.
    running_steps = models.PositiveIntegerField(null=True, blank=True)
    queued_steps = models.PositiveIntegerField(null=True, blank=True)  # submitted, and not begun
    cpu_hours = models.PositiveIntegerField(null=True, blank=True)  # of a calendar month, UTC
    storage_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    set_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["workspace", "scope", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "scope"], condition=models.Q(person=None), name="one_quota_of_a_scope"
            ),
            models.UniqueConstraint(fields=["workspace", "person"], name="one_quota_of_a_person"),
            models.CheckConstraint(
                condition=models.Q(scope="person", person__isnull=False)
                | (~models.Q(scope="person") & models.Q(person=None)),
                name="quota_names_its_person",
            ),
        ]

    def __str__(self) -> str:
        return f"quota {self.pk} of {self.workspace_id}"

    def clean(self) -> None:
        """For a form: say what the constraints would refuse, in a sentence."""
        if self.scope == QuotaScope.PERSON and self.person_id is None:
            raise ValidationError({"person": "Choose the person whom it holds for."})
        if self.scope != QuotaScope.PERSON and self.person_id is not None:
            raise ValidationError({"person": "Leave this empty, or choose “One person in the workspace”."})
        if self.workspace_id is not None and self._others().exists():
            raise ValidationError("There is a quota for that in this workspace already: change that one.")

    def _others(self) -> models.QuerySet["Quota"]:
        others = Quota.objects.filter(workspace=self.workspace_id, scope=self.scope, person=self.person_id)
        return others.exclude(pk=self.pk)


class CpuUse(models.Model):
    """What somebody's attempts took in a month: the CPUs they asked for (one, where they asked for none) times time."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    month = models.DateField()  # its first day, UTC
    person = models.BigIntegerField()  # a user's key; 0 for jobs of nobody
    cpu_seconds = models.FloatField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "month", "person"], name="one_cpu_use_of_a_month"),
        ]

    def __str__(self) -> str:
        return f"{self.cpu_seconds:.0f} CPU seconds of {self.person} in {self.workspace_id}"


class StorageUse(models.Model):
    """What somebody keeps on the studio's own disks: what their completed jobs wrote, and the files that they brought.

    As long as it is there: `size_bytes` is counted again after deletions, `brought_bytes` is the sum of `KeptFile`.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    person = models.BigIntegerField()  # a user's key; 0 for jobs of nobody, and files of whoever
    size_bytes = models.BigIntegerField(default=0)
    brought_bytes = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "person"], name="one_storage_use_of_a_person"),
        ]

    def __str__(self) -> str:
        return f"{self.size_bytes + self.brought_bytes} bytes of {self.person} in {self.workspace_id}"


class KeptFile(models.Model):
    """A file that somebody brought to the studio's own disks: an upload, or a content of source folders."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=64, unique=True)  # SHA-256 of the place, which may be too long for an index
    place = models.TextField()  # below STUDIO_HOME
    person = models.BigIntegerField()  # who brought it last, or, of a content, first; 0: nobody knows
    size_bytes = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.place} of {self.person}"


class StorageCount(models.Model):
    """Whether a workspace's storage is to be counted again, and whether somebody does."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, related_name="+")
    asked_at = models.DateTimeField(null=True, blank=True)
    began_at = models.DateTimeField(null=True, blank=True)
    searches = models.BooleanField(default=False)  # also for files from before `KeptFile`

    def __str__(self) -> str:
        return f"count of {self.workspace_id}"
