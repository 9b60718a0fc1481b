"""Deleting runs that were long enough in the trash, with everything that belongs to them.

First what others took from a run goes over to them, then its files go, then its rows, which say where the files were.
All in small transactions with a rest between them, by one worker at a time, in slices: a run of ten thousand steps
holds up nobody. A worker that dies leaves the run as one that is being deleted, and the next sweep goes on with it.
"""

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from compute.models import Job
from compute.services import delete_jobs
from compute.services.recount import ask_recount
from pipelines.inner_runs import inner_runs
from pipelines.models import JOB_OWNER, LONG_OF_STEPS, Run, RunEvent, StepRun, TrashedRun
from pipelines.services.handing_over import hand_over_results
from pipelines.services.journal import held_run
from pipelines.services.run_files import FilesLeftError, delete_files
from pipelines.services.trashing import PURGE_TASK, tell_lists
from pipelines.states import TRASH_TRANSITIONS, TrashStatus
from studio.lib.batches import delete_in_batches, in_turn
from studio.lib.on_commit import enqueue_on_commit
from studio.lib.problems import ConflictError
from studio.lib.transitions import transition
from studio.workspaces import audit

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)  # whoever says nothing for so long is taken for dead
RENEWED_S = 30.0
SLICE_S = 20.0
LONGEST_WAIT = timedelta(hours=1)  # before files are tried again
STEPS_AT_ONCE = 50
EVENTS_AT_ONCE = 1000

_purges = threading.Lock()


class LostPurgeError(Exception):
    """Another worker has taken the run over."""


class SliceOverError(Exception):
    """This worker has had its time; it goes on with the next message."""


@dataclass
class Purge:
    """A run that this worker deletes, for as long as it holds the lease and its slice lasts."""

    run_id: int
    due_at: datetime  # the end of the lease, which tells it from everybody else's
    renewed_at: float  # on this process's own clock
    ends_at: float

    def breathe(self) -> None:
        """Between any two parts of the work. Raises SliceOverError, and LostPurgeError where the lease is another's."""
        now = time.monotonic()
        if now >= self.ends_at:
            raise SliceOverError
        if now - self.renewed_at > RENEWED_S:
            self.note(due_at=timezone.now() + LEASE)
            self.renewed_at = now

    def note(self, *, due_at: datetime, **changes: object) -> None:
        mine = TrashedRun.objects.filter(pk=self.run_id, due_at=self.due_at, status=TrashStatus.PURGING)
        if not mine.update(due_at=due_at, **changes):
            raise LostPurgeError
        self.due_at = due_at


def ring_purges() -> bool:
    """For the sweep: ask the control worker to delete what is due. Returns whether anything is."""
    is_due = TrashedRun.objects.filter(due_at__lte=timezone.now()).exists()
    if is_due:
        enqueue_on_commit(PURGE_TASK, expires_s=30)
    return is_due


def purge_when_free() -> int:
    """`purge_due`, unless a thread of this process does already: the worker has more to do, and the sweep rings."""
    if not _purges.acquire(blocking=False):
        return 0
    try:
        return purge_due()
    finally:
        _purges.release()


def purge_due(*, slice_s: float = SLICE_S) -> int:
    """Delete what is due, the longest due first, for so many seconds. Returns how many runs are gone now."""
    ends_at = time.monotonic() + slice_s
    count, is_first = 0, True
    # However short the slice, something is done in it.
    while (is_first or time.monotonic() < ends_at) and (purge := _claimed(ends_at)) is not None:
        is_first = False
        try:
            _purge(purge)
            count += 1
        except SliceOverError:
            with suppress(LostPurgeError):
                purge.note(due_at=timezone.now())
            break
        except LostPurgeError:
            continue
        except FilesLeftError as error:
            _put_off(purge, str(error))
        except Exception:
            logger.exception("run %s could not be deleted, a later sweep tries again", purge.run_id)
            _put_off(purge, "Something went wrong in the studio itself. Its log says what.")
    if time.monotonic() >= ends_at:
        enqueue_on_commit(PURGE_TASK, expires_s=30)
    return count


def _claimed(ends_at: float) -> Purge | None:
    while (due := _longest_due()) is not None:
        run_id, due_at = due
        mine = TrashedRun.objects.filter(pk=run_id, due_at=due_at)
        lease = timezone.now() + LEASE
        # From here on nobody restores it. Zero rows: somebody just did, or works on it.
        with suppress(ConflictError), transaction.atomic():  # another worker has just deleted it
            held_run(run_id)  # first, as whoever restores it does
            if transition(mine, TRASH_TRANSITIONS, to=TrashStatus.PURGING, due_at=lease):
                Run.everything.filter(pk__in=[run_id, *inner_runs(run_id)]).update(is_being_purged=True)
                return Purge(run_id, lease, time.monotonic(), ends_at)
    return None


def _longest_due() -> tuple[int, datetime] | None:
    due = TrashedRun.objects.filter(due_at__lte=timezone.now()).order_by("due_at", "pk")
    return due.values_list("pk", "due_at").first()


def _purge(purge: Purge) -> None:
    run = Run.everything.select_related("pipeline", "workspace", "submitted_by", "trash__asked_by").get(pk=purge.run_id)
    hand_over_results(run.pk, purge.breathe)
    for inner_id in reversed(inner_runs(run.pk)):  # the innermost first: each is part of the one around it
        _purge_inner(purge, inner_id)
    if run.trash.files_gone_at is None:
        delete_files(run, purge.breathe)
        purge.note(due_at=timezone.now() + LEASE, files_gone_at=timezone.now(), problem="")
    _delete_rows(run, purge)
    with transaction.atomic():
        audit.record(run.workspace, run.trash.asked_by, "run.purge", f"run {run.pk} of {run.pipeline.name}")
        workspace_id = run.workspace_id
        run.delete()
        ask_recount(workspace_id)
        tell_lists(workspace_id)


def _purge_inner(purge: Purge, run_id: int) -> None:
    run = Run.everything.select_related("workspace").get(pk=run_id)
    hand_over_results(run_id, purge.breathe)
    delete_files(run, purge.breathe)
    _delete_rows(run, purge)
    with transaction.atomic():
        run.delete()


def _delete_rows(run: Run, purge: Purge) -> None:
    for _count in delete_in_batches(RunEvent.objects.filter(run=run), EVENTS_AT_ONCE):
        purge.breathe()
    steps = StepRun.objects.filter(run=run).order_by("pk")
    while batch := list(steps.values_list("pk", flat=True)[:STEPS_AT_ONCE]):
        jobs = Job.objects.filter(owner__in=[f"{JOB_OWNER}{pk}" for pk in batch])
        for _part in delete_jobs(list(jobs.values_list("pk", flat=True))):
            purge.breathe()
        with in_turn():
            StepRun.objects.filter(pk__in=batch).defer(*LONG_OF_STEPS).delete()
        purge.breathe()


def _put_off(purge: Purge, problem: str) -> None:
    """Its rows stay, for they say where its files are: it is tried again after a while, and less and less often."""
    failures = TrashedRun.objects.filter(pk=purge.run_id).values_list("failures", flat=True).first() or 0
    wait = min(LONGEST_WAIT, timedelta(minutes=2 ** min(failures, 10)))
    try:
        purge.note(due_at=timezone.now() + wait, failures=failures + 1, problem=problem)
    except LostPurgeError:
        return
