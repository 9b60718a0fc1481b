"""Where work runs (targets and their nodes), with what (environments), the work (jobs), and what it said (logs)."""

from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from compute.execution.usage.series import UsageSeries
from compute.node_records import NodeLines, NodePoints
from compute.pools.spec import PoolSpec, SshHost
from compute.spec import EnvironmentLock, EnvironmentSpec, Gpu, Gpus, JobResult, JobSpec
from compute.states import (
    POOL_NODE_LIVE,
    BuildStatus,
    CheckStatus,
    Intake,
    JobStatus,
    KeptBy,
    NodeIsolation,
    PoolNodeStatus,
    QuotaScope,
)
from datastores.models import Datastore
from studio.lib.secrets import SealedField
from studio.lib.typed_json import DocumentField
from studio.workspaces.models import NAME, Workspace

# A finished log longer than this moves out of the database into a file.
LOG_ARCHIVE_BYTES = 1024**2


class LiveTargets(models.Manager["ComputeTarget"]):
    """Every target that was not removed. A job still reaches its removed target: foreign keys use the base manager."""

    def get_queryset(self) -> models.QuerySet["ComputeTarget"]:
        return super().get_queryset().filter(deleted_at=None)


class ComputeTarget(models.Model):
    """A place to run jobs: of its workspace (without one: of the studio), and of those that it is shared with."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, null=True, blank=True, related_name="targets")
    name = models.CharField(max_length=100, validators=[NAME])
    description = models.CharField(max_length=500, blank=True)
    kind = models.CharField(max_length=40, default="local")
    slots = models.PositiveSmallIntegerField(default=2)  # jobs at once on each node
    intake = models.CharField(max_length=20, choices=Intake, default=Intake.OPEN)
    shared_with_all = models.BooleanField(default=False)
    shared_with: "models.ManyToManyField[Workspace, models.Model]" = models.ManyToManyField(
        Workspace, related_name="shared_targets", blank=True
    )
    pool = DocumentField(PoolSpec, null=True, blank=True)  # of a pool
    credentials = SealedField(null=True, blank=True)  # with which a pool signs in to its hosts
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True)  # its jobs stay, and go on naming it

    objects = LiveTargets()

    class Meta:
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "name"], condition=models.Q(deleted_at=None), name="one_target_of_a_name"
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(workspace=None, deleted_at=None),
                name="one_shared_target_of_a_name",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def queue(self) -> str:
        """The Celery queue that this target's nodes listen to."""
        return f"compute.{self.pk}"


class Node(models.Model):
    """A worker process of a target, on some machine. It lives as long as its heartbeat is recent."""

    target = models.ForeignKey(ComputeTarget, on_delete=models.CASCADE, related_name="nodes")
    name = models.CharField(max_length=200)  # unique within its target
    incarnation = models.UUIDField()  # new at each start of the process
    hostname = models.CharField(max_length=200)
    pid = models.PositiveIntegerField()
    slots = models.PositiveSmallIntegerField()
    intake = models.CharField(max_length=20, choices=Intake, default=Intake.OPEN)
    # What it has to give to the jobs that ask for some of it. Null: nobody knows.
    cpus = models.FloatField(null=True, blank=True)
    memory_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    gpus = DocumentField(Gpus, null=True, blank=True)
    machine = models.CharField(max_length=100, blank=True)  # nodes with an equal one share its devices
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True)  # it said goodbye
    draining_at = models.DateTimeField(null=True, blank=True)  # it claims nothing since then
    busy_at = models.DateTimeField(null=True, blank=True)  # it ran something then, to within a heartbeat
    protocol = models.PositiveIntegerField(default=0)  # what it speaks, see `compute.protocol`; 0: it did not say
    version = models.CharField(max_length=40, blank=True)  # of the studio that it was started from
    stop_requested_at = models.DateTimeField(null=True, blank=True)  # somebody wants it stopped, and it to stay so
    kept_by = models.CharField(max_length=20, choices=KeptBy, default=KeptBy.HAND)  # who starts it when it is gone
    isolation = models.CharField(max_length=20, choices=NodeIsolation, blank=True)  # of its steps, one from another
    isolation_note = models.CharField(max_length=500, blank=True)  # why no better

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["target", "name"], name="one_node_of_a_name"),
        ]
        indexes: ClassVar = [models.Index(fields=["machine"], name="node_by_machine")]

    def __str__(self) -> str:
        return self.name

    @property
    def devices(self) -> list[Gpu]:
        """The GPUs that it gives out."""
        return list(self.gpus.devices) if self.gpus else []


class SpokenProtocol(models.Model):
    """One row: what the studio's own processes speak. A node of another number is refused."""

    number = models.PositiveIntegerField()
    version = models.CharField(max_length=40)

    def __str__(self) -> str:
        return f"protocol {self.number}, studio {self.version}"


class PoolNode(models.Model):
    """A node that a pool wants, from the wish until nothing is left of it. Written before anything is started."""

    target = models.ForeignKey(ComputeTarget, on_delete=models.CASCADE, related_name="pool_nodes")
    name = models.CharField(max_length=200)  # of its node
    provider = models.CharField(max_length=20)
    host = models.CharField(max_length=400, blank=True)  # where; empty until somebody took it
    place = DocumentField(SshHost, null=True, blank=True)  # how that is reached: its pool may forget it
    slots = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=20, choices=PoolNodeStatus, default=PoolNodeStatus.STARTING)
    phase = models.CharField(max_length=300, blank=True)  # how far a start has come, in words
    reason = models.TextField(blank=True)  # why it goes, went, or failed
    source = models.CharField(max_length=64, blank=True)  # the digest of the studio that it was started from
    node = models.ForeignKey(Node, on_delete=models.SET_NULL, null=True, blank=True, related_name="pool_nodes")
    created_at = models.DateTimeField(auto_now_add=True)
    up_at = models.DateTimeField(null=True, blank=True)
    stopping_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # Whoever starts or stops it holds this until then: one at a time, and the next one where that one died.
    worked_on_until = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)  # in a row, of what the provider was asked
    # It failed, and something of it may still be there: whoever can reach it removes it.
    must_clear = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["target", "name"],
                condition=models.Q(status__in=sorted(POOL_NODE_LIVE)),
                name="one_pool_node_of_a_name",
            ),
        ]
        indexes: ClassVar = [
            # Few are live, and few are to be cleared, however many there have been.
            models.Index(fields=["target"], condition=models.Q(status__in=sorted(POOL_NODE_LIVE)), name="pool_live"),
            models.Index(fields=["target"], condition=models.Q(must_clear=True), name="pool_to_clear"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.status})"


class PoolEvent(models.Model):
    """What a pool did or could not do, for people. The same thing again only counts on."""

    target = models.ForeignKey(ComputeTarget, on_delete=models.CASCADE, related_name="pool_events")
    is_problem = models.BooleanField(default=False)
    node_name = models.CharField(max_length=200, blank=True)
    host = models.CharField(max_length=400, blank=True)
    message = models.TextField()
    first_at = models.DateTimeField()
    at = models.DateTimeField()
    times = models.PositiveIntegerField(default=1)

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        indexes: ClassVar = [models.Index(fields=["target", "-at", "-id"], name="pool_events_newest")]

    def __str__(self) -> str:
        return self.message


class NodeSample(models.Model):
    """A few minutes of how a node's machine was used. Rows older than an hour go."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="samples", db_index=False)
    began_at = models.DateTimeField(db_index=True)  # of its first point, by the database's clock
    points = DocumentField(NodePoints)

    class Meta:
        ordering: ClassVar = ["began_at"]
        indexes: ClassVar = [models.Index(fields=["node", "began_at"], name="node_sample_by_time")]

    def __str__(self) -> str:
        return f"use of {self.node_id} from {self.began_at}"


class NodeLog(models.Model):
    """What a node's process said between two heartbeats. Of each node the newest rows stay."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="logs", db_index=False)
    incarnation = models.UUIDField()
    lines = DocumentField(NodeLines)
    line_count = models.PositiveIntegerField()
    size_bytes = models.PositiveIntegerField()

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [models.Index(fields=["node", "-id"], name="node_log_newest")]

    def __str__(self) -> str:
        return f"log of {self.node_id}"


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


class Job(models.Model):
    """One command to run on a target. `owner` is the caller's own name for it: compute never looks inside."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="jobs")
    # Its index is `job_by_target`, which tells what is over from what is not.
    target = models.ForeignKey(ComputeTarget, on_delete=models.RESTRICT, related_name="jobs", db_index=False)
    owner = models.CharField(max_length=100)
    title = models.CharField(max_length=200)  # for people: what is this job
    spec = DocumentField(JobSpec)
    status = models.CharField(max_length=20, choices=JobStatus, default=JobStatus.QUEUED)
    priority = models.SmallIntegerField(default=0)  # higher first
    # Who waits for it: their jobs take turns with those of others. Its index is `job_active`, for what runs.
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    # What it asks for, as its specification says, where the claim can read it.
    cpus = models.FloatField(null=True, blank=True)
    memory_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    gpus = models.PositiveSmallIntegerField(default=0)
    lane = models.BigIntegerField(default=0)  # jobs of one target and lane are alike for the queue: only age counts
    created_at = models.DateTimeField(auto_now_add=True)
    queued_at = models.DateTimeField()
    not_before = models.DateTimeField(null=True, blank=True)  # queued, but another attempt has to wait until then
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    attempt_number = models.PositiveSmallIntegerField(default=0)  # of the latest attempt; 0 before the first
    max_attempts = models.PositiveSmallIntegerField(default=1)  # for failures of the command
    failures = models.PositiveSmallIntegerField(default=0)  # attempts that ended by the command's own fault
    node_losses = models.PositiveSmallIntegerField(default=0)  # attempts that ended with their node
    max_node_losses = models.PositiveSmallIntegerField(default=2)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    # The lease: who may speak for the job now. A late finisher's token no longer matches.
    lease_token = models.UUIDField(null=True, blank=True)
    lease_node = models.ForeignKey(Node, on_delete=models.SET_NULL, null=True, blank=True, related_name="jobs")
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    lease_gpus = models.TextField(blank=True)  # keys of the devices that it was given, separated by commas
    exit_code = models.IntegerField(null=True, blank=True)  # negative: ended by that signal
    reason = models.TextField(blank=True)  # why it failed or was cancelled, in words
    result = DocumentField(JobResult, null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["target", "lane", "queued_at", "id"], condition=models.Q(status="queued"), name="job_lanes"
            ),
            # No more rows than there are slots.
            models.Index(
                fields=["workspace", "requested_by"],
                condition=models.Q(status__in=["preparing", "running"]),
                name="job_active",
            ),
            models.Index(fields=["target", "status"], name="job_by_target"),
            # Only a job that is prepared or runs has a lease, so this stays small however much is over.
            models.Index(
                fields=["lease_expires_at"], condition=models.Q(lease_expires_at__isnull=False), name="job_leases"
            ),
            models.Index(fields=["owner"], name="job_owner"),
        ]

    def __str__(self) -> str:
        return f"job {self.pk}: {self.title}"


class Turn(models.Model):
    """When a person was last served on a target while others waited too: who waits longest for a turn is next."""

    target = models.ForeignKey(ComputeTarget, on_delete=models.CASCADE, related_name="+", db_index=False)
    person = models.BigIntegerField()  # a user's key; 0 for jobs of nobody
    served_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["target", "person"], name="one_turn_of_a_person"),
        ]

    def __str__(self) -> str:
        return f"turn of {self.person} on {self.target_id}"


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


class Attempt(models.Model):
    """One try at a job, with a log of its own."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    node_name = models.CharField(max_length=200)
    gpus = models.TextField(blank=True)  # ids of the devices that it was given, separated by commas
    claimed_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)  # of the process
    finished_at = models.DateTimeField(null=True, blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    reason = models.TextField(blank=True)
    # What all its processes used together; null where nobody could tell.
    peak_memory_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    cpu_s = models.FloatField(null=True, blank=True)
    read_bytes = models.PositiveBigIntegerField(null=True, blank=True)  # from disks
    written_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    log_bytes = models.PositiveBigIntegerField(default=0)
    log_lines = models.PositiveBigIntegerField(default=0)  # newlines so far
    log_open = models.BooleanField(default=False)  # the last line has no newline yet
    log_complete = models.BooleanField(default=False)
    log_archive = models.CharField(max_length=300, blank=True)  # the archive's path below STUDIO_HOME once moved out

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "number"], name="one_attempt_of_a_number"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["id"],
                condition=models.Q(log_complete=True, log_archive="", log_bytes__gt=LOG_ARCHIVE_BYTES),
                name="attempt_log_to_archive",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of job {self.job_id}"


class AttemptUsage(models.Model):
    """What an attempt used over time. Attempts that were over within a moment have none."""

    attempt = models.OneToOneField(Attempt, on_delete=models.CASCADE, primary_key=True, related_name="usage")
    series = DocumentField(UsageSeries)
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"usage of {self.attempt_id}"


class LogChunk(models.Model):
    """A stretch of an attempt's log. Line numbers count from 0; a line may go on in the next chunk."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="chunks")
    seq = models.PositiveIntegerField()
    byte_start = models.PositiveBigIntegerField()
    byte_count = models.PositiveIntegerField()
    line_start = models.PositiveBigIntegerField()  # the line that the first byte belongs to
    newline_count = models.PositiveIntegerField()
    # Runs of one stream: [[byte count, "o" | "e" | "s"], …] for stdout, stderr and the studio's own lines.
    streams = models.JSONField()
    data = models.BinaryField(null=True)  # one gzip member; null once archived
    archive_start = models.PositiveBigIntegerField(null=True)
    archive_count = models.PositiveIntegerField(null=True)

    class Meta:
        ordering: ClassVar = ["seq"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["attempt", "seq"], name="one_log_chunk_of_a_number"),
        ]
        indexes: ClassVar = [models.Index(fields=["attempt", "line_start"], name="log_chunk_by_line")]

    def __str__(self) -> str:
        return f"chunk {self.seq} of {self.attempt_id}"


class ConnectionCheck(models.Model):
    """A wish to know whether the nodes of a target reach a datastore, and the answer of the node that took it."""

    datastore = models.ForeignKey(Datastore, on_delete=models.CASCADE, related_name="+")
    target = models.ForeignKey(ComputeTarget, on_delete=models.CASCADE, related_name="+")
    status = models.CharField(max_length=20, choices=CheckStatus, default=CheckStatus.QUEUED)
    node_name = models.CharField(max_length=200, blank=True)  # who took it
    message = models.TextField(blank=True)  # for people, once it is over
    loc = models.CharField(max_length=200, blank=True)  # the field that is to blame, as in `config.host`
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(
                fields=["target"], condition=models.Q(status__in=["queued", "running"]), name="checks_under_way"
            ),
        ]

    def __str__(self) -> str:
        return f"check {self.pk} of datastore {self.datastore_id}"
