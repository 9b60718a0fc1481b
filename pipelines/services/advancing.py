"""A run moves on: its steps follow their jobs, and what a finished step leads to is reused, queued or skipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from compute.listener import JobChange
from compute.models import ComputeTarget
from compute.services import NewJob, create_jobs
from compute.spec import JobInput, JobOutput, JobSpec, OutputRecord
from compute.states import JobStatus
from datastores.models import DataPath
from pipelines.models import StepOutputs, StepRun
from pipelines.services.journal import STEP_FIELDS, Journal, held_steps
from pipelines.services.reusing import Candidate, candidate, earlier_results, note_on_reuse, notes_on_running
from pipelines.states import StepStatus
from studio.lib.statements import read_rows

OWNER = "step:"

# Every step after one, near and far, in one statement: a chain of a thousand steps is not walked in Python.
_LATER_STEPS = """
    WITH RECURSIVE later(id) AS (
        SELECT downstream_id FROM pipelines_stepedge WHERE upstream_id = %s
        UNION
        SELECT edge.downstream_id FROM pipelines_stepedge edge JOIN later ON edge.upstream_id = later.id
    )
    SELECT id FROM later
"""

# Several steps may be done at once (reused ones are), and a step may read from more than one of them.
_COUNT_DOWN = """
    UPDATE pipelines_steprun SET waiting_for = waiting_for - (
        SELECT COUNT(*) FROM pipelines_stepedge edge
        WHERE edge.downstream_id = pipelines_steprun.id AND edge.upstream_id IN ({marks})
    )
    WHERE status = %s AND id IN (SELECT downstream_id FROM pipelines_stepedge WHERE upstream_id IN ({marks}))
    RETURNING id, waiting_for
"""


def follow_jobs(changes: list[JobChange]) -> None:
    """Let the steps follow their jobs, in the transaction that changes the jobs.

    A change that comes late (its step is done already) changes nothing. Jobs of other owners are passed over.
    """
    ours = [
        (int(change.owner.removeprefix(OWNER)), change)
        for change in changes
        # A job that was just queued was queued by us.
        if change.owner.startswith(OWNER) and not (change.status == JobStatus.QUEUED and change.attempt == 0)
    ]
    if not ours:
        return
    with transaction.atomic(savepoint=False):
        held = held_steps({step_id for step_id, _change in ours})
        journals: dict[int, Journal] = {}
        for step_id, change in ours:
            if step_id not in held:  # its run was deleted
                continue
            step, run = held[step_id]
            journal = journals.setdefault(step.run_id, Journal(run, change.at))
            _follow(journal, step, change)
        for journal in journals.values():
            journal.write()


def release(journal: Journal, ready: list[StepRun], *, done: StepRun | None = None) -> None:
    """Reuse or queue steps that wait for nothing any more, and whatever reuse makes ready in turn.

    `done` is the step that made them ready: what it wrote need not be read again.
    """
    to_queue: list[tuple[Candidate, dict[str, JobInput]]] = []
    while ready:
        known = _Inputs.of(ready, done)
        candidates: list[Candidate] = []
        for step in ready:
            missing = known.missing(step)
            if missing:
                _fail(journal, step, missing)
            else:
                candidates.append(candidate(step, known.contents(step)))
        earlier = earlier_results(journal.run.workspace_id, candidates)
        to_queue += [(each, known.data(each.step)) for each in candidates if each.step.pk not in earlier]
        reused = [(each, earlier[each.step.pk]) for each in candidates if each.step.pk in earlier]
        _complete_by_reuse(journal, reused)
        ready = _made_ready_by(journal, [each.step.pk for each, _earlier in reused])
    _queue(journal, to_queue)


def skip_later_steps(journal: Journal, step: StepRun, why: str) -> None:
    """Skip all that depends on a step which came to nothing."""
    later = StepRun.objects.filter(pk__in=RawSQL(_LATER_STEPS, [step.pk]))  # noqa: S611 (a constant statement)
    journal.move_steps(later, StepStatus.SKIPPED, finished_at=journal.at, reason=f"“{step.name}” {why}.")


def _follow(journal: Journal, step: StepRun, change: JobChange) -> None:
    match change.status:
        case JobStatus.QUEUED:
            journal.move_step(
                step, StepStatus.QUEUED, attempt=change.attempt, queued_at=change.at, reason=change.reason
            )
        case JobStatus.PREPARING:
            started_at = step.started_at or change.at
            if journal.move_step(step, StepStatus.PREPARING, attempt=change.attempt, started_at=started_at):
                journal.start_run()
        case JobStatus.RUNNING:
            journal.move_step(step, StepStatus.RUNNING, attempt=change.attempt)
        case JobStatus.COMPLETED:
            _complete(journal, step, change)
        case JobStatus.FAILED:
            if _end(journal, step, StepStatus.FAILED, change):
                skip_later_steps(journal, step, "failed")
        case JobStatus.CANCELLED:
            if _end(journal, step, StepStatus.CANCELLED, change):
                skip_later_steps(journal, step, "was cancelled")


def _complete(journal: Journal, step: StepRun, change: JobChange) -> None:
    outputs = StepOutputs(outputs=change.result.outputs if change.result else {})
    if _end(journal, step, StepStatus.COMPLETED, change, outputs=outputs):
        release(journal, _made_ready_by(journal, [step.pk]), done=step)


def _end(journal: Journal, step: StepRun, to: StepStatus, change: JobChange, **more: Any) -> bool:
    return journal.move_step(
        step,
        to,
        attempt=change.attempt,
        exit_code=change.exit_code,
        reason=change.reason,
        finished_at=change.at,
        **more,
    )


def _fail(journal: Journal, step: StepRun, reason: str) -> None:
    if journal.move_step(step, StepStatus.FAILED, reason=reason, finished_at=journal.at):
        skip_later_steps(journal, step, "failed")


def _made_ready_by(journal: Journal, done: list[int]) -> list[StepRun]:
    """Count down what these steps lead to, and return those that wait for nothing more."""
    if not done or journal.run.cancel_requested_at:
        return []
    marks = ", ".join(["%s"] * len(done))
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_DOWN.format(marks=marks), [*done, StepStatus.WAITING, *done])
        ready = [step_id for step_id, waiting_for in cursor.fetchall() if waiting_for == 0]
    if not ready:
        return []
    marks = ", ".join(["%s"] * len(ready))
    return read_rows(StepRun, (*STEP_FIELDS, "frozen"), f"id IN ({marks}) ORDER BY position", ready)


def _complete_by_reuse(journal: Journal, reused: list[tuple[Candidate, StepRun]]) -> None:
    journal.move_each(
        [
            (
                each.step,
                {
                    "finished_at": journal.at,
                    "outputs": earlier.outputs,
                    "ingredients": each.ingredients,
                    "fingerprint": each.fingerprint,
                    "reused_from_id": earlier.pk,
                    "reuse_note": note_on_reuse(earlier),
                },
            )
            for each, earlier in reused
        ],
        StepStatus.COMPLETED,
        reused_from_run={each.step.pk: earlier.run_id for each, earlier in reused},
    )


def _queue(journal: Journal, to_queue: list[tuple[Candidate, dict[str, JobInput]]]) -> None:
    if not to_queue:
        return
    targets = {each.step.frozen.compute_id for each, _data in to_queue}
    marks = ", ".join(["%s"] * len(targets))
    rows = read_rows(ComputeTarget, ("id",), f"deleted_at IS NULL AND id IN ({marks})", list(targets))
    there = {target.pk for target in rows}
    for each, _data in to_queue:
        if each.step.frozen.compute_id not in there:
            _fail(journal, each.step, "Its compute target was deleted after the run was submitted.")
    to_queue = [(each, data) for each, data in to_queue if each.step.frozen.compute_id in there]
    notes = notes_on_running(journal.run, [each for each, _data in to_queue])
    jobs = create_jobs([_new_job(journal, each.step, data) for each, data in to_queue])
    journal.move_each(
        [
            (
                each.step,
                {
                    "queued_at": journal.at,
                    "job_id": job.pk,
                    "ingredients": each.ingredients,
                    "fingerprint": each.fingerprint,
                    "reuse_note": notes[each.step.pk],
                },
            )
            for (each, _data), job in zip(to_queue, jobs, strict=True)
        ],
        StepStatus.QUEUED,
    )


def _new_job(journal: Journal, step: StepRun, data: dict[str, JobInput]) -> NewJob:
    frozen = step.frozen
    folder = f"runs/{step.run_id}/{step.name}/{{attempt}}"
    return NewJob(
        workspace_id=journal.run.workspace_id,
        target_id=frozen.compute_id,
        owner=f"{OWNER}{step.pk}",
        title=f"{step.name} of run {step.run_id}",
        spec=JobSpec(
            command=frozen.command,
            snapshot=frozen.snapshot,
            environment=frozen.environment,
            inputs=data,
            outputs={
                output.name: JobOutput(datastore_id=frozen.datastore_id, path=f"{folder}/{output.name}")
                for output in frozen.step.outputs
            },
            timeout_s=frozen.step.timeout_s,
        ),
        max_attempts=frozen.step.retries + 1,
    )


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What the steps of one run read, as far as a set of them asks for it."""

    outputs: Mapping[str, Mapping[str, OutputRecord]] = field(default_factory=dict)  # by step, by output

    @classmethod
    def of(cls, steps: Sequence[StepRun], done: StepRun | None) -> "_Inputs":
        names = {given.step for step in steps for given in step.frozen.inputs.values() if given.step}
        known = {done.name: done.outputs.outputs} if done is not None and done.outputs is not None else {}
        if names - known.keys():
            rows = StepRun.objects.filter(run_id=steps[0].run_id, name__in=names, status=StepStatus.COMPLETED)
            known |= {name: outputs.outputs for name, outputs in rows.values_list("name", "outputs") if outputs}
        return cls(known)

    def missing(self, step: StepRun) -> str | None:
        """A sentence where a step reads an output that its writer did not leave."""
        for name, given in step.frozen.inputs.items():
            if given.step and given.output not in self.outputs.get(given.step, {}):
                return f"Its input “{name}” is missing: “{given.step}” left no output “{given.output}”."
        return None

    def contents(self, step: StepRun) -> dict[str, str]:
        return {
            name: self._record(given.step, given.output).fingerprint if given.step else given.fingerprint
            for name, given in step.frozen.inputs.items()
        }

    def data(self, step: StepRun) -> dict[str, JobInput]:
        data: dict[str, JobInput] = {}
        for name, given in step.frozen.inputs.items():
            if given.data is not None:
                data[name] = given.data
            else:
                record = self._record(given.step, given.output)
                data[name] = JobInput(paths=[DataPath(datastore_id=record.datastore_id, path=record.path)])
        return data

    def _record(self, step: str | None, output: str | None) -> OutputRecord:
        return self.outputs[step or ""][output or ""]
