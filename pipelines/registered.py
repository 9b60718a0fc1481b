"""Models by name, and their versions: what a step of a run left, wherever it lies. Nothing is copied."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from datastores.models import Datastore, VersionTags
from pipelines.states import ModelStage
from studio.lib.typed_json import DocumentField
from studio.workspaces.models import NAME, Workspace


class RegisteredModel(models.Model):
    """A name for what runs made."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="registered_models")
    name = models.CharField(max_length=100, validators=[NAME])
    description = models.CharField(max_length=500, blank=True)
    tags = DocumentField(VersionTags, default=dict)  # pass `VersionTags`: a default is plain until it is read
    latest_version = models.PositiveIntegerField(default=0)  # the highest number ever given: none is given twice
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            # Whoever reads “Digits” and writes “digits” must not get another model.
            models.UniqueConstraint("workspace", Lower("name"), name="one_model_of_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class ModelVersion(models.Model):
    """What one output, or some artifacts, of a step of a run are. Which step that was stays known when its run goes."""

    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    stage = models.CharField(max_length=20, choices=ModelStage, default=ModelStage.NONE)
    stage_set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    stage_set_at = models.DateTimeField()
    description = models.CharField(max_length=500, blank=True)
    tags = DocumentField(VersionTags, default=dict)  # as those of a model
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    step_run = models.ForeignKey("StepRun", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    run_number = models.PositiveBigIntegerField()  # of the step's run, as the two below
    step_name = models.CharField(max_length=100)
    output_name = models.CharField(max_length=100, blank=True)  # empty where it is of the step's artifacts
    datastore = models.ForeignKey(Datastore, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    path = models.CharField(max_length=700)  # of the file, or of the folder
    is_file = models.BooleanField(default=False)
    file_count = models.PositiveBigIntegerField()
    size_bytes = models.PositiveBigIntegerField()
    fingerprint = models.CharField(max_length=64, blank=True)  # of the content; empty where it was too much to read
    stamp = models.CharField(max_length=64)  # SHA-256 over path, size and etag or time of each file, as registered

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["model", "number"], name="one_model_version_of_a_number"),
            models.UniqueConstraint(
                fields=["model"], condition=models.Q(stage="production"), name="one_version_in_production"
            ),
        ]
        indexes: ClassVar = [
            # The operator classes are PostgreSQL's, for what lies below a folder whatever the language of the database.
            models.Index(
                fields=["datastore", "path", "id"],
                name="models_by_path",
                opclasses=["int8_ops", "varchar_pattern_ops", "int8_ops"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model.name}:{self.number}"


class ModelAlias(models.Model):
    """Another name for one version of a model, as clients of MLflow set them: `NAME@ALIAS`."""

    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=255)
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="aliases")

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint("model", Lower("name"), name="one_alias_of_a_name"),
        ]

    def __str__(self) -> str:
        return f"{self.model.name}@{self.name}"
