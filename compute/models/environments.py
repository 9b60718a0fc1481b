"""With what work runs."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from compute.models.targets import ComputeTarget, Node
from compute.spec import EnvironmentLock, EnvironmentSpec
from compute.states import (
    BuildStatus,
)
from studio.lib.typed_json import DocumentField
from studio.workspaces.models import NAME, Workspace


class Environment(models.Model):
    """A named, versioned, immutable specification. Without a workspace it comes with the studio."""

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, null=True, blank=True, related_name="environments"
    )
    name = models.CharField(max_length=100, validators=[NAME])
    version = models.PositiveIntegerField()
    description = models.CharField(max_length=500, blank=True)
    spec = DocumentField(EnvironmentSpec)
    digest = models.CharField(max_length=64, default="", editable=False, db_index=True)  # of the specification
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["name", "-version"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "name", "version"], name="one_environment_of_a_version"),
            models.UniqueConstraint(
                fields=["name", "version"],
                condition=models.Q(workspace=None),
                name="one_curated_environment_of_a_version",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"

    def save(self, **kwargs: Any) -> None:
        self.digest = self.spec.digest
        super().save(**kwargs)


class SpecificationLock(models.Model):
    """What a specification means on every machine from its first build on. Whoever built it first wrote this."""

    digest = models.CharField(max_length=64, unique=True)  # of the specification
    document = DocumentField(EnvironmentLock)
    node_name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"lock of {self.digest[:16]}"


class EnvironmentBuild(models.Model):
    """A specification being made ready on one machine, or wished for there, or what became of it."""

    digest = models.CharField(max_length=64)  # of the specification
    spec = DocumentField(EnvironmentSpec)
    target = models.ForeignKey(ComputeTarget, on_delete=models.CASCADE, related_name="builds")
    node = models.ForeignKey(Node, on_delete=models.SET_NULL, null=True, related_name="builds")
    node_name = models.CharField(max_length=200)
    hostname = models.CharField(max_length=200)
    place = models.CharField(max_length=32, blank=True)  # the folder of environments that it is in, whoever shares it
    status = models.CharField(max_length=20, choices=BuildStatus, default=BuildStatus.BUILDING)
    lock_digest = models.CharField(max_length=64, blank=True)  # of what was installed
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    reason = models.TextField(blank=True)  # why it failed or was removed, in words
    log = models.TextField(blank=True)  # what it said, its middle left out where it said too much

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            # Nobody else builds what somebody builds; what is ready is there once.
            models.UniqueConstraint(
                fields=["place", "digest"],
                condition=models.Q(status__in=["building", "ready"]),
                name="one_build_of_a_specification",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["digest", "-id"], name="builds_by_digest"),
            models.Index(
                fields=["node"], condition=models.Q(status__in=["queued", "building"]), name="builds_under_way"
            ),
        ]

    def __str__(self) -> str:
        return f"build {self.pk} of {self.digest[:16]}"
