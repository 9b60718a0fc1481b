"""Where data lives (datastores), what it is called (datasets), and source folders frozen by content (snapshots)."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from pydantic import BaseModel, ConfigDict, Field

from datastores.sources import DataPath, FileDefinition, TabularDefinition
from datastores.states import WorkStatus
from studio.lib.secrets import SealedField
from studio.lib.typed_json import Document, DocumentField
from studio.workspaces.models import NAME, Workspace

__all__ = [
    "DataPath",
    "Dataset",
    "DatasetVersion",
    "Datastore",
    "FileDefinition",
    "Manifest",
    "Profile",
    "ProfileResult",
    "ResumableUpload",
    "Snapshot",
    "SnapshotFile",
    "StudioHome",
    "TabularDefinition",
    "VersionTags",
]


class LiveDatastores(models.Manager["Datastore"]):
    """Every datastore that was not removed. What still points at a removed one finds its name by `everything`."""

    def get_queryset(self) -> models.QuerySet["Datastore"]:
        return super().get_queryset().filter(removed_at=None)


class Datastore(models.Model):
    """A registered place for data. `kind` names a store in `datastores.backends`; `config` is that kind's."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="datastores")
    name = models.CharField(max_length=100, validators=[NAME])
    description = models.CharField(max_length=500, blank=True)
    kind = models.CharField(max_length=40)
    config = models.JSONField(default=dict)  # validated by the kind's own schema class; holds no secret
    credentials = SealedField(null=True, blank=True)  # secrets by name, see the kind's `Credentials`
    is_default = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(null=True, blank=True)  # what pointed at it dangles, and still says its name

    objects = LiveDatastores()
    everything: "models.Manager[Datastore]" = models.Manager()

    class Meta:
        ordering: ClassVar = ["-is_default", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "name"], condition=models.Q(removed_at=None), name="one_datastore_of_a_name"
            ),
            models.UniqueConstraint(
                fields=["workspace"], condition=models.Q(is_default=True), name="one_default_datastore"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Dataset(models.Model):
    """A name for data."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=100, validators=[NAME])
    description = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "name"], name="one_dataset_of_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class VersionTags(Document):
    """Words that people or runs put on a version."""

    tags: dict[str, str] = Field(default_factory=dict)


class DatasetVersion(models.Model):
    """An immutable definition of a dataset, with a fingerprint of what it pointed at when it was made.

    What it pointed at is listed once (`listed_at`); until then, or where it can't be, the fingerprint is empty.
    """

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    definition = DocumentField(FileDefinition, TabularDefinition)
    description = models.CharField(max_length=500, blank=True)
    tags = DocumentField(VersionTags, default=dict)  # pass `VersionTags`: a default is plain until it is read
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    origin = models.CharField(max_length=200, blank=True)  # for people: what registered it, as in "run 17, step train"
    # Filled in by `datastores.services.listing`, at once or by the data worker.
    fingerprint = models.CharField(max_length=64, blank=True)  # SHA-256 over path, size and etag or time of each file
    file_count = models.PositiveBigIntegerField(null=True, blank=True)
    size_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    listed_at = models.DateTimeField(null=True, blank=True)
    listing_error = models.TextField(blank=True)  # why it could not be listed
    listing = models.CharField(max_length=64, blank=True)  # digest, in the content store, of the files as JSON lines

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dataset", "number"], name="one_dataset_version_of_a_number"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=models.Q(listed_at=None), name="version_to_list"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset.name}:{self.number}"

    @property
    def is_tabular(self) -> bool:
        return isinstance(self.definition, TabularDefinition)


class ProfileResult(Document):
    """What a profile found; `columns` are `datastores.tabular.column_profiles.ColumnProfile` objects, dumped."""

    row_count: int
    columns: list[dict[str, object]]


class Profile(models.Model):
    """A profile of a version's rows, computed in the background and kept."""

    version = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="profiles")
    status = models.CharField(max_length=20, choices=WorkStatus, default=WorkStatus.QUEUED)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    # Who may speak for it now; a worker that was taken for dead no longer holds the token.
    token = models.UUIDField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    progress = models.FloatField(default=0.0)  # 0 to 1
    stage = models.CharField(max_length=200, blank=True)  # for people: what it is doing
    reason = models.TextField(blank=True)  # why it failed or was cancelled
    result = DocumentField(ProfileResult, null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version"],
                condition=models.Q(status__in=["queued", "running"]),
                name="one_profile_under_way_for_a_version",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["id"], condition=models.Q(status__in=["queued", "running"]), name="profiles_under_way"
            ),
        ]

    def __str__(self) -> str:
        return f"profile {self.pk} of version {self.version_id}"


class ResumableUpload(models.Model):
    """A file on its way into a datastore, part by part: what has arrived survives a broken connection."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    datastore = models.ForeignKey(Datastore, on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=4000)
    size_bytes = models.PositiveBigIntegerField()
    received_bytes = models.PositiveBigIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    stored_at = models.DateTimeField(null=True, blank=True)  # it lies in the datastore now

    class Meta:
        indexes: ClassVar = [models.Index(fields=["changed_at"], name="uploads_by_age")]

    def __str__(self) -> str:
        return f"{self.path} ({self.received_bytes} of {self.size_bytes} bytes)"


class SnapshotFile(BaseModel):
    """One file of a snapshot."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str  # relative, with `/`
    sha256: str
    size_bytes: int
    executable: bool = False


class Manifest(Document):
    """The files of a snapshot, sorted by path."""

    files: list[SnapshotFile]


class Snapshot(models.Model):
    """A folder frozen by content: the digest names the manifest, each file's digest names its bytes.

    The bytes lie once per workspace in the content store, however many snapshots hold them.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="snapshots")
    digest = models.CharField(max_length=64)
    manifest = DocumentField(Manifest)
    file_count = models.PositiveIntegerField()
    size_bytes = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "digest"], name="one_snapshot_of_a_digest"),
        ]

    def __str__(self) -> str:
        return self.digest[:12]


class StudioHome(models.Model):
    """The one STUDIO_HOME of this studio, by the mark in it: a machine whose folder has another mark shares it not."""

    ONLY: ClassVar[int] = 1  # the key of its only row

    mark = models.CharField(max_length=64)

    def __str__(self) -> str:
        return self.mark
