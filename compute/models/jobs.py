"""The work, its attempts, and what they said and used."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from compute.execution.usage.series import UsageSeries
from compute.models.targets import ComputeTarget, Node
from compute.spec import JobResult, JobSpec
from compute.states import (
    JobStatus,
)
from studio.lib.typed_json import DocumentField
from studio.workspaces.models import Workspace

# A finished log longer than this moves out of the database into a file.
LOG_ARCHIVE_BYTES = 1024**2


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
    apart = models.CharField(max_length=100, blank=True, db_default="")  # no node runs two that say the same here
    created_at = models.DateTimeField(auto_now_add=True)
    queued_at = models.DateTimeField()
    not_before = models.DateTimeField(null=True, blank=True)  # queued, but another attempt has to wait until then
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    attempt_number = models.PositiveSmallIntegerField(default=0)  # of the latest attempt of its owner; 0 before any
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
            # None of these is over, so this stays small, too.
            models.Index(fields=["id"], condition=models.Q(status="held"), name="job_held"),
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
    kept = DocumentField(JobResult, null=True, blank=True)  # what stays of one that came to nothing
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
    metric_points = models.PositiveIntegerField(default=0, db_default=0)  # of all its series

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
