"""Which nodes live. One clock decides, the database's: the clocks of machines may differ."""

from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from compute.models import Node


def alive_nodes(nodes: QuerySet[Node]) -> QuerySet[Node]:
    """Those of `nodes` that did not say goodbye and were heard of within a lease's length."""
    return nodes.filter(stopped_at=None, heartbeat_at__gt=Now() - timedelta(seconds=settings.NODE_LEASE_S))
