"""What the threads of a node share: its row, the attempts that run, and whether it still may run them."""

import contextlib
import hashlib
import os
import queue
import threading
import uuid
from collections.abc import Iterator

from django.conf import settings

from compute.execution.bounds.step_bounds import Bounds
from compute.execution.folders import AttemptFolders
from compute.execution.handle import Handle
from compute.execution.processes import now_s
from compute.execution.sandbox.isolation import Isolation
from compute.execution.usage.sampler import Sampler
from compute.models import Node
from compute.services.leases import Lease

# Leases count as lost so long before they are: ending a tree takes a moment.
FENCE_MARGIN_S = 2.0


def installation() -> str:
    """Tells the processes of two studios on one machine apart. Says nothing about the key that it is made from."""
    return hashlib.sha256(f"node marker of {settings.SECRET_KEY} in {settings.STUDIO_HOME}".encode()).hexdigest()[:12]


def fence_after_s() -> float:
    """So long after the last renewal the node stops believing in its leases."""
    lease_s: float = settings.NODE_LEASE_S
    return max(lease_s - FENCE_MARGIN_S, lease_s / 2)


class NodeContext:
    """One per process."""

    def __init__(self, node: Node, isolation: Isolation, bounds: Bounds | None = None) -> None:
        self.node, self.isolation = node, isolation
        self.bounds = bounds or Bounds()
        self.sampler = Sampler()
        self.stopping = threading.Event()
        self.renewed_s = now_s()
        self.litter: queue.SimpleQueue[AttemptFolders | None] = queue.SimpleQueue()  # for the janitor
        self.guardian: int | None = None  # a pipe: it hears of every renewal
        self.running: dict[uuid.UUID, tuple[Lease, Handle]] = {}
        self._asides: list[Handle] = []
        self._was_busy = False
        self._lock = threading.Lock()

    @staticmethod
    def marker_of_node(node: Node) -> str:
        """What the markers of all processes of this node, of any incarnation, begin with."""
        return f"{installation()}/{node.pk}/"

    @property
    def marker(self) -> str:
        """What the markers of all processes of this incarnation begin with."""
        return f"{self.marker_of_node(self.node)}{self.node.incarnation.hex}/"

    @property
    def is_fenced(self) -> bool:
        """Whether the leases could not be renewed for so long that others may have taken the jobs."""
        return now_s() - self.renewed_s > fence_after_s()

    def renewed(self, at_s: float) -> None:
        """The leases hold from `at_s` on: the moment before the database was asked."""
        self.renewed_s = at_s
        if self.guardian is not None:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self.guardian, b".")

    def fence(self) -> None:
        """Whatever runs counts for nothing any more: end it, and tell nobody how it ended."""
        for _, handle in self.attempts():
            handle.ask("fence")

    def begin(self, lease: Lease) -> Handle:
        handle = Handle(f"{self.marker}{lease.token.hex}")
        with self._lock:
            self.running[lease.token] = (lease, handle)
            self._was_busy = True
        if self.stopping.is_set():
            handle.ask("stop")
        return handle

    def end(self, lease: Lease) -> None:
        with self._lock:
            _, handle = self.running.pop(lease.token)
        handle.close()

    @contextlib.contextmanager
    def aside(self, name: str) -> Iterator[Handle]:
        """For processes that no lease speaks for. They end when the node stops; no wish of a lost lease is for them."""
        handle = Handle(f"{self.marker}{name}")
        with self._lock:
            self._asides.append(handle)
        if self.stopping.is_set():
            handle.ask("stop")
        try:
            yield handle
        finally:
            with self._lock:
                self._asides.remove(handle)
            handle.close()

    def markers(self) -> set[str]:
        """Of all whose processes may run."""
        with self._lock:
            return {handle.marker for handle in self._asides} | {handle.marker for _, handle in self.running.values()}

    def attempts(self) -> list[tuple[Lease, Handle]]:
        with self._lock:
            return list(self.running.values())

    def was_busy(self) -> bool:
        """Whether anything has run since this was asked last."""
        with self._lock:
            was, self._was_busy = self._was_busy, bool(self.running or self._asides)
            return was

    def cancel(self, job_ids: set[int]) -> None:
        for lease, handle in self.attempts():
            if lease.job_id in job_ids:
                handle.ask("cancel")

    def stop(self) -> None:
        """No new jobs; those that run are ended and handed back."""
        self.stopping.set()
        for handle in [*(handle for _, handle in self.attempts()), *self._asides]:
            handle.ask("stop")


current: NodeContext | None = None  # where this process is a node
