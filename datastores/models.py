"""Where data lives (datastores), what it is called (datasets), and source folders frozen by content (snapshots)."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from pydantic import BaseModel, ConfigDict

from studio.lib.typed_json import Document, DocumentField
from studio.workspaces.models import NAME, Workspace


class Datastore(models.Model):
    """A registered place for files. `kind` names a backend in `datastores.backends`; `config` is that backend's."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="datastores")
    name = models.CharField(max_length=100, validators=[NAME])
    description = models.CharField(max_length=500, blank=True)
    kind = models.CharField(max_length=40)
    config = models.JSONField(default=dict)  # validated by the backend's own schema class
    is_default = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-is_default", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "name"], name="one_datastore_of_a_name"),
            models.UniqueConstraint(
                fields=["workspace"], condition=models.Q(is_default=True), name="one_default_datastore"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DataPath(BaseModel):
    """A file, a folder, or a glob, below a datastore's root, with `/` between its parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datastore_id: int
    path: str


class FileDefinition(Document):
    """What a version of a file dataset points at."""

    paths: list[DataPath]


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


class DatasetVersion(models.Model):
    """An immutable definition of a dataset."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    definition = DocumentField(FileDefinition)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dataset", "number"], name="one_dataset_version_of_a_number"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset.name}:{self.number}"


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
