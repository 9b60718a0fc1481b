"""What attempts measured."""

from typing import ClassVar

from django.db import models

from compute.models.jobs import Attempt


class Metric(models.Model):
    """Something that an attempt measured, by name. Its values stand in chunks.

    `last`, `low` and `high` are numbers as Python writes them, for not every database knows what is not a number; the
    latter two leave out what is not finite. Empty: there is none.
    """

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="metrics", db_index=False)
    name = models.CharField(max_length=250)
    kind = models.CharField(max_length=20)  # a `compute.metrics.said.MetricKind`
    position = models.PositiveIntegerField()  # in the order in which they came
    count = models.PositiveIntegerField(default=0)  # of points, list values, table rows, documents, pictures
    last = models.CharField(max_length=32, blank=True)
    low = models.CharField(max_length=32, blank=True)
    high = models.CharField(max_length=32, blank=True)
    last_step = models.BigIntegerField(null=True, blank=True)
    not_finite = models.PositiveIntegerField(default=0)  # points that are not a number, or infinite
    # A client of the web server writes it (`compute.metrics.from_clients`), not the node. `last` is of its last step.
    by_client = models.BooleanField(default=False, db_default=False)
    last_at_ms = models.BigIntegerField(null=True, blank=True)  # when the client says it measured `last`

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["attempt", "name"], name="one_metric_of_a_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.attempt_id}"


class MetricChunk(models.Model):
    """A stretch of a metric: packed points with a summary of them, JSON values, or the bytes of one picture."""

    metric = models.ForeignKey(Metric, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    seq = models.PositiveIntegerField()
    start = models.PositiveIntegerField()  # number of its first point or value
    count = models.PositiveIntegerField()
    step_min = models.BigIntegerField(null=True)
    step_max = models.BigIntegerField(null=True)
    summary = models.BinaryField(null=True)  # of points: `compute.metrics.points.summary`
    data = models.BinaryField()
    times = models.BinaryField(null=True)  # of points of a client: when it measured each, packed milliseconds

    class Meta:
        ordering: ClassVar = ["seq"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["metric", "seq"], name="one_metric_chunk_of_a_number"),
        ]

    def __str__(self) -> str:
        return f"chunk {self.seq} of {self.metric_id}"
