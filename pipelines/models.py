"""Pipelines and their versions, runs and their steps, and what happened in which order."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from pydantic import BaseModel, ConfigDict, Field

from compute.models import Job
from compute.spec import EnvironmentSpec, InputMode, JobInput, OutputRecord
from datastores.models import DatasetVersion, Datastore
from pipelines.definition import ParameterValue, PipelineDefinition, Step
from pipelines.states import RunStatus, StepStatus
from studio.lib.typed_json import Document, DocumentField
from studio.workspaces.models import NAME, Workspace


class Experiment(models.Model):
    """A name that groups runs."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="experiments")
    name = models.CharField(max_length=100, validators=[NAME])
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "name"], name="one_experiment_of_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Pipeline(models.Model):
    """A pipeline by name. What it does stands in its versions; every save makes one."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="pipelines")
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True, max_length=5000)
    latest_version = models.PositiveIntegerField(default=0)  # number of the newest; guards against lost updates
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True)  # its runs stay

    class Meta:
        ordering: ClassVar = ["-updated_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "name"], condition=models.Q(deleted_at=None), name="one_pipeline_of_a_name"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PipelineVersion(models.Model):
    """An immutable definition of a pipeline."""

    pipeline = models.ForeignKey(Pipeline, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    definition = DocumentField(PipelineDefinition)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["pipeline", "number"], name="one_pipeline_version_of_a_number"),
        ]

    def __str__(self) -> str:
        return f"{self.pipeline_id}:{self.number}"


class RunParameters(Document):
    """The values that a run was submitted with, defaults filled in."""

    values: dict[str, ParameterValue] = Field(default_factory=dict)


class Run(models.Model):
    """One submission of one version of a pipeline."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="runs")
    pipeline = models.ForeignKey(Pipeline, on_delete=models.RESTRICT, related_name="runs")
    version = models.ForeignKey(PipelineVersion, on_delete=models.RESTRICT, related_name="runs")
    experiment = models.ForeignKey(Experiment, on_delete=models.RESTRICT, related_name="runs")
    status = models.CharField(max_length=20, choices=RunStatus, default=RunStatus.QUEUED)
    parameters = DocumentField(RunParameters)
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="runs"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reason = models.TextField(blank=True)  # why it failed or was cancelled, in words
    priority = models.SmallIntegerField(default=0)  # of its steps in the queue: higher first
    last_event = models.PositiveIntegerField(default=0)  # number of the newest RunEvent
    steps_total = models.PositiveIntegerField(default=0)
    steps_done = models.PositiveIntegerField(default=0)  # steps in a terminal state

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["workspace", "-id"], name="run_by_workspace"),
            models.Index(fields=["workspace", "status", "-id"], name="run_by_status"),
            models.Index(fields=["pipeline", "-id"], name="run_by_pipeline"),
            models.Index(fields=["workspace", "submitted_by", "-id"], name="run_by_person"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"


class FrozenInput(BaseModel):
    """An input as the run reads it: a dataset's paths, a path, or another step's output (known when that is done)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str | None = None  # "NAME:VERSION", for people; neither it nor a step, where the data is a path
    version_id: int | None = None  # of that version, which may be gone
    data: JobInput | None = None
    fingerprint: str = ""  # of a dataset's content at submission; of an output it is known when its step is done
    step: str | None = None
    output: str | None = None
    mode: InputMode = "download"


class FrozenOutput(BaseModel):
    """Where an output goes that says so itself. Without a path: into the datastore's folder of runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datastore_id: int
    path: str | None = None  # `{run-id}` and `{output-name}` filled in


class FrozenStep(Document):
    """Everything a step run needs, as it was at submission: nothing that changes later changes the run."""

    step: Step
    snapshot: str  # digest of what really runs, ignore files honoured; empty where it has no files
    command: list[str]  # parameters filled in; `${{inputs.…}}` and `${{outputs.…}}` left for the node
    environment_name: str  # "NAME:VERSION", for people
    environment: EnvironmentSpec
    compute_id: int
    datastore_id: int  # where its outputs go that name no datastore
    inputs: dict[str, FrozenInput] = Field(default_factory=dict)
    outputs: dict[str, FrozenOutput] = Field(default_factory=dict)  # those that name a datastore or a path


class Ingredients(Document):
    """A digest for each thing that makes a step's result: `code`, `arguments`, `environment`, `outputs`, `input X`."""

    digests: dict[str, str] = Field(default_factory=dict)


class StepOutputs(Document):
    outputs: dict[str, OutputRecord] = Field(default_factory=dict)


class StepRun(models.Model):
    """One step of one run."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=100)
    position = models.PositiveIntegerField()  # order in the definition
    status = models.CharField(max_length=20, choices=StepStatus, default=StepStatus.WAITING)
    frozen = DocumentField(FrozenStep)
    waiting_for = models.PositiveIntegerField(default=0)  # upstream steps that are not done yet
    registers = models.BooleanField(default=False)  # an output of it becomes a version of a dataset
    job = models.OneToOneField(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    queued_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)  # first claimed
    finished_at = models.DateTimeField(null=True, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    exit_code = models.IntegerField(null=True, blank=True)
    reason = models.TextField(blank=True)  # why it failed, was skipped or cancelled
    outputs = DocumentField(StepOutputs, null=True, blank=True)
    ingredients = DocumentField(Ingredients, null=True, blank=True)  # known when its inputs are
    fingerprint = models.CharField(max_length=64, blank=True)  # of all ingredients; empty where reuse is not allowed
    reused_from = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    reuse_note = models.CharField(max_length=500, blank=True)  # why it ran, or from where it was reused

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "name"], name="one_step_run_of_a_name"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["fingerprint", "-id"], condition=models.Q(status="completed"), name="step_by_fingerprint"
            ),
            # Ready, but somebody has to look first whether what an earlier run wrote is still there.
            models.Index(
                fields=["run"], condition=models.Q(status="waiting", waiting_for=0), name="step_to_look_after"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of run {self.run_id}"


class StepEdge(models.Model):
    """`downstream` waits for `upstream`: it reads from it, or was told to run after it."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="edges")
    upstream = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="out_edges")
    downstream = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="in_edges")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["upstream", "downstream"], name="one_edge_between_two_steps"),
        ]

    def __str__(self) -> str:
        return f"{self.upstream_id} → {self.downstream_id}"


class StepInput(models.Model):
    """What a step reads: a version of a dataset, an output of another step of its run, or a path."""

    step_run = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="reads", db_index=False)
    name = models.CharField(max_length=100)
    dataset_version = models.ForeignKey(
        DatasetVersion, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    dataset = models.CharField(max_length=120, blank=True)  # "NAME:VERSION", which stays when the version goes
    upstream = models.ForeignKey(StepRun, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    upstream_output = models.CharField(max_length=100, blank=True)
    datastore = models.ForeignKey(Datastore, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    path = models.CharField(max_length=4000, blank=True, db_default="")  # file, folder or pattern; else a web address
    folder = models.CharField(max_length=700, blank=True, db_default="")  # the path as far as it is no pattern

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["step_run", "name"], name="one_input_of_a_name"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["dataset_version", "-id"], name="inputs_by_version"),
            models.Index(fields=["upstream", "-id"], name="inputs_by_upstream"),
            models.Index(
                fields=["datastore", "folder", "id"],
                condition=models.Q(datastore__isnull=False),
                name="inputs_by_folder",
                opclasses=["int8_ops", "varchar_pattern_ops", "int8_ops"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.step_run_id}"


class StepOutput(models.Model):
    """What a step that ran itself left in one of its outputs; of a reused step, only what it registered anew."""

    step_run = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="wrote", db_index=False)
    name = models.CharField(max_length=100)
    datastore = models.ForeignKey(Datastore, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    path = models.CharField(max_length=700)  # the folder
    fingerprint = models.CharField(max_length=64)
    dataset_version = models.ForeignKey(  # that it was registered as
        DatasetVersion, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["step_run", "name"], name="one_output_of_a_name"),
        ]
        indexes: ClassVar = [
            # The operator classes are PostgreSQL's, for what lies below a folder whatever the language of the database.
            models.Index(
                fields=["datastore", "path", "id"],
                name="outputs_by_path",
                opclasses=["int8_ops", "varchar_pattern_ops", "int8_ops"],
            ),
            models.Index(
                fields=["dataset_version"],
                condition=models.Q(dataset_version__isnull=False),
                name="outputs_by_version",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.step_run_id}"


class RunEvent(models.Model):
    """Something that happened in a run. `seq` counts from 1 without a gap, so a watcher knows what it missed."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField()
    at = models.DateTimeField()
    data = models.JSONField()  # a `pipelines.events.Event`, dumped

    class Meta:
        ordering: ClassVar = ["seq"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "seq"], name="one_run_event_of_a_number"),
        ]

    def __str__(self) -> str:
        return f"event {self.seq} of run {self.run_id}"
