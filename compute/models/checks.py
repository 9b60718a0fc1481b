"""Connection tests of datastores from a node."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from compute.models.targets import ComputeTarget
from compute.states import (
    CheckStatus,
)
from datastores.models import Datastore


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
