"""Keeps a node alive in the database, and ends its work where that fails.

Two threads. The keeper renews leases and hears requests, and may have to wait for the database. The fence never waits
for anything but the clock: it ends everything as soon as the leases could have been given to somebody else.
"""

import logging
import os
import signal
import threading
import uuid

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connection

from compute import doorbell
from compute.execution.processes import MARKER, kill_until_gone, marker_of, now_s
from compute.execution.supervision import orphans, reap_orphans
from compute.execution.warm import pool
from compute.models import Job
from compute.node import builder, checker
from compute.node.context import NodeContext, fence_after_s
from compute.node.records import Records
from compute.services.builds import builds_wait
from compute.services.checks import checks_wait
from compute.services.clock import follow_the_database
from compute.services.leases import lose
from compute.services.nodes import heartbeat, held_jobs, stop_is_requested
from compute.services.usage import note_usage
from compute.states import ACTIVE

logger = logging.getLogger(__name__)

_NEWS_EVERY_S = 1.0


class Keeper(threading.Thread):
    """Renews every lease of the node with one UPDATE a heartbeat."""

    def __init__(self, context: NodeContext, records: Records) -> None:
        super().__init__(name="keeper", daemon=True)
        self.context = context
        self._records = records
        self.over = threading.Event()
        self._unknown: set[uuid.UUID] = set()  # leases that no thread of ours runs, seen at the last heartbeat

    def run(self) -> None:
        next_beat_s = now_s() + settings.NODE_HEARTBEAT_S
        while not self.over.wait(max(0.0, min(_NEWS_EVERY_S, next_beat_s - now_s()))):
            doorbell.send_held_news()
            if now_s() < next_beat_s:
                continue
            next_beat_s = now_s() + settings.NODE_HEARTBEAT_S
            try:
                close_old_connections()
                self.beat()
                self._end_strays()
            except DatabaseFailure as error:
                logger.warning("could not renew the leases, trying again: %s", error)
                connection.close()
                next_beat_s = now_s() + min(1.0, settings.NODE_HEARTBEAT_S)
            except Exception:
                logger.exception("a heartbeat broke, trying again")
        connection.close()

    def beat(self) -> None:
        """One heartbeat."""
        began_s = now_s()
        was_fenced = self.context.is_fenced
        if was_fenced:
            # The leases may be renewed now, but meanwhile others may have had them, and the guardian ended the steps.
            self.context.fence()
        if not heartbeat(self.context.node, was_busy=self.context.was_busy(), also=self._records.write):
            logger.error(
                "node %s has been replaced (another process serves under its name, or its pool gave it up): it stops",
                self.context.node.name,
            )
            self.context.fence()
            self.context.stop()
            os.kill(os.getpid(), signal.SIGTERM)
            return
        self.context.renewed(began_s)
        if was_fenced and pool.current is not None:
            pool.current.pardon()
        self._records.wrote()
        follow_the_database()
        if stop_is_requested(self.context.node):
            logger.info("somebody asked node %s to stop: it does", self.context.node.name)
            self.context.stop()
            os.kill(os.getpid(), signal.SIGTERM)
            return
        if checks_wait(self.context.node):
            checker.look(self.context)
        if builds_wait(self.context.node):
            builder.look(self.context)
        # In this order: an attempt that runs has had its lease since before the leases are read.
        running = self.context.attempts()
        held = held_jobs(self.context.node)
        for lease, handle in running:
            if lease.token not in held:
                handle.ask("fence")  # somebody else has its job now, or may have
            elif held[lease.token]:
                handle.ask("cancel")
        note_usage(self.context.sampler.unsaved())
        self._hand_back_unknown(set(held))

    def _hand_back_unknown(self, held: set[uuid.UUID]) -> None:
        """Leases that nobody here speaks for: of fenced attempts, or of a claim whose answer got lost on its way."""
        unknown = held - {lease.token for lease, _ in self.context.attempts()}
        certain, self._unknown = unknown & self._unknown, unknown
        for job in Job.objects.filter(lease_token__in=certain, status__in=ACTIVE).select_related("lease_node"):
            lose(job, "it was out of touch with the database for a while")

    def _end_strays(self) -> None:
        """Adopted processes of attempts that are over: they hid when their attempt ended."""
        reap_orphans()
        tokens = self.context.markers()

        def strays() -> set[int]:
            reap_orphans()
            marks = {pid: marker_of(pid) for pid in orphans()}
            # Without a marker nobody can say whose it is; with no attempt running it is nobody's.
            return {pid for pid, mark in marks.items() if (mark not in tokens if mark else not tokens)}

        if found := strays():
            logger.warning("ending %d processes that an attempt left behind (%s)", len(found), MARKER)
            kill_until_gone(strays, give_up_s=2.0)


class Fence(threading.Thread):
    """Ends all that runs once the leases could not be renewed in time. Touches no database."""

    def __init__(self, context: NodeContext) -> None:
        super().__init__(name="fence", daemon=True)
        self.context = context
        self.over = threading.Event()
        self._said = False

    def run(self) -> None:
        while not self.over.wait(min(0.5, fence_after_s() / 10)):
            if not self.context.is_fenced:
                self._said = False
            elif self.context.running:
                # Each time: an attempt may begin or go on in spite of it, and the last ones wait to be told their end.
                self.context.fence()
                self._say()

    def _say(self) -> None:
        if not self._said:
            self._said = True
            logger.error("the leases could not be renewed in time: everything that runs is ended")


class Janitor(threading.Thread):
    """Removes the folders of attempts that are over: nobody waits for it, and a disk can be slow."""

    def __init__(self, context: NodeContext) -> None:
        super().__init__(name="janitor", daemon=True)
        self.context = context

    def run(self) -> None:
        while (folders := self.context.litter.get()) is not None:
            try:
                folders.remove()
            except OSError as error:
                logger.warning("could not remove %s, the node's next start tries again: %s", folders.root, error)

    def stop(self) -> None:
        """After what is in its hands, for a moment at most: the next start removes the rest."""
        self.context.litter.put(None)
        if self.is_alive():
            self.join(1.0)
