"""Equal steps that run at once share one execution: the second waits for the first one's result, and takes it.

The second stays as it is, waiting for no step of its run. Once the first is over its run is looked after again: by
then there is a result to reuse, or it does the work itself. Each waits for a step that has a job, so none for itself.

Both sides look again after their commit: whoever began to wait whether the other is over by now, and whoever is over
whether somebody waits. So neither needs the other's run, and a message that gets lost is made good by the sweep.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.db.models import Q

from pipelines.models import ReuseEnd, Run, StepRun
from pipelines.services.journal import Journal, LostRaceError
from pipelines.services.reusing import Candidate
from pipelines.states import StepStatus
from studio.lib.on_commit import enqueue_on_commit
from studio.lib.statements import read_rows, update_where

LOOK_TASK = "pipelines.look_for_earlier_results"
# Of one that somebody else submitted, and that has no slot so long, nobody knows when it will have one.
PATIENCE = timedelta(seconds=60)

_AT_WORK = (StepStatus.QUEUED, StepStatus.PREPARING, StepStatus.RUNNING)
# Written out: only so does SQLite see that the index of steps at work will do.
_AT_WORK_SQL = """
    fingerprint IN ({marks}) AND status IN ('queued', 'preparing', 'running')
    AND EXISTS (
        SELECT 1 FROM pipelines_run run
        WHERE run.id = pipelines_steprun.run_id AND run.workspace_id = %s AND run.cancel_requested_at IS NULL
    )
"""
# A lock for each fingerprint would be too many for a run of 10,000 steps.
_BUCKETS = 128
_LOCKS = 0x7368  # keeps these apart from other advisory locks


@dataclass(frozen=True, slots=True)
class Claim:
    """What a step asks of the queue."""

    compute_id: int
    resources: object
    priority: int
    submitted_by: int | None


@dataclass(frozen=True, slots=True)
class Work:
    """A step that has a job, or is about to have one."""

    step: StepRun
    claim: Claim
    has_slot: bool
    queued_at: datetime | None


def is_worth_waiting_for(mine: Claim, theirs: Work, now: datetime) -> bool:
    """Whether a step comes to an end no later than an equal one of mine would, as far as anybody knows.

    One that has a slot does. One that is queued must stand in the same queue for the same, not behind mine; and if it
    is somebody else's, whose share of the slots may be used up, not for long already.
    """
    if theirs.has_slot:
        return True
    other = theirs.claim
    if (other.compute_id, other.resources) != (mine.compute_id, mine.resources) or other.priority < mine.priority:
        return False
    return other.submitted_by == mine.submitted_by or (
        theirs.queued_at is not None and now - theirs.queued_at < PATIENCE
    )


def leave_to_others(journal: Journal, candidates: Sequence[Candidate]) -> set[int]:
    """Let those of these steps wait of which an equal one is at work, or is among them. Returns their keys.

    Where another transaction decides about the same at this moment, a step waits undecided until that is over.
    """
    run = journal.run
    fingerprints = {each.fingerprint for each in candidates} - {""}
    if not fingerprints or all(each.step.runs_anew for each in candidates):
        return set()
    busy = _busy(run.workspace_id, fingerprints)
    works = _at_work(run.workspace_id, fingerprints)
    leaders: dict[int, StepRun] = {}
    undecided: set[int] = set()
    # What runs anew waits for nobody, and is waited for all the same.
    for each in sorted(candidates, key=lambda each: not each.step.runs_anew):
        step, claim = each.step, _claim(each.step, run)
        known = works.setdefault(each.fingerprint, []) if each.fingerprint else []
        waits = bool(each.fingerprint) and not step.runs_anew
        if waits and bucket_of(each.fingerprint) in busy:
            undecided.add(step.pk)
            continue
        leader = next((work for work in known if is_worth_waiting_for(claim, work, journal.at)), None)
        if waits and leader:
            leaders[step.pk] = leader.step
        else:
            known.append(Work(step, claim, has_slot=False, queued_at=journal.at))
    if leaders:
        _wait(journal, [each.step for each in candidates if each.step.pk in leaders], leaders)
    if undecided:
        enqueue_on_commit(LOOK_TASK, run.pk)
    return undecided | leaders.keys()


def hold_decisions(workspace_id: int, fingerprints: Collection[str]) -> None:
    """Wait until nobody decides about these any more, and let nobody until the transaction's end. Before any run is
    held: whoever holds a run only tries (`leave_to_others`), so nobody waits in a circle.
    """
    if connection.vendor != "postgresql":  # SQLite's transactions hold the whole database already
        return
    with connection.cursor() as cursor:
        for bucket in sorted({bucket_of(each) for each in fingerprints if each}):
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCKS, _key(workspace_id, bucket)])


def bucket_of(fingerprint: str) -> int:
    return int(fingerprint[:8], 16) % _BUCKETS


def tell_on_commit(step_ids: Collection[int]) -> None:
    """These are over: the runs of those that wait for them are looked after."""
    transaction.on_commit(partial(_tell, list(step_ids)), robust=True)


def at_rest() -> Q:
    """Of steps that wait for an equal one: those for which there is nothing to do as long as that one has a slot."""
    return Q(shares_with__status__in=[StepStatus.PREPARING, StepStatus.RUNNING])


def _busy(workspace_id: int, fingerprints: Collection[str]) -> set[int]:
    """The buckets about which another transaction decides. All others are this one's until its end."""
    if connection.vendor != "postgresql":
        return set()
    buckets = sorted({bucket_of(each) for each in fingerprints})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT bucket, pg_try_advisory_xact_lock(%s, key)"
            " FROM unnest(%s::int[], %s::int[]) AS wanted(bucket, key)",
            [_LOCKS, buckets, [_key(workspace_id, bucket) for bucket in buckets]],
        )
        return {bucket for bucket, is_ours in cursor.fetchall() if not is_ours}


def _key(workspace_id: int, bucket: int) -> int:
    return (workspace_id * _BUCKETS + bucket) % 2**31


def _at_work(workspace_id: int, fingerprints: Collection[str]) -> dict[str, list[Work]]:
    """By fingerprint, the workspace's steps that do this work now: those that have a slot first, then the oldest."""
    marks = ", ".join(["%s"] * len(fingerprints))
    rows = read_rows(
        StepRun,
        ("id", "run_id", "name", "status", "queued_at", "fingerprint", "frozen"),
        _AT_WORK_SQL.format(marks=marks),
        [*fingerprints, workspace_id],
    )
    if not rows:
        return {}
    ended = set(ReuseEnd.objects.filter(step_run__in=rows).values_list("step_run_id", flat=True))
    runs = Run.everything.only("priority", "submitted_by_id", "paused_at").in_bulk({row.run_id for row in rows})
    found: dict[str, list[Work]] = {}
    for row in sorted(rows, key=lambda row: (row.status == StepStatus.QUEUED, row.pk)):
        has_slot = row.status != StepStatus.QUEUED
        is_held = not has_slot and runs[row.run_id].paused_at  # nobody knows until when
        if row.pk not in ended and not is_held:
            work = Work(row, _claim(row, runs[row.run_id]), has_slot=has_slot, queued_at=row.queued_at)
            found.setdefault(row.fingerprint, []).append(work)
    return found


def _claim(step: StepRun, run: Run) -> Claim:
    return Claim(step.frozen.compute_id, step.frozen.resources, run.priority, run.submitted_by_id)


def _wait(journal: Journal, steps: Sequence[StepRun], leaders: Mapping[int, StepRun]) -> None:
    followers: dict[int, list[StepRun]] = {}
    for step in steps:
        leader = leaders[step.pk]
        if step.shares_with_id != leader.pk:
            step.shares_with_id, step.reuse_note = leader.pk, _why_it_waits(journal.run, leader)
            followers.setdefault(leader.pk, []).append(step)
    for leader_id, waiting in followers.items():
        changes = {"shares_with_id": leader_id, "reuse_note": waiting[0].reuse_note}
        guard = {"id": [step.pk for step in waiting], "status": StepStatus.WAITING}
        if update_where(StepRun, changes, guard) != len(waiting):
            raise LostRaceError(f"run {journal.run.pk}")
        for step in waiting:
            journal.tell_of(step)
    waited_for = sorted({leaders[step.pk].pk for step in steps})
    transaction.on_commit(partial(_look_again, journal.run.pk, waited_for), robust=True)


def _why_it_waits(run: Run, leader: StepRun) -> str:
    where = "this run" if leader.run_id == run.pk else f"run {leader.run_id}"
    return f"Waits for “{leader.name}” of {where}, which is doing the same work, to take its result."


def _look_again(run_id: int, waited_for: Sequence[int]) -> None:
    """One that was over before our commit saw nobody wait."""
    if StepRun.objects.filter(pk__in=waited_for, status__in=_AT_WORK).count() < len(waited_for):
        enqueue_on_commit(LOOK_TASK, run_id)


def _tell(step_ids: Sequence[int]) -> None:
    marks = ", ".join(["%s"] * len(step_ids))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT run_id FROM pipelines_steprun WHERE shares_with_id IN ({marks}) AND status = %s",  # noqa: S608
            [*step_ids, StepStatus.WAITING],
        )
        run_ids = [run_id for (run_id,) in cursor.fetchall()]
    for run_id in run_ids:
        enqueue_on_commit(LOOK_TASK, run_id)
