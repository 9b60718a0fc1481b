"""A run moves on: its steps follow their jobs, and what a finished step leads to is reused, queued or skipped."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from django.db import connection, transaction
from django.db.models.expressions import RawSQL
from django.utils import timezone

from compute.listener import JobChange
from compute.services import NewJob, create_jobs
from compute.sharing import targets_in_use
from compute.spec import JobInput, JobOutput, JobSpec
from compute.states import JobStatus
from datastores.models import DatasetVersion
from pipelines.definition import Output
from pipelines.destinations import RUNS_FOLDER
from pipelines.models import Run, StepOutputs, StepRun
from pipelines.services.journal import STEP_FIELDS, Journal, LostRaceError, held_run, held_steps
from pipelines.services.reading import Inputs
from pipelines.services.registering import note_outputs, register_outputs, register_reused
from pipelines.services.reusing import (
    Candidate,
    candidate,
    earlier_results,
    look_at_earlier_results,
    note_on_reuse,
    notes_on_running,
)
from pipelines.states import RUN_TERMINAL, STEP_TERMINAL, StepStatus
from studio.lib.on_commit import enqueue_on_commit
from studio.lib.problems import UserError
from studio.lib.statements import read_rows

logger = logging.getLogger(__name__)

OWNER = "step:"
LOOK_TASK = "pipelines.look_for_earlier_results"
_READY_FIELDS = (*STEP_FIELDS, "frozen")

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


def release(
    journal: Journal,
    ready: list[StepRun],
    *,
    done: StepRun | None = None,
    looked: Mapping[int, bool] = MappingProxyType({}),
) -> None:
    """Reuse or queue steps that wait for nothing any more, and whatever reuse makes ready in turn.

    `done` is the step that made them ready: what it wrote need not be read again. `looked` says of earlier steps
    whether their results are still there. Where one must be looked for beyond this machine's disks, the step stays as
    it is until somebody has, outside of any transaction: nobody should wait for a network while holding the database.
    """
    to_queue: list[tuple[Candidate, dict[str, JobInput]]] = []
    while ready:
        known = Inputs.of(ready, done)
        candidates: list[Candidate] = []
        for step in ready:
            missing = known.missing(step)
            if missing:
                _fail(journal, step, missing)
            else:
                candidates.append(candidate(step, known.contents(step)))
        earlier, to_look_for = earlier_results(journal.run.workspace_id, candidates, looked)
        if to_look_for:
            enqueue_on_commit(LOOK_TASK, journal.run.pk)
        to_queue += [
            (each, known.data(each.step)) for each in candidates if each.step.pk not in {*earlier, *to_look_for}
        ]
        reused = [(each, earlier[each.step.pk]) for each in candidates if each.step.pk in earlier]
        ready = _made_ready_by(journal, _complete_by_reuse(journal, reused))
    _queue(journal, to_queue)


def look_after(run_id: int) -> bool:
    """Look for the earlier results that steps of a run wait for, and let these steps go on. False: none waits."""
    waiting = StepRun.objects.filter(run_id=run_id, status=StepStatus.WAITING, waiting_for=0)
    steps = list(waiting.only(*_READY_FIELDS).order_by("position"))
    if not steps:
        return False
    workspace_id = Run.objects.values_list("workspace_id", flat=True).get(pk=run_id)
    known = Inputs.of(steps)
    looked = look_at_earlier_results(
        workspace_id, [candidate(step, known.contents(step)) for step in steps if not known.missing(step)]
    )
    with transaction.atomic():
        run = held_run(run_id)
        if run.status in RUN_TERMINAL or run.cancel_requested_at:
            return False
        journal = Journal(run, timezone.now())
        # Read again: somebody may have been quicker.
        condition = "run_id = %s AND status = %s AND waiting_for = 0 ORDER BY position"
        release(journal, read_rows(StepRun, _READY_FIELDS, condition, [run_id, StepStatus.WAITING]), looked=looked)
        journal.write()
    return True


def look_after_all() -> int:
    """For the sweep: the message that asked for a look may have been lost. Returns how many runs were looked after."""
    waiting = StepRun.objects.filter(status=StepStatus.WAITING, waiting_for=0, run__cancel_requested_at=None)
    count = 0
    for run_id in sorted(set(waiting.values_list("run_id", flat=True)[:1000])):
        try:
            count += look_after(run_id)
        except Exception:
            logger.exception("run %s could not be looked after, the next sweep tries again", run_id)
    return count


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
    versions: dict[str, DatasetVersion] = {}
    if step.registers and step.status not in STEP_TERMINAL:
        try:
            versions = register_outputs(journal.run, step, outputs.outputs)
        except UserError as error:
            # What it wrote stays; a step whose data nobody finds under its name has not done what it was asked for.
            if _end(journal, step, StepStatus.FAILED, replace(change, reason=str(error)), outputs=outputs):
                note_outputs(step, outputs.outputs, {})
                skip_later_steps(journal, step, "failed")
            return
    if _end(journal, step, StepStatus.COMPLETED, change, outputs=outputs):
        note_outputs(step, outputs.outputs, versions)
        release(journal, _made_ready_by(journal, [step.pk]), done=step)
    elif versions:
        raise LostRaceError(f"step {step.pk}")


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
    return read_rows(StepRun, _READY_FIELDS, f"id IN ({marks}) ORDER BY position", ready)


def _complete_by_reuse(journal: Journal, reused: list[tuple[Candidate, StepRun]]) -> list[int]:
    """Returns the steps that are done now: not those of which an output could not be registered."""
    registered: dict[int, dict[str, DatasetVersion]] = {}
    for each, earlier in reused:
        if each.step.registers:
            try:
                registered[each.step.pk] = register_reused(journal.run, each.step, earlier)
            except UserError as error:
                _fail(journal, each.step, str(error))
    reused = [(each, earlier) for each, earlier in reused if not each.step.registers or each.step.pk in registered]
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
                    "reuse_note": note_on_reuse(earlier, registered.get(each.step.pk, {})),
                },
            )
            for each, earlier in reused
        ],
        StepStatus.COMPLETED,
        reused_from_run={each.step.pk: earlier.run_id for each, earlier in reused},
    )
    for each, earlier in reused:
        if each.step.pk in registered and earlier.outputs:
            versions = registered[each.step.pk]
            records = {name: record for name, record in earlier.outputs.outputs.items() if name in versions}
            note_outputs(each.step, records, versions)
    return [each.step.pk for each, _earlier in reused]


def _queue(journal: Journal, to_queue: list[tuple[Candidate, dict[str, JobInput]]]) -> None:
    if not to_queue:
        return
    wanted = {each.step.frozen.compute_id for each, _data in to_queue}
    kinds, gone = targets_in_use(journal.run.workspace_id, wanted)
    for each, _data in to_queue:
        if why := gone.get(each.step.frozen.compute_id):
            _fail(journal, each.step, f"Its compute target {why} after the run was submitted.")
    to_queue = [(each, data) for each, data in to_queue if each.step.frozen.compute_id not in gone]
    notes = notes_on_running(journal.run, [each for each, _data in to_queue])
    jobs = create_jobs([_new_job(journal, each.step, data) for each, data in to_queue], kinds=kinds)
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
    return NewJob(
        workspace_id=journal.run.workspace_id,
        target_id=frozen.compute_id,
        owner=f"{OWNER}{step.pk}",
        title=f"{step.name} of run {step.run_id}",
        spec=JobSpec(
            command=frozen.command,
            snapshot=frozen.snapshot or None,
            environment=frozen.environment,
            inputs=data,
            outputs={output.name: _place(step, output) for output in frozen.step.outputs},
            timeout_s=frozen.step.timeout_s,
            retry=frozen.step.retry,
            limits=frozen.step.limits,
            resources=frozen.step.resources,
        ),
        requested_by_id=journal.run.submitted_by_id,
        priority=journal.run.priority,
    )


def _place(step: StepRun, output: Output) -> JobOutput:
    """Each attempt has a folder of its own, but a destination is one folder, whoever comes to write it."""
    given = step.frozen.outputs.get(output.name)
    path = given and given.path
    return JobOutput(
        datastore_id=given.datastore_id if given else step.frozen.datastore_id,
        path=path or f"{RUNS_FOLDER}/{step.run_id}/{step.name}/{{attempt}}/{output.name}",
        mode=output.mode,
        required=output.required,
    )
