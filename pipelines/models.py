"""Pipelines and their versions, runs and their steps, and what happened in which order."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from pydantic import BaseModel, ConfigDict, Field

from compute.models import Job
from compute.spec import ArtifactsRecord, EnvironmentSpec, InputMode, JobInput, NodeWork, OutputRecord, Resources
from datastores.models import DatasetVersion, Datastore
from pipelines.definition import ParameterValue, PipelineDefinition, Step
from pipelines.items import Items
from pipelines.modules.definition import ModuleDefinition
from pipelines.outline import Outline
from pipelines.parts import NodePart, Parameter
from pipelines.registered import ModelVersion
from pipelines.states import RunStatus, StepStatus, TrashStatus
from studio.lib.typed_json import Document, DocumentField
from studio.workspaces.models import NAME, Workspace


class ExperimentTags(Document):
    tags: dict[str, str] = Field(default_factory=dict)


class Experiment(models.Model):
    """A name that groups runs."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="experiments")
    name = models.CharField(max_length=100, validators=[NAME])
    tags = DocumentField(ExperimentTags, default=dict)  # pass `ExperimentTags`: a default is plain until it is read
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True)  # its runs stay; a new one brings it back

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
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

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
    outline = DocumentField(Outline, null=True)  # of the definition; null for those saved before there were outlines
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["pipeline", "number"], name="one_pipeline_version_of_a_number"),
        ]

    def __str__(self) -> str:
        return f"{self.pipeline_id}:{self.number}"


LONG_OF_VERSIONS = ("definition", "outline")  # columns that no list shows


class ModuleTags(Document):
    tags: dict[str, str] = Field(default_factory=dict)


class Module(models.Model):
    """A step definition that was published under a name. What it is stands in its versions.

    A name stays the module's when it is deleted: whoever publishes under it again brings the module back, so a name and
    a number never mean two things.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="modules")
    name = models.CharField(max_length=100, validators=[NAME])
    description = models.TextField(blank=True, max_length=5000)
    tags = DocumentField(ModuleTags, default=dict)  # pass `ModuleTags`: a default is plain until it is read
    latest_version = models.PositiveIntegerField(default=0)  # number of the newest; guards against lost updates
    default_version = models.PositiveIntegerField(null=True, blank=True)  # null: the newest that is not disabled
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True)  # runs have what it was
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "name"], name="one_module_of_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class ModuleVersion(models.Model):
    """An immutable definition of a module."""

    module = models.ForeignKey(Module, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=100)  # of its step
    definition = DocumentField(ModuleDefinition)
    note = models.CharField(max_length=500, blank=True)  # what is new in it
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    disabled_at = models.DateTimeField(null=True, blank=True)  # no pipeline that did not use it before may use it
    disabled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["module", "number"], name="one_module_version_of_a_number"),
        ]

    def __str__(self) -> str:
        return f"{self.module_id}:{self.number}"


class ModuleUse(models.Model):
    """Steps of a version of a pipeline use a module. By name: a pipeline may be saved before its module is there."""

    version = models.ForeignKey(PipelineVersion, on_delete=models.CASCADE, related_name="module_uses", db_index=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    module = models.CharField(max_length=100)
    number = models.PositiveIntegerField(default=0)  # 0: its default version at submission
    steps = models.PositiveIntegerField(default=1)  # of the version, that say so

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "module", "number"], name="one_use_of_a_module_version"),
        ]
        indexes: ClassVar = [models.Index(fields=["workspace", "module", "-version"], name="uses_by_module")]

    def __str__(self) -> str:
        return f"{self.module} in {self.version_id}"


class ForeignName(models.Model):
    """What a name in files from elsewhere is called in a workspace: imports of pipelines look here first."""

    class Sort(models.TextChoices):
        IMAGE = "image", "Image"  # of a container; an environment stands for it
        ENVIRONMENT = "environment", "Environment"
        COMPUTE = "compute", "Compute target"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="foreign_names", db_index=False)
    sort = models.CharField(max_length=20, choices=Sort)
    theirs = models.CharField(max_length=300)  # `*` in it stands for anything
    ours = models.CharField(max_length=200)
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    set_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["sort", "theirs"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "sort", "theirs"], name="one_meaning_of_a_foreign_name"),
        ]

    def __str__(self) -> str:
        return f"{self.theirs} is {self.ours}"


class RunParameters(Document):
    """The values that a run was submitted with, defaults filled in."""

    values: dict[str, ParameterValue] = Field(default_factory=dict)


class LiveRuns(models.Manager["Run"]):
    """Every run that is not in the trash. What must see those, too, as the trash itself, asks `everything`."""

    def get_queryset(self) -> models.QuerySet["Run"]:
        return super().get_queryset().filter(trashed_at=None)


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
    paused_at = models.DateTimeField(null=True, blank=True)  # nothing further of it begins; never set once it is over
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    paused_with_outer = models.BooleanField(default=False, db_default=False)  # it goes on when its outer run does
    continue_on_step_failure = models.BooleanField(default=True, db_default=True)  # else nothing begins after one
    reason = models.TextField(blank=True)  # why it failed or was cancelled, in words
    priority = models.SmallIntegerField(default=0)  # of its steps in the queue: higher first
    last_event = models.PositiveIntegerField(default=0)  # number of the newest RunEvent
    steps_total = models.PositiveIntegerField(default=0)
    steps_done = models.PositiveIntegerField(default=0)  # steps in a terminal state
    rerun_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    rerun_from = models.CharField(max_length=100, blank=True, db_default="")  # the step from which on it ran anew
    has_branches = models.BooleanField(
        default=False, db_default=False
    )  # a step of it runs on one answer of a condition
    regenerate_outputs = models.BooleanField(default=False, db_default=False)  # no step takes an earlier result
    # Of a run that a step of another run had made:
    parent_step = models.ForeignKey(
        "StepRun", on_delete=models.CASCADE, null=True, blank=True, related_name="child_runs", db_index=False
    )
    child_number = models.PositiveIntegerField(default=0, db_default=0)  # from 1 for each step
    child_label = models.CharField(max_length=200, blank=True, db_default="")  # what tells it from its siblings
    # The step's last one that it was part of. 0: somebody continued it after that was over, so it goes its own way.
    child_attempt = models.PositiveSmallIntegerField(default=0, db_default=0)
    is_being_purged = models.BooleanField(default=False, db_default=False)
    trashed_at = models.DateTimeField(null=True, blank=True)  # then there is a `TrashedRun`, which says more
    # What a purge of it would free; null until the sweep has counted, after its end.
    output_bytes = models.PositiveBigIntegerField(null=True, blank=True)

    objects = LiveRuns()
    everything: "models.Manager[Run]" = models.Manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["parent_step", "child_number"],
                condition=models.Q(parent_step__isnull=False),
                name="one_child_run_of_a_number",
            ),
        ]
        indexes: ClassVar = [
            # Lists show the runs that somebody submitted, for a step may have thousands made; and of those what is not
            # in the trash: however much is, no list reads past it.
            models.Index(
                fields=["workspace", "-id"], condition=models.Q(parent_step=None, trashed_at=None), name="run_listed"
            ),
            models.Index(
                fields=["workspace", "status", "-id"],
                condition=models.Q(parent_step=None, trashed_at=None),
                name="run_listed_by_status",
            ),
            models.Index(
                fields=["pipeline", "-id"],
                condition=models.Q(parent_step=None, trashed_at=None),
                name="run_listed_by_pipeline",
            ),
            models.Index(
                fields=["workspace", "submitted_by", "-id"],
                condition=models.Q(parent_step=None, trashed_at=None),
                name="run_listed_by_person",
            ),
            models.Index(
                fields=["workspace", "status", "-id"], condition=models.Q(trashed_at=None), name="run_by_status"
            ),
            models.Index(fields=["pipeline", "-id"], condition=models.Q(trashed_at=None), name="run_by_pipeline"),
            models.Index(
                fields=["workspace", "finished_at"],
                condition=models.Q(trashed_at=None, finished_at__isnull=False),
                name="run_by_end",
            ),
            # No more rows than there are runs that ended since the last sweep.
            models.Index(
                fields=["id"], condition=models.Q(output_bytes=None, finished_at__isnull=False), name="run_to_measure"
            ),
            # No more rows than there are runs that somebody paused.
            models.Index(fields=["workspace", "-id"], condition=models.Q(paused_at__isnull=False), name="run_paused"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"


class FrozenInput(BaseModel):
    """An input as the run reads it: the paths of a dataset or a model, a path, or another step's output (known when
    that is done).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str | None = None  # "NAME:VERSION", for people, as `model`; neither, nor a step: the data is a path
    version_id: int | None = None  # of that version of the dataset, which may be gone
    model: str | None = None
    registered_id: int | None = None  # of that version of the model, likewise
    data: JobInput | None = None
    fingerprint: str = ""  # of a dataset's content at submission; of an output it is known when its step is done
    step: str | None = None
    output: str | None = None
    mode: InputMode = "download"

    @property
    def is_path(self) -> bool:
        return not (self.dataset or self.model or self.step)


class FrozenOutput(BaseModel):
    """Where an output goes that says so itself. Without a path: into the datastore's folder of runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datastore_id: int
    path: str | None = None  # `{run-id}` and `{output-name}` filled in


class FrozenModule(BaseModel):
    """The module that a step was published as, and the values that its own parameters had."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    module_id: int  # which may be gone
    name: str
    version: int
    parameters: list[Parameter] = Field(default_factory=list)
    values: dict[str, ParameterValue] = Field(default_factory=dict)


NO_COMPUTE = 0  # the target of a step without a job


class FrozenStep(Document):
    """Everything a step run needs, as it was at submission: nothing that changes later changes the run."""

    step: Step
    snapshot: str  # digest of what really runs, ignore files honoured; empty where it has no files
    runs_version_id: int | None = None  # of the pipeline's version that it has runs made of
    hashed: str = ""  # digest of what of it counts as its code, where the step says so; else all of it does
    work: NodeWork | None = None  # what the node does itself, instead of the command
    command: list[str]  # parameters filled in; `${{inputs.…}}` and `${{outputs.…}}` left for the node
    # Of the step alone, as the command; without those whose parameter or input is absent.
    environment_variables: dict[str, str] = Field(default_factory=dict)
    environment_name: str  # "NAME:VERSION", for people
    environment: EnvironmentSpec
    experiment: str = ""  # of the run, for the step to know; no part of what makes its result
    compute_id: int
    datastore_id: int  # where its outputs go that name no datastore
    inputs: dict[str, FrozenInput] = Field(default_factory=dict)
    outputs: dict[str, FrozenOutput] = Field(default_factory=dict)  # those that name a datastore or a path
    module: FrozenModule | None = None  # that it comes from; what its texts call parameters is the module's then
    part: NodePart | None = None  # of one that works on several nodes

    def values_in(self, run: dict[str, ParameterValue]) -> dict[str, ParameterValue]:
        """What its texts mean by parameters, of a run with these values."""
        return self.module.values if self.module else run

    @property
    def resources(self) -> Resources:
        """What it asks of its node: nothing beside a slot, where it puts together what the parts of a step did."""
        return Resources() if self.part is not None and self.part.unites else self.step.resources

    @property
    def code(self) -> str:
        """The digest of the files that count where results are compared."""
        return self.hashed or self.snapshot


class EditChanges(Document):
    """What an edit changed, in words: `train.py`, `arguments`."""

    changes: list[str] = Field(default_factory=list)


class Ingredients(Document):
    """A digest for each thing that makes a step's result: `code`, `arguments`, `environment`, `outputs`, and, by
    name, `input X` and `variable X`.
    """

    digests: dict[str, str] = Field(default_factory=dict)


class Decision(Document):
    """What a step without a job came to: of a condition, an approval, a wait."""

    answer: bool | None = None
    values: dict[str, str] = Field(default_factory=dict)  # by what stands in its texts, what stood for it, as JSON
    by: str = ""  # the user name of whoever answered
    comment: str = ""


class StepOutputs(Document):
    outputs: dict[str, OutputRecord] = Field(default_factory=dict)
    artifacts: ArtifactsRecord | None = None


JOB_OWNER = "step:"  # a step run's name for its jobs, followed by its key


class StepRun(models.Model):
    """One step of one run."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=100)
    position = models.PositiveIntegerField()  # order in the definition
    status = models.CharField(max_length=20, choices=StepStatus, default=StepStatus.WAITING)
    frozen = DocumentField(FrozenStep)
    waiting_for = models.PositiveIntegerField(default=0)  # upstream steps that are not done yet
    registers = models.BooleanField(default=False)  # an output of it becomes a version of a dataset
    runs_anew = models.BooleanField(default=False, db_default=False)  # no earlier result is taken for it
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
    # Of one without a job:
    due_at = models.DateTimeField(null=True, blank=True)  # when it ends by itself
    asks = models.CharField(max_length=170, blank=True, db_default="")  # who can answer, as in `approvers`
    asks_others = models.BooleanField(default=False, db_default=False)  # whoever submitted the run can not answer
    decision = DocumentField(Decision, null=True, blank=True)
    # Of one that has runs made:
    run_items = DocumentField(Items, null=True, blank=True)  # of a list, what its first turn found there
    makes_runs = models.BooleanField(default=False, db_default=False)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)  # it ends when its runs have
    # Of a waiting step: one that does the same work right now, and whose result it means to take.
    shares_with = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    # Of a part of a step that works on several nodes: that step, which puts its parts together.
    part_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="parts", db_index=False
    )

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "name"], name="one_step_run_of_a_name"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["shares_with"], condition=models.Q(shares_with__isnull=False), name="step_by_shared_work"
            ),
            models.Index(fields=["part_of"], condition=models.Q(part_of__isnull=False), name="step_by_whole"),
            models.Index(
                fields=["fingerprint"],
                condition=models.Q(status__in=["queued", "preparing", "running"]),
                name="step_at_work_by_fingerprint",
            ),
            models.Index(
                fields=["fingerprint", "-id"], condition=models.Q(status="completed"), name="step_by_fingerprint"
            ),
            # Ready, but somebody has to look first whether what an earlier run wrote is still there.
            models.Index(
                fields=["run"], condition=models.Q(status="waiting", waiting_for=0), name="step_to_look_after"
            ),
            models.Index(
                fields=["due_at"], condition=models.Q(status="running", due_at__isnull=False), name="step_by_due_time"
            ),
            models.Index(
                fields=["run"], condition=models.Q(status="running") & ~models.Q(asks=""), name="step_that_asks"
            ),
            models.Index(
                fields=["run"], condition=models.Q(status="running", makes_runs=True), name="step_with_runs_under_way"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of run {self.run_id}"

    @property
    def job_owner(self) -> str:
        """What its jobs say whose they are: `job` is the latest, and those of a continued run's earlier tries stay."""
        return f"{JOB_OWNER}{self.pk}"


LONG_OF_STEPS = ("frozen", "outputs", "ingredients", "decision", "run_items")  # columns that no list shows


class ReuseEnd(models.Model):
    """From an instant on nobody takes a step's result again, for somebody said so."""

    step_run = models.OneToOneField(StepRun, on_delete=models.CASCADE, related_name="reuse_end")
    ends_at = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    decided_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"end of reuse of {self.step_run_id}"


class StepEdit(models.Model):
    """Somebody changed what a step runs, between two of its attempts."""

    step_run = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="edits", db_index=False)
    number = models.PositiveSmallIntegerField()  # from 1 for each step
    before = DocumentField(FrozenStep)
    last_attempt = models.PositiveSmallIntegerField()  # the last one that ran `before`; 0 where none had begun
    changes = DocumentField(EditChanges)
    edited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    edited_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["step_run", "number"], name="one_step_edit_of_a_number"),
        ]

    def __str__(self) -> str:
        return f"edit {self.number} of {self.step_run_id}"


class Tag(models.Model):
    """What somebody, or a step itself, says of a run or of one step of it; a property is said once, by the step."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tags", db_index=False)
    step_run = models.ForeignKey(StepRun, on_delete=models.CASCADE, null=True, blank=True, related_name="tags")
    is_property = models.BooleanField(default=False)
    name = models.CharField(max_length=250)
    value = models.CharField(max_length=8000, blank=True)
    set_by = models.ForeignKey(  # null: the step itself, or somebody who is gone
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    set_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "is_property", "name"], condition=models.Q(step_run=None), name="one_tag_of_a_run"
            ),
            models.UniqueConstraint(
                fields=["step_run", "is_property", "name"],
                condition=models.Q(step_run__isnull=False),
                name="one_tag_of_a_step",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["run", "name"], name="tags_by_run")]

    def __str__(self) -> str:
        return f"{self.name}={self.value}" if self.value else self.name


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
    """What a step reads: a version of a dataset or of a model, an output of another step of its run, or a path."""

    step_run = models.ForeignKey(StepRun, on_delete=models.CASCADE, related_name="reads", db_index=False)
    name = models.CharField(max_length=100)
    dataset_version = models.ForeignKey(
        DatasetVersion, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    dataset = models.CharField(max_length=120, blank=True)  # "NAME:VERSION", which stays when the version goes
    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    model = models.CharField(max_length=120, blank=True, db_default="")  # as `dataset`
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
            models.Index(
                fields=["model_version", "-id"],
                condition=models.Q(model_version__isnull=False),
                name="inputs_by_model",
            ),
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
    path = models.CharField(max_length=700)  # the folder, or the file where the output is one
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


class TrashedRun(models.Model):
    """A run in the trash: who put it there, and when it goes."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, primary_key=True, related_name="trash")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    status = models.CharField(max_length=20, choices=TrashStatus, default=TrashStatus.IN_TRASH)
    trashed_at = models.DateTimeField()
    trashed_by = models.ForeignKey(  # null: the workspace's rules, or somebody who is gone
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    why = models.CharField(max_length=200, blank=True)  # the rule, in words; empty where a person did it
    # When it is purged; of one that is being purged, when a worker takes it up again if nobody is at it.
    due_at = models.DateTimeField()
    asked_by = models.ForeignKey(  # who did not want to wait until then
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    asked_at = models.DateTimeField(null=True, blank=True)
    files_gone_at = models.DateTimeField(null=True, blank=True)  # its rows are left, which said where the files were
    failures = models.PositiveIntegerField(default=0)  # tries at the files that came to nothing
    problem = models.TextField(blank=True)  # why the last one did

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["workspace", "-trashed_at"], name="trash_of_workspace"),
            models.Index(fields=["due_at"], name="trash_by_due_time"),
        ]

    def __str__(self) -> str:
        return f"trash: run {self.run_id}"


class SubmitKey(models.Model):
    """By which key of its own a program submitted a run: asking again with the key is answered with that run."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)  # of what was asked, so that a key that is used twice is noticed
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workspace", "user", "key"], name="one_run_of_a_submit_key"),
        ]
        indexes: ClassVar = [models.Index(fields=["created_at"], name="submit_keys_by_age")]

    def __str__(self) -> str:
        return f"{self.key}: run {self.run_id}"


class Pin(models.Model):
    """A run, or a step of it, that is to stay: neither rules nor people put it in the trash."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="pins")
    step_run = models.OneToOneField(StepRun, on_delete=models.CASCADE, null=True, blank=True, related_name="pin")
    note = models.CharField(max_length=500, blank=True)
    pinned_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    pinned_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run"], condition=models.Q(step_run=None), name="one_pin_of_a_run"),
        ]

    def __str__(self) -> str:
        return f"pin of run {self.run_id}"


TRASH_DAYS = 30  # unless the workspace says otherwise


class Retention(models.Model):
    """How long a workspace keeps its runs. Of the rules each is enough to put a run in the trash; null: no rule."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, primary_key=True, related_name="retention")
    trash_days = models.PositiveSmallIntegerField(default=TRASH_DAYS)  # that a run stays in the trash
    keep_days = models.PositiveIntegerField(null=True, blank=True)  # after its end
    keep_runs = models.PositiveIntegerField(null=True, blank=True)  # the newest of each pipeline
    keep_bytes = models.PositiveBigIntegerField(null=True, blank=True)  # of outputs, of all runs together
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    set_at = models.DateTimeField()
    looked_at = models.DateTimeField(null=True, blank=True)  # when the rules were last asked

    def __str__(self) -> str:
        return f"retention of {self.workspace_id}"
