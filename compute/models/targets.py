"""Where work runs: targets, their nodes, and what these say of themselves."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from compute.node_records import NodeLines, NodePoints
from compute.pools.spec import PoolSpec, SshHost
from compute.spec import Gpu, Gpus
from compute.states import (
    POOL_NODE_LIVE,
    Intake,
    KeptBy,
    NodeIsolation,
    PoolNodeStatus,
)
from studio.lib.secrets import SealedField
from studio.lib.typed_json import DocumentField
from studio.workspaces.models import NAME, Workspace


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
