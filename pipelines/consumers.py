"""The sockets: what happens in one run, and which lists of a workspace have changed.

A nudge says only that there is something; what it was is read from the database, after the number that this watcher
had last. So a lost nudge costs a delay, and a burst of them one read.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import Error as DatabaseFailure
from django.http import Http404

from compute.logs.reading import total_lines
from compute.queries import targets_of
from pipelines import queries
from pipelines.models import StepRun
from studio.workspaces.access import Access, authorise
from studio.workspaces.models import Membership, User
from studio.workspaces.permissions import Permission

SIGNED_OUT, REFUSED, NOT_FOUND = 4401, 4403, 4404  # close codes, as their HTTP cousins
logger = logging.getLogger(__name__)

RUN_PAUSE_S = 0.05  # between two messages about one run
METRICS_PAUSE_S = 1.0  # between two messages that a run's steps measured something
LISTS_PAUSE_S = 0.3  # between two messages about lists
AGAIN_S = 1.0  # after the database did not answer
MEMBER_CHECK_S = 15.0  # how long a removed member may still hear that a list has changed or a log has grown
MAX_MESSAGE = 16 * 1024
MAX_WATCHED = 100


class BadMessageError(Exception):
    """What the client said makes no sense; the sentence is for its developer."""


class WorkspaceConsumer(AsyncJsonWebsocketConsumer):
    """Base of a workspace's sockets: who may in, and answers to messages that make no sense."""

    access: Access

    async def connect(self) -> None:
        # Accepted first, for a browser sees the code of a close and not the status of a refusal.
        await self.accept()
        self.user = cast("User | AnonymousUser", self.scope["user"])
        if not self.user.is_authenticated:
            await self.close(SIGNED_OUT)
            return
        try:
            await self.enter()
        except Http404:
            await self.close(NOT_FOUND)
        except PermissionDenied:
            await self.close(REFUSED)

    async def enter(self) -> None:
        """Raises Http404 or PermissionDenied where this person has no business here."""
        slug = self.scope["url_route"]["kwargs"]["slug"]
        self.access = await database_sync_to_async(authorise)(self.user, slug, Permission.VIEW)
        self.checked_at = time.monotonic()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_more: Any) -> None:  # noqa: ARG002
        try:
            await self.hear(_object(text_data))
        except BadMessageError as error:
            await self.send_json({"type": "error", "detail": str(error)})

    async def hear(self, message: dict[str, Any]) -> None:
        raise NotImplementedError

    async def is_turned_away(self, *, not_again_within_s: float = 0.0) -> bool:
        """Close the socket, and say so, where the person is no member any more."""
        now = time.monotonic()
        if now - self.checked_at < not_again_within_s:
            return False
        self.checked_at = now
        if await database_sync_to_async(self.is_member)():
            return False
        await self.close(NOT_FOUND)
        return True

    def is_member(self) -> bool:
        """Whether the person still is a member. Reads the database."""
        membership = Membership.objects.filter(workspace=self.access.workspace, user=self.access.user)
        return membership.filter(user__is_active=True).exists()


class RunConsumer(WorkspaceConsumer):
    """One run: its events after the number that the client had last, and how long a watched log is."""

    async def connect(self) -> None:
        self.last_seq: int | None = None  # None: the client has not said yet what it has
        self.watched: _WatchedLog | None = None
        self.events = _Soon(RUN_PAUSE_S, self.send_events)
        self.log = _Soon(RUN_PAUSE_S, self.send_log)
        self.measured: set[str] = set()  # steps of which there are metrics that the client was not told of
        self.metrics = _Soon(METRICS_PAUSE_S, self.send_measured)
        await super().connect()

    async def enter(self) -> None:
        await super().enter()
        run_id = self.scope["url_route"]["kwargs"]["run_id"]
        self.run = await database_sync_to_async(queries.run_of)(self.access.workspace, run_id)
        await self.channel_layer.group_add(f"run.{self.run.pk}", self.channel_name)

    async def disconnect(self, code: int) -> None:  # noqa: ARG002
        await _stop(*(getattr(self, name, None) for name in ("events", "log", "metrics")))
        if hasattr(self, "run"):
            await self.channel_layer.group_discard(f"run.{self.run.pk}", self.channel_name)
        if getattr(self, "watched", None):
            await self.watch(None)

    async def hear(self, message: dict[str, Any]) -> None:
        if not hasattr(self, "run"):  # still open for the moment that its close takes
            return
        match message:
            case {"type": "since", "seq": int(seq)} if 0 <= seq < 2**53 and not isinstance(seq, bool):
                self.last_seq = seq
                await self.send_events(answer=True)
            case {"type": "watch_log", "step": str(name)} if name:
                await self.watch(name)
            case {"type": "watch_log", "step": None}:
                await self.watch(None)
            case _:
                raise BadMessageError('Say {"type": "since", "seq": N} or {"type": "watch_log", "step": NAME or null}.')

    async def run_changed(self, _message: dict[str, Any]) -> None:
        if self.last_seq is not None:
            self.events.ask()

    async def run_measured(self, message: dict[str, Any]) -> None:
        if self.last_seq is not None:
            self.measured.add(message["step"])
            self.metrics.ask()

    async def log_grew(self, message: dict[str, Any]) -> None:
        if self.watched is None or message["job_id"] != self.watched.job_id:
            return
        self.watched.news = {name: message[name] for name in ("attempt", "lines", "bytes", "complete")}
        self.log.ask()

    async def send_events(self, *, answer: bool = False) -> None:
        """Send what came after the last that was sent; as an answer, even where it is nothing."""
        while True:
            asked_from = self.last_seq or 0
            events = await database_sync_to_async(self._read_events)(asked_from)
            if events is None:
                await self.close(NOT_FOUND)
                return
            if self.last_seq != asked_from:  # the client asked anew meanwhile
                return
            if events:
                self.last_seq = events[-1]["seq"]
            if events or answer:
                await self.send_json({"type": "events", "events": events, "last_event": self.last_seq})
            await self._follow_watched(events)
            if len(events) < queries.MAX_EVENTS:
                return
            answer = False

    async def send_log(self) -> None:
        if await self.is_turned_away(not_again_within_s=MEMBER_CHECK_S):
            return
        if self.watched is not None:
            await self.send_json({"type": "log", "step": self.watched.step, **self.watched.news})

    async def send_measured(self) -> None:
        if await self.is_turned_away(not_again_within_s=MEMBER_CHECK_S):
            return
        steps, self.measured = sorted(self.measured), set()
        await self.send_json({"type": "metrics", "steps": steps})

    async def watch(self, name: str | None) -> None:
        """Hear of this step's log, and of no other's."""
        old, self.watched = self.watched, None
        if old is not None and old.job_id is not None:
            await self.channel_layer.group_discard(f"log.{old.job_id}", self.channel_name)
        if name is None or await self.is_turned_away():
            return
        watched = await database_sync_to_async(self._read_log)(name)
        if watched is None:
            raise BadMessageError("This run has no such step.")
        if watched.job_id is not None:
            await self.channel_layer.group_add(f"log.{watched.job_id}", self.channel_name)
            # Read again: it may have grown, for the last time, between the first look and hearing of it.
            watched = await database_sync_to_async(self._read_log)(name) or watched
        self.watched = watched
        await self.send_log()

    async def _follow_watched(self, events: Iterable[dict[str, Any]]) -> None:
        """A watched step that only now got its job, or another attempt, has a log to hear of."""
        watched = self.watched
        if watched is None:
            return
        said = [event for event in events if event["kind"] == "step" and event["step"] == watched.step]
        if said and (said[-1]["job_id"] != watched.job_id or said[-1]["attempt"] != watched.news["attempt"]):
            await self.watch(watched.step)

    def _read_events(self, after: int) -> list[dict[str, Any]] | None:
        """None: this person is no member any more."""
        return queries.events_after(self.run, after) if self.is_member() else None

    def _read_log(self, name: str) -> "_WatchedLog | None":
        # A name with NUL is no step's, and PostgreSQL would not even look.
        name = name.replace("\0", " ")
        step = StepRun.objects.filter(run_id=self.run.pk, name=name).only("id", "job_id", "finished_at").first()
        if step is None:
            return None
        attempts = queries.attempts_of(step)
        if not attempts:
            done = step.finished_at is not None
            return _WatchedLog(name, step.job_id, {"attempt": 0, "lines": 0, "bytes": 0, "complete": done})
        last = attempts[-1]
        news = {"attempt": last.number, "lines": total_lines(last), "bytes": last.log_bytes}
        return _WatchedLog(name, step.job_id, {**news, "complete": last.log_complete})


class LiveConsumer(WorkspaceConsumer):
    """The lists of a workspace: which of them have changed."""

    async def connect(self) -> None:
        self.watched: dict[str, str] = {}  # what the client calls it → the group that tells of it
        self.changed: set[str] = set()
        self.soon = _Soon(LISTS_PAUSE_S, self.send_changed)
        await super().connect()

    async def disconnect(self, code: int) -> None:  # noqa: ARG002
        await _stop(getattr(self, "soon", None))
        for group in set(getattr(self, "watched", {}).values()):
            await self.channel_layer.group_discard(group, self.channel_name)

    async def hear(self, message: dict[str, Any]) -> None:
        if not hasattr(self, "access"):
            return
        what = message.get("what")
        if message.get("type") != "watch" or not isinstance(what, list) or len(what) > MAX_WATCHED:
            raise BadMessageError('Say {"type": "watch", "what": ["runs", "profile:ID", …]}, at most 100.')
        if await self.is_turned_away():
            return
        wanted = await database_sync_to_async(self._groups)(what)
        joined = set(self.watched.values())
        self.watched = wanted
        for group in joined - set(wanted.values()):
            await self.channel_layer.group_discard(group, self.channel_name)
        for group in set(wanted.values()) - joined:
            await self.channel_layer.group_add(group, self.channel_name)
        # From here on nothing is missed: what changed between a page and this, the client reads now.
        await self.send_json({"type": "watching", "what": sorted(wanted)})

    async def workspace_changed(self, message: dict[str, Any]) -> None:
        self._note({message["what"]})

    async def compute_changed(self, message: dict[str, Any]) -> None:
        group = f"compute.{message['target_id']}" if "target_id" in message else None
        self._note({what for what, of in self.watched.items() if what.startswith("compute:") and group in {None, of}})

    async def send_changed(self) -> None:
        if await self.is_turned_away(not_again_within_s=MEMBER_CHECK_S):
            return
        changed, self.changed = self.changed, set()
        for what in sorted(changed):
            await self.send_json({"type": "changed", "what": what})

    def _note(self, what: set[str]) -> None:
        self.changed |= what & self.watched.keys()
        if self.changed:
            self.soon.ask()

    def _groups(self, what: list[Any]) -> dict[str, str]:
        groups: dict[str, str] = {}
        targets: dict[str, int] = {}
        for each in what:
            if not isinstance(each, str):
                raise BadMessageError("What to watch is a list of texts.")
            kind, colon, number = each.partition(":")
            if kind == "compute" and number.isascii() and number.isdecimal() and len(number) < 18:
                targets[each] = int(number)
            elif kind == "profile" and number.isascii() and number.isdecimal() and len(number) < 18:
                # Of this workspace: another one's are told to another group.
                groups[each] = f"workspace.{self.access.workspace.pk}"
            elif not colon and each in {"runs", "pipelines", "modules"}:
                groups[each] = f"workspace.{self.access.workspace.pk}"
            else:
                raise BadMessageError(
                    'There are "runs", "pipelines", "modules", "compute:ID" and "profile:ID" to watch.'
                )
        asked = targets_of(self.access.workspace).filter(pk__in=targets.values())
        there = set(asked.values_list("pk", flat=True)) if targets else set()
        if not set(targets.values()) <= there:
            raise BadMessageError("There is no such compute target in this workspace.")
        return groups | {each: f"compute.{number}" for each, number in targets.items()}


@dataclass
class _WatchedLog:
    step: str
    job_id: int | None
    news: dict[str, Any]


class _Soon:
    """Runs something soon after it was asked for: at once, then never more often than each `pause_s`."""

    def __init__(self, pause_s: float, run: Callable[[], Awaitable[None]]) -> None:
        self.pause_s = pause_s
        self.run = run
        self.asked = False
        self.task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        self.asked = True
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task

    async def _work(self) -> None:
        while self.asked:
            # What comes within the pause goes out together.
            await asyncio.sleep(self.pause_s)
            self.asked = False
            try:
                await self.run()
            except DatabaseFailure as error:
                logger.warning("could not read what a page is to hear, trying again: %s", error)
                self.asked = True
                await asyncio.sleep(AGAIN_S)


async def _stop(*tasks: _Soon | None) -> None:
    for task in tasks:
        if task is not None:
            await task.stop()


def _object(text: str | None) -> dict[str, Any]:
    if text is None or len(text) > MAX_MESSAGE:
        raise BadMessageError("Send a short JSON object as text.")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadMessageError("This is not JSON.") from error
    if not isinstance(message, dict):
        raise BadMessageError("Send a JSON object.")
    return message
