"""Profiles: asked for by people, taken by the data worker, and ended once, whoever dies meanwhile.

Whoever holds the row's token speaks for it. A worker that was taken for dead holds it no longer: every call here then
answers no, and nothing of its attempt counts any more.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, models, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from datastores.models import DatasetVersion, Profile, ProfileResult
from datastores.sources import TabularDefinition
from datastores.states import TRANSITIONS, WorkStatus
from studio.lib.on_commit import enqueue_on_commit, publish_on_commit
from studio.lib.problems import ConflictError, UserError
from studio.lib.transitions import transition
from studio.workspaces.audit import record
from studio.workspaces.models import User

WORK, QUEUE = "datastores.work", "data"
MAX_ATTEMPTS = 3
UNDER_WAY = (WorkStatus.QUEUED, WorkStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class Held:
    """The right to compute one profile, and all that is needed for it."""

    profile_id: int
    token: uuid.UUID
    version_id: int
    workspace_id: int
    definition: TabularDefinition


def request_profile(version: DatasetVersion, *, actor: User | None) -> tuple[Profile, bool]:
    """The profile of `version` that is under way, and whether it is new: of two people who ask, one starts it.

    Raises UserError where the version is no table.
    """
    if not version.is_tabular:
        raise UserError("Only a table has a profile. Make a tabular dataset of these files first.")
    try:
        with transaction.atomic():
            profile = Profile.objects.create(version=version, requested_by=actor)
            record(version.dataset.workspace, actor, "dataset.profile", str(version))
            enqueue_on_commit(WORK, queue=QUEUE)
            changed_on_commit(version.dataset.workspace_id, version.pk)
    except IntegrityError:  # one_profile_under_way_for_a_version
        under_way = Profile.objects.filter(version=version, status__in=UNDER_WAY).first()
        if under_way is None:  # it ended between the two looks
            return request_profile(version, actor=actor)
        return under_way, False
    return profile, True


def cancel_profile(profile: Profile, *, actor: User | None) -> None:
    """Ask for its end: at once where nobody has taken it, else its worker sees to it within a second or two.

    Raises ConflictError where it has ended already.
    """
    dataset = profile.version.dataset
    rows = Profile.objects.filter(pk=profile.pk)
    with transaction.atomic():
        now = timezone.now()
        is_over = bool(
            transition(
                rows.filter(status=WorkStatus.QUEUED),
                TRANSITIONS,
                to=WorkStatus.CANCELLED,
                cancel_requested_at=now,
                finished_at=now,
                reason="Cancelled.",
            )
        )
        asked = rows.filter(status=WorkStatus.RUNNING, cancel_requested_at=None).update(cancel_requested_at=now)
        if not is_over and not asked and not rows.filter(status=WorkStatus.RUNNING).exists():
            raise ConflictError("This profile has ended already: there is nothing to cancel.")
        if is_over or asked:
            record(dataset.workspace, actor, "dataset.cancel_profile", str(profile.version))
            changed_on_commit(dataset.workspace_id, profile.version_id)


def claim() -> Held | None:
    """Take the profile that has waited longest, or None where none waits."""
    waiting = Profile.objects.filter(status=WorkStatus.QUEUED).order_by("pk")
    if not waiting.exists():
        return None  # looked up without the write lock: most rings find nothing
    with transaction.atomic():
        skips = connection.features.has_select_for_update_skip_locked
        profile = (waiting.select_for_update(skip_locked=True) if skips else waiting).first()
        if profile is None:
            return None
        token = uuid.uuid4()
        moved = transition(
            Profile.objects.filter(pk=profile.pk),
            TRANSITIONS,
            to=WorkStatus.RUNNING,
            token=token,
            heartbeat_at=Now(),
            started_at=profile.started_at or timezone.now(),
            attempts=F("attempts") + 1,
            progress=0.0,
            stage="Opening the data",
        )
        if not moved:
            return None
        version = DatasetVersion.objects.select_related("dataset").get(pk=profile.version_id)
        changed_on_commit(version.dataset.workspace_id, version.pk)
    return Held(profile.pk, token, version.pk, version.dataset.workspace_id, version.definition)


def say_progress(held: Held, *, fraction: float, stage: str) -> bool:
    """Keep how far it is, and that its worker lives. False: it belongs to somebody else by now, or is over."""
    with transaction.atomic():
        mine = _mine(held).update(progress=min(1.0, max(0.0, fraction)), stage=stage[:200], heartbeat_at=Now())
        if mine:
            changed_on_commit(held.workspace_id, held.version_id)
    return bool(mine)


def heartbeat(held: Held) -> bool:
    """Say that its worker lives. False: it belongs to somebody else by now, or is over."""
    return bool(_mine(held).update(heartbeat_at=Now()))


def is_cancelled(held: Held) -> bool:
    return _mine(held).filter(cancel_requested_at__isnull=False).exists()


def complete(held: Held, result: ProfileResult) -> bool:
    """Keep the result; earlier profiles of the version go. False: it was somebody else's by now."""
    with transaction.atomic():
        if not _end(held, WorkStatus.COMPLETED, progress=1.0, stage="", reason="", result=result):
            return False
        Profile.objects.filter(version=held.version_id, pk__lt=held.profile_id).exclude(status__in=UNDER_WAY).delete()
    return True


def fail(held: Held, reason: str) -> bool:
    """`reason` tells a person what to do. False: it was somebody else's by now."""
    return _end(held, WorkStatus.FAILED, reason=reason)


def end_cancelled(held: Held) -> bool:
    return _end(held, WorkStatus.CANCELLED, reason="Cancelled.")


def hand_back(held: Held) -> bool:
    """The worker is being stopped: the attempt does not count, and another worker begins anew."""
    with transaction.atomic():
        moved = transition(
            _mine(held).filter(cancel_requested_at=None),
            TRANSITIONS,
            to=WorkStatus.QUEUED,
            token=None,
            heartbeat_at=None,
            attempts=F("attempts") - 1,
            stage="",
            progress=0.0,
        )
        if moved:
            changed_on_commit(held.workspace_id, held.version_id)
            enqueue_on_commit(WORK, queue=QUEUE)
            return True
        return _end(held, WorkStatus.CANCELLED, reason="Cancelled.")


def lose_silent() -> None:
    """Profiles whose worker was not heard of in time: back to the queue, or the end where that happened too often."""
    for profile in _silent().select_related("version__dataset").order_by("pk")[:100]:
        _lose(profile)


def _silent() -> models.QuerySet[Profile]:
    old = Now() - timedelta(seconds=settings.DATA_LEASE_S)
    return Profile.objects.filter(status=WorkStatus.RUNNING, heartbeat_at__lt=old)


def _lose(profile: Profile) -> None:
    """`profile` as it was when its silence was seen: its token guards the change, and that it is silent still."""
    rows = _silent().filter(pk=profile.pk, token=profile.token)
    now = timezone.now()
    with transaction.atomic():
        over: dict[str, Any] = {"token": None, "heartbeat_at": None, "stage": "", "finished_at": now}
        moved = transition(
            rows.filter(cancel_requested_at__isnull=False),
            TRANSITIONS,
            to=WorkStatus.CANCELLED,
            reason="Cancelled.",
            **over,
        )
        if not moved and profile.attempts >= MAX_ATTEMPTS:
            moved = transition(
                rows,
                TRANSITIONS,
                to=WorkStatus.FAILED,
                reason=f"It was tried {profile.attempts} times, and each time the data worker was lost. Look into its "
                "log (logs/data.log), or profile a part of the rows: a sample or fewer columns.",
                **over,
            )
        if not moved:
            moved = transition(
                rows, TRANSITIONS, to=WorkStatus.QUEUED, token=None, heartbeat_at=None, stage="", progress=0.0
            )
        if moved:
            changed_on_commit(profile.version.dataset.workspace_id, profile.version_id)


def something_waits() -> bool:
    return Profile.objects.filter(status=WorkStatus.QUEUED).exists()


def changed_on_commit(workspace_id: int, version_id: int) -> None:
    """Tell the pages that watch this version's profile."""
    publish_on_commit(f"workspace.{workspace_id}", {"type": "workspace.changed", "what": f"profile:{version_id}"})


def _mine(held: Held) -> models.QuerySet[Profile]:
    return Profile.objects.filter(pk=held.profile_id, token=held.token, status=WorkStatus.RUNNING)


def _end(held: Held, status: WorkStatus, **changes: Any) -> bool:
    with transaction.atomic():
        moved = transition(
            _mine(held), TRANSITIONS, to=status, token=None, heartbeat_at=None, finished_at=timezone.now(), **changes
        )
        if moved:
            changed_on_commit(held.workspace_id, held.version_id)
    return bool(moved)
