"""What happens to one run within one transaction, written down at its end: one UPDATE of the run, one INSERT of events.

Whoever moves a run or one of its steps holds the run's row from the first to the last of its statements, so of two
siblings that finish at once the second sees what the first did, and the run is closed exactly once.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.db.models import Q, QuerySet

from compute.services import withdraw_jobs
from pipelines.events import AnyEvent, RunChanged, StepChanged
from pipelines.models import Run, RunEvent, StepRun
from pipelines.states import RUN_TERMINAL, STEP_TERMINAL, STEP_TRANSITIONS, RunStatus, StepStatus
from studio.lib.on_commit import enqueue_on_commit, publish_on_commit
from studio.lib.problems import ConflictError
from studio.lib.statements import for_update, insert_rows, read_rows, update_where
from studio.lib.transitions import sources_of, transition, transition_each, transition_row

# Of a run's row, what moving it needs.
RUN_FIELDS = (
    "id",
    "workspace_id",
    "pipeline_id",
    "status",
    "last_event",
    "steps_done",
    "steps_total",
    "started_at",
    "cancel_requested_at",
    "paused_at",
    "continue_on_step_failure",
    "submitted_by_id",
    "priority",
    "has_branches",
    "parent_step_id",
    "trashed_at",
    "reason",
)
TEND_TASK = "pipelines.tend_runs"  # of a step that has runs made: one of them is over, or something is asked of it
# Of a step's row, what its events say. Not the frozen definition: it is long.
STEP_FIELDS = (
    "id",
    "run_id",
    "name",
    "position",
    "status",
    "job_id",
    "queued_at",
    "started_at",
    "finished_at",
    "attempt",
    "exit_code",
    "reason",
    "reused_from_id",
    "reuse_note",
    "registers",
    "makes_runs",
)


_ON_REQUEST = "Cancelled on request."


class LostRaceError(Exception):
    """The run's row moved although it was held: a statement somewhere moves runs without holding them."""


def held_run(run_id: int) -> Run:
    """A run, read and held, inside a transaction. SQLite's transactions hold the whole database already.

    Raises ConflictError where it was deleted meanwhile.
    """
    rows = read_rows(Run, RUN_FIELDS, f"id = %s{for_update(Run)}", [run_id])
    if not rows:
        raise ConflictError(f"Run {run_id} was deleted.")
    return rows[0]


def held_steps(step_ids: Collection[int]) -> dict[int, tuple[StepRun, Run]]:
    """By their keys, steps and their runs. The runs are held, always in the same order, and then the steps are read."""
    marks = ", ".join(["%s"] * len(step_ids))
    of_these = f"id IN (SELECT run_id FROM pipelines_steprun WHERE id IN ({marks})) ORDER BY id"  # noqa: S608
    runs = {run.pk: run for run in read_rows(Run, RUN_FIELDS, of_these + for_update(Run), list(step_ids))}
    steps = read_rows(StepRun, STEP_FIELDS, f"id IN ({marks})", list(step_ids))
    return {step.pk: (step, runs[step.run_id]) for step in steps}


class Journal:
    """Collects the events and counts of one held run. `write()` once, at the end."""

    def __init__(self, run: Run, at: datetime) -> None:
        self.run = run
        self.at = at
        self.changes: dict[str, Any] = {}
        self._read_status = run.status
        self._events: list[AnyEvent] = []
        self._done = 0
        self._failed: StepRun | None = None  # the first one

    @property
    def stops(self) -> bool:
        """Whether a step failed just now in a run that is to stop at that: nothing of it is to be queued any more."""
        return self._failed is not None and not self.run.continue_on_step_failure

    def move_step(self, step: StepRun, to: StepStatus, **changes: Any) -> bool:
        """Move one step, by a guarded update. False: somebody else moved it before, and nothing was changed."""
        if not transition_row(StepRun, step.pk, STEP_TRANSITIONS, to=to, **changes):
            return False
        step.status = to
        for name, value in changes.items():
            setattr(step, name, value)
        self.tell_step(step)
        return True

    def move_each(
        self,
        moves: Sequence[tuple[StepRun, dict[str, Any]]],
        to: StepStatus,
        *,
        reused_from_run: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        """Move steps of this run that were read while it was held, each with changes of its own (the same columns).

        Raises LostRaceError where one of them moved all the same.
        """
        if not moves:
            return
        by_key = [(step.pk, changes) for step, changes in moves]
        if transition_each(StepRun, by_key, STEP_TRANSITIONS, to=to) != len(moves):
            raise LostRaceError(f"run {self.run.pk}")
        for step, changes in moves:
            step.status = to
            for name, value in changes.items():
                setattr(step, name, value)
            self.tell_step(step, reused_from_run=reused_from_run.get(step.pk))

    def move_steps(self, rows: QuerySet[StepRun], to: StepStatus, **changes: Any) -> list[StepRun]:
        """Move all of `rows` that may move, with the same changes. Returns those that did."""
        allowed = sources_of(STEP_TRANSITIONS, to)
        steps = list(rows.filter(status__in=allowed).only(*STEP_FIELDS).order_by("position"))
        if not steps:
            return []
        transition(StepRun.objects.filter(pk__in=[step.pk for step in steps]), STEP_TRANSITIONS, to=to, **changes)
        for step in steps:
            step.status = to
            for name, value in changes.items():
                setattr(step, name, value)
            self.tell_step(step)
        return steps

    def tell_step(self, step: StepRun, *, reused_from_run: int | None = None) -> None:
        """Note a step that was moved."""
        if step.status == StepStatus.FAILED:
            self._failed = self._failed or step
        if step.status in STEP_TERMINAL:
            self._done += 1
        elif step.status == StepStatus.WAITING:  # again: nothing else leads there
            self._done -= 1
        self.tell_of(step, reused_from_run=reused_from_run)

    def tell_of(self, step: StepRun, *, reused_from_run: int | None = None) -> None:
        """Note what is new about a step, moved or not."""
        self._events.append(
            StepChanged.model_construct(
                step=step.name,
                status=StepStatus(step.status),
                attempt=step.attempt,
                queued_at=step.queued_at,
                started_at=step.started_at,
                finished_at=step.finished_at,
                exit_code=step.exit_code,
                reason=step.reason,
                job_id=step.job_id,
                reused_from=reused_from_run,
                reuse_note=step.reuse_note,
            )
        )

    def tell(self, event: AnyEvent) -> None:
        self._events.append(event)

    def start_run(self) -> None:
        """Note that the first step has started."""
        if self.run.status == RunStatus.QUEUED:
            self._move_run(RunStatus.RUNNING, started_at=self.run.started_at or self.at)

    def reopen_run(self) -> None:
        """Note that a run which was over goes on. It began when its first step did, whatever came between."""
        if self.run.status in RUN_TERMINAL:
            self.changes |= {"reason": "", "cancel_requested_at": None, "cancel_requested_by_id": None}
            self.changes["output_bytes"] = None  # it will have more
            self.run.cancel_requested_at, self.run.reason = None, ""
            self._move_run(RunStatus.QUEUED, finished_at=None)

    def write(self) -> None:
        """Write everything down. Closes the run where its last step is done."""
        if self._failed and self.stops:
            self._skip_the_rest(self._failed)
        if self.run.status not in RUN_TERMINAL and self.run.steps_done + self._done >= self.run.steps_total:
            self._close_run()
        if not self._events and not self.changes:
            return
        first = self.run.last_event + 1
        counts = {"last_event": self.run.last_event + len(self._events), "steps_done": self.run.steps_done + self._done}
        # The row is held, so this only fails where somebody moved it without holding it.
        as_read = {"id": self.run.pk, "status": self._read_status, "last_event": self.run.last_event}
        if not update_where(Run, self.changes | counts, as_read):
            raise LostRaceError(f"run {self.run.pk}")
        insert_rows(
            RunEvent,
            ("run_id", "seq", "at", "data"),
            [
                (self.run.pk, seq, self.at, event.model_dump(mode="json"))
                for seq, event in enumerate(self._events, start=first)
            ],
        )
        self.run.last_event = counts["last_event"]
        publish_on_commit(f"run.{self.run.pk}", {"type": "run.changed", "last_event": self.run.last_event})
        if self._done or "status" in self.changes:
            publish_on_commit(f"workspace.{self.run.workspace_id}", {"type": "workspace.changed", "what": "runs"})

    def _move_run(self, to: RunStatus, *, reason: str = "", **changes: Any) -> None:
        self.run.status = to
        for name, value in changes.items():
            setattr(self.run, name, value)
        self.changes.update(status=to, **changes)
        if reason:
            self.changes["reason"] = reason
        self.tell(
            RunChanged(status=to, reason=reason, started_at=self.run.started_at, finished_at=changes.get("finished_at"))
        )

    def _skip_the_rest(self, failed: StepRun) -> None:
        """Skip what waits, and what no node has claimed. What has begun ends as it would, retries included."""
        reason = f"“{failed.name}” failed, and this run stops at the first failed step."
        rest = StepRun.objects.filter(run_id=self.run.pk, started_at=None)
        queued = rest.filter(status=StepStatus.QUEUED, job__isnull=False)
        withdrawn = withdraw_jobs(queued.values("job_id"), reason=reason)
        to_skip = rest.filter(Q(status=StepStatus.WAITING) | Q(status=StepStatus.QUEUED, job__in=withdrawn))
        self.move_steps(to_skip, StepStatus.SKIPPED, finished_at=self.at, reason=reason)

    def _close_run(self) -> None:
        if self.run.paused_at:
            self.changes |= {"paused_at": None, "paused_by_id": None, "paused_with_outer": False}
        if self.run.parent_step_id is not None:
            enqueue_on_commit(TEND_TASK, self.run.parent_step_id)
        unhappy = StepRun.objects.filter(run_id=self.run.pk)
        failed = (
            unhappy.filter(status=StepStatus.FAILED)
            .order_by("finished_at", "position")
            .only("name", "exit_code", "reason")
            .first()
        )
        cancelled = unhappy.filter(status=StepStatus.CANCELLED).only("name").first()
        if cancelled and self.run.cancel_requested_at:
            # Whoever asked may have said why.
            self._move_run(RunStatus.CANCELLED, reason=self.run.reason or _ON_REQUEST, finished_at=self.at)
        elif failed:
            self._move_run(RunStatus.FAILED, reason=why_failed(failed), finished_at=self.at)
        elif cancelled:
            reason = f"“{cancelled.name}” was cancelled."
            self._move_run(RunStatus.CANCELLED, reason=reason, finished_at=self.at)
        else:
            if self.run.reason:  # its end was asked for, and it was quicker
                self.changes["reason"] = ""
            self._move_run(RunStatus.COMPLETED, finished_at=self.at)


def why_failed(step: StepRun) -> str:
    """A sentence that names the step, its exit code and its reason."""
    code = "" if step.exit_code is None or str(step.exit_code) in step.reason else f" with exit code {step.exit_code}"
    return f"“{step.name}” failed{code}{f': {step.reason}' if step.reason else '.'}"
