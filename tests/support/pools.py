"""Pools for tests: made as they are, and watched."""

from typing import Any

from compute.models import Job, PoolNode
from compute.pools.spec import PoolSpec
from compute.states import POOL_NODE_LIVE, TERMINAL, PoolNodeStatus
from studio.lib.secrets import Sealed
from tests.support.compute import Compute


class Pool(Compute):
    """A workspace whose target is a pool."""

    def __init__(self, *, slots: int = 1, secrets: dict[str, str] | None = None, **spec: Any) -> None:
        super().__init__(slots=slots)
        self.target.kind = "pool"
        self.target.pool = PoolSpec(**spec)
        self.target.credentials = Sealed.seal(secrets) if secrets else None
        self.target.save()

    def change(self, **spec: Any) -> None:
        self.target.pool = self.target.pool.model_copy(update=spec)
        self.target.save()

    def rows(self, *statuses: PoolNodeStatus) -> list[PoolNode]:
        rows = PoolNode.objects.filter(target=self.target, status__in=statuses or POOL_NODE_LIVE)
        return list(rows.order_by("id"))

    @property
    def up(self) -> int:
        return len(self.rows(PoolNodeStatus.UP))

    @property
    def live(self) -> int:
        return len(self.rows())

    def left(self) -> int:
        """Jobs that are not over."""
        return Job.objects.filter(target=self.target).exclude(status__in=TERMINAL).count()

    def told(self) -> list[str]:
        """The pool's events, the oldest first."""
        return list(self.target.pool_events.order_by("id").values_list("message", flat=True))
