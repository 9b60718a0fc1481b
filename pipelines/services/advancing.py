"""A run moves on: its steps follow their jobs, and what a finished step leads to is reused, queued or skipped."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from compute.listener import JobChange
from compute.services import NewJob, create_jobs, hold_jobs
from compute.sharing import targets_in_use
from compute.spec import JobArtifacts, JobInput, JobOutput, JobSpec, OutputRecord, WebAccess
from compute.states import TERMINAL as JOB_TERMINAL
from compute.states import JobStatus
from datastores.models import DatasetVersion
from pipelines.branching import judge
from pipelines.definition import Output
from pipelines.destinations import RUNS_FOLDER
from pipelines.kinds.without_job import Over
from pipelines.models import JOB_OWNER, Decision, Run, StepOutputs, StepRun
from pipelines.services.journal import STEP_FIELDS, Journal, LostRaceError, held_run, held_steps
from pipelines.services.new_steps import NewSteps
from pipelines.services.reading import Inputs
from pipelines.services.registering import note_outputs, register_outputs, register_reused
from pipelines.services.reusing import (
    Candidate,
    EarlierResults,
    candidate,
    look_at_earlier_results,
    note_on_reuse,
    notes_on_running,
)
from pipelines.services.sharing import LOOK_TASK, at_rest, hold_decisions, leave_to_others, tell_on_commit
from pipelines.services.without_job import Contents, begin_without_job, end, look_into_inputs
from pipelines.states import RUN_TERMINAL, STEP_TERMINAL, StepStatus
from pipelines.tracked_runs import tracked_run_id
from studio.lib.clock import clock
from studio.lib.on_commit import enqueue_on_commit
from studio.lib.problems import UserError
from studio.lib.statements import read_rows

logger = logging.getLogger(__name__)

_AT_ONCE = 500  # steps in a transaction: nobody should wait for thousands that become ready together
READY_FIELDS = (*STEP_FIELDS, "frozen", "runs_anew", "shares_with_id")

# Every step after one, near and far, in one statement: a chain of a thousand steps is not walked in Python.
LATER_STEPS = """
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

    A change that comes late (its step is done already, or has another job by now) changes nothing. Jobs of other
    owners are passed over.
    """
    ours = [
        (int(change.owner.removeprefix(JOB_OWNER)), change)
        for change in changes
        # A job that was just queued was queued by us.
        if change.owner.startswith(JOB_OWNER) and not (change.status == JobStatus.QUEUED and change.attempt == 0)
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
            if step.job_id != change.job_id:  # the run was continued since
                continue
            journal = journals.setdefault(step.run_id, Journal(run, change.at))
            _follow(journal, step, change)
        for journal in journals.values():
            journal.write()
        over = [step_id for step_id, change in ours if change.status in JOB_TERMINAL]
        if over:
            tell_on_commit(over)


def release(
    journal: Journal,
    ready: list[StepRun],
    *,
    done: StepRun | None = None,
    new: NewSteps | None = None,
    looked: Mapping[int, bool] = MappingProxyType({}),
    contents: Mapping[int, Contents] = MappingProxyType({}),
) -> None:
    """Reuse or queue steps that wait for nothing any more, and whatever that makes ready in turn at once.

    Those on a branch that was not taken are passed over, and those without a job begin.

    `done` is the step that made them ready: what it wrote need not be read again. `new` are all steps of a run that
    is just being submitted. `looked` says of earlier steps whether their results are still there. Where one must be
    looked for beyond this machine's disks, the step stays as it is until somebody has, outside of any transaction:
    nobody should wait for a network while holding the database. The same holds for steps without a job that look
    into their inputs: `contents` has what is there, by step. So do those beyond the first `_AT_ONCE`, until it is
    their turn. In a paused run all stay as they are until somebody resumes it. One of which an equal one is at work
    stays as it is until that is over.
    """
    if journal.run.paused_at:
        return
    to_queue: list[tuple[Candidate, dict[str, JobInput]]] = []
    written = {done.name: done.outputs.outputs} if done is not None and done.outputs is not None else {}
    results = EarlierResults(journal.run.workspace_id)
    while ready and not journal.stops:
        ready = _first_ones(journal, ready)
        if new is not None and not _is_plain(journal.run, ready, written):
            new.write(journal)
            new = None
        judged = judge(journal.run, ready)
        passed = _pass_over(journal, judged.not_taken)
        begun = begin_without_job(journal, [each for each in judged.taken if not each.frozen.step.has_job], contents)
        for step in begun.failed:
            skip_later_steps(journal, step, "failed")
        if begun.to_look_into:
            enqueue_on_commit(LOOK_TASK, journal.run.pk)
        ready = [each for each in judged.taken if each.frozen.step.has_job]
        known = Inputs.of(ready, written)
        candidates: list[Candidate] = []
        for step in ready:
            missing = known.missing(step)
            if missing:
                _fail(journal, step, missing)
            else:
                candidates.append(candidate(step, known.contents(step)))
        earlier, to_look_for = results.to_take(candidates, looked)
        if to_look_for:
            enqueue_on_commit(LOOK_TASK, journal.run.pk)
        to_queue += [
            (each, known.data(each.step)) for each in candidates if each.step.pk not in {*earlier, *to_look_for}
        ]
        reused = [(each, earlier[each.step.pk]) for each in candidates if each.step.pk in earlier]
        written |= {each.step.name: row.outputs.outputs for each, row in reused if row.outputs is not None}
        if new is not None:
            _take_in_memory(journal, new, reused)
            ready = new.made_ready_by(each.step.pk for each, _row in reused)
        else:
            ready = made_ready_by(journal, [*passed, *begun.done, *_complete_by_reuse(journal, reused)])
    if new is not None:
        new.write(journal)
    left = leave_to_others(journal, [each for each, _data in to_queue])
    _queue(journal, [(each, data) for each, data in to_queue if each.step.pk not in left])


def look_after(run_id: int) -> bool:
    """Look for what steps of a run wait for beside other steps, and let them go on. False: none waits.

    That are earlier results on other machines, equal steps that are over now, what conditions read, and their turn
    where very many became ready together. So many at once are looked after, in the order of the definition.
    """
    waiting = StepRun.objects.filter(run_id=run_id, status=StepStatus.WAITING, waiting_for=0)
    waiting = waiting.only(*READY_FIELDS).order_by("position")
    steps = list(waiting[:_AT_ONCE])
    found = bool(steps)
    while steps:
        if not _look_after(run_id, steps):
            return False
        steps = list(waiting.filter(position__gt=steps[-1].position)[:_AT_ONCE]) if len(steps) == _AT_ONCE else []
    return found


def _look_after(run_id: int, steps: list[StepRun]) -> bool:
    """False: the run is over, or waits itself."""
    first, last = steps[0].position, steps[-1].position
    seen = Run.objects.only("workspace_id", "has_branches").get(pk=run_id)
    steps = judge(seen, steps).taken
    known = Inputs.of(steps)
    contents = look_into_inputs(steps, known)
    with_job = [step for step in steps if step.frozen.step.has_job]
    candidates = [candidate(step, known.contents(step)) for step in with_job if not known.missing(step)]
    looked = look_at_earlier_results(seen.workspace_id, candidates)
    with transaction.atomic():
        hold_decisions(seen.workspace_id, {each.fingerprint for each in candidates})
        run = held_run(run_id)
        if run.status in RUN_TERMINAL or run.cancel_requested_at or run.paused_at:
            return False
        journal = Journal(run, clock.now())
        # Read again: somebody may have been quicker.
        condition = "run_id = %s AND status = %s AND waiting_for = 0 AND position BETWEEN %s AND %s ORDER BY position"
        ready = read_rows(StepRun, READY_FIELDS, condition, [run_id, StepStatus.WAITING, first, last])
        release(journal, ready, looked=looked, contents=contents)
        journal.write()
    return True


def look_after_all() -> int:
    """For the sweep: the message that asked for a look may have been lost. Returns how many runs were looked after."""
    waiting = StepRun.objects.filter(status=StepStatus.WAITING, waiting_for=0)
    waiting = waiting.filter(run__cancel_requested_at=None, run__paused_at=None)
    count = 0
    waiting = waiting.exclude(at_rest()).order_by("run_id")
    for run_id in waiting.values_list("run_id", flat=True).distinct()[:1000]:
        try:
            count += look_after(run_id)
        except Exception:
            logger.exception("run %s could not be looked after, the next sweep tries again", run_id)
    return count


def skip_later_steps(journal: Journal, step: StepRun, why: str) -> None:
    """Skip all that depends on a step which came to nothing."""
    if journal.run.cancel_requested_at:  # with that all that waited came to its end
        return
    waiting = StepRun.objects.filter(status=StepStatus.WAITING)
    later = waiting.filter(pk__in=RawSQL(LATER_STEPS, [step.pk]))  # noqa: S611 (a constant statement)
    journal.move_steps(later, StepStatus.SKIPPED, finished_at=journal.at, reason=f"“{step.name}” {why}.")


def end_without_job(journal: Journal, step: StepRun, what: Over, *, by: str = "", comment: str = "") -> bool:
    """A step without a job comes to its end, and its run moves on. False: somebody else moved it before."""
    if not end(journal, step, what, by=by, comment=comment):
        return False
    if what.status == StepStatus.COMPLETED:
        release(journal, made_ready_by(journal, [step.pk]))
    else:
        skip_later_steps(journal, step, "was not approved" if what.answer is False else "failed")
    return True


def end_with_runs(
    journal: Journal,
    step: StepRun,
    status: StepStatus,
    reason: str,
    outputs: StepOutputs | None,
    *,
    values: Mapping[str, str] | None = None,
) -> None:
    """A step that had runs made comes to its end, and its run moves on. `values`: what people are shown of it."""
    decision = Decision(values=dict(values)) if values else None
    if not journal.move_step(step, status, finished_at=journal.at, reason=reason, outputs=outputs, decision=decision):
        return
    if status == StepStatus.COMPLETED:
        if outputs is not None:  # what its runs wrote is noted as theirs
            folder = f"{RUNS_FOLDER}/{step.run_id}/"
            own = {name: record for name, record in outputs.outputs.items() if record.path.startswith(folder)}
            note_outputs(step, own, {})
        release(journal, made_ready_by(journal, [step.pk]), done=step)
    else:
        skip_later_steps(journal, step, "was cancelled" if status == StepStatus.CANCELLED else "failed")


def _follow(journal: Journal, step: StepRun, change: JobChange) -> None:
    match change.status:
        case JobStatus.QUEUED:
            journal.move_step(
                step, StepStatus.QUEUED, attempt=change.attempt, queued_at=change.at, reason=change.reason
            )
            if journal.run.paused_at:  # another attempt would begin, too
                hold_jobs([change.job_id])
        case JobStatus.PREPARING:
            started_at = step.started_at or change.at
            if journal.move_step(step, StepStatus.PREPARING, attempt=change.attempt, started_at=started_at):
                journal.start_run()
        case JobStatus.RUNNING:
            journal.move_step(step, StepStatus.RUNNING, attempt=change.attempt)
        case JobStatus.COMPLETED:
            _complete(journal, step, change)
        case JobStatus.FAILED:
            if _end(journal, step, StepStatus.FAILED, change, **_kept(change)):
                skip_later_steps(journal, step, "failed")
        case JobStatus.CANCELLED:
            if _end(journal, step, StepStatus.CANCELLED, change, **_kept(change)):
                skip_later_steps(journal, step, "was cancelled")


def _complete(journal: Journal, step: StepRun, change: JobChange) -> None:
    outputs = _left(change) or StepOutputs()
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
        release(journal, made_ready_by(journal, [step.pk]), done=step)
    elif versions:
        raise LostRaceError(f"step {step.pk}")


def _kept(change: JobChange) -> dict[str, Any]:
    """What stays of a step that came to nothing. Nobody reads from it: no lineage, no reuse."""
    left = _left(change)
    return {"outputs": left} if left else {}


def _left(change: JobChange) -> StepOutputs | None:
    result = change.result
    return StepOutputs(outputs=result.outputs, artifacts=result.artifacts) if result else None


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


def made_ready_by(journal: Journal, done: list[int]) -> list[StepRun]:
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
    # One more than are taken at once: so `release` sees that there are more.
    condition = f"id IN ({marks}) ORDER BY position LIMIT {_AT_ONCE + 1}"
    return read_rows(StepRun, READY_FIELDS, condition, ready)


def _first_ones(journal: Journal, ready: list[StepRun]) -> list[StepRun]:
    """The others have their turn as soon as this transaction is over."""
    if len(ready) > _AT_ONCE:
        enqueue_on_commit(LOOK_TASK, journal.run.pk)
    return ready[:_AT_ONCE]


def _pass_over(journal: Journal, not_taken: list[tuple[StepRun, str]]) -> list[int]:
    """Returns those that were moved."""
    return [
        step.pk
        for step, why in not_taken
        if journal.move_step(step, StepStatus.NOT_TAKEN, finished_at=journal.at, reason=why)
    ]


def _is_plain(run: Run, ready: list[StepRun], written: Mapping[str, Mapping[str, OutputRecord]]) -> bool:
    """Whether nothing is asked of the tables for what these steps come to but earlier results."""
    known = Inputs(written)
    return not run.has_branches and all(
        step.frozen.step.has_job and not step.registers and known.missing(step) is None for step in ready
    )


def _take_in_memory(journal: Journal, new: NewSteps, reused: list[tuple[Candidate, StepRun]]) -> None:
    for each, earlier in reused:
        new.reuse(each.step, _as_reused(journal, each, earlier, {}), ran_in=earlier.run_id)


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
        [(each.step, _as_reused(journal, each, earlier, registered.get(each.step.pk, {}))) for each, earlier in reused],
        StepStatus.COMPLETED,
        reused_from_run={each.step.pk: earlier.run_id for each, earlier in reused},
    )
    for each, earlier in reused:
        if each.step.pk in registered and earlier.outputs:
            versions = registered[each.step.pk]
            records = {name: record for name, record in earlier.outputs.outputs.items() if name in versions}
            note_outputs(each.step, records, versions)
    return [each.step.pk for each, _earlier in reused]


def _as_reused(
    journal: Journal, mine: Candidate, earlier: StepRun, registered: Mapping[str, DatasetVersion]
) -> dict[str, Any]:
    return {
        "finished_at": journal.at,
        "outputs": earlier.outputs,
        "ingredients": mine.ingredients,
        "fingerprint": mine.fingerprint,
        "reused_from_id": earlier.pk,
        "reuse_note": note_on_reuse(mine, earlier, registered),
        "shares_with_id": None,
    }


def _queue(journal: Journal, to_queue: list[tuple[Candidate, dict[str, JobInput]]]) -> None:
    if not to_queue or journal.stops:
        return
    wanted = {each.step.frozen.compute_id for each, _data in to_queue}
    kinds, gone = targets_in_use(journal.run.workspace_id, wanted)
    for each, _data in to_queue:
        if why := gone.get(each.step.frozen.compute_id):
            _fail(journal, each.step, f"Its compute target {why} after the run was submitted.")
    if journal.stops:
        return
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
                    "shares_with_id": None,
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
        owner=step.job_owner,
        title=f"{step.name} of run {step.run_id}",
        spec=JobSpec(
            command=frozen.command,
            work=frozen.work
            and frozen.work.model_copy(update={"notes": f"{RUNS_FOLDER}/{step.run_id}/{step.name}/notes"}),
            snapshot=frozen.snapshot or None,
            environment=frozen.environment,
            inputs=data,
            outputs={
                **{output.name: _place(step, output) for output in frozen.step.outputs},
                **{output.name: _place(step, output, kept=True) for output in frozen.step.keeps},
            },
            artifacts=None if frozen.work else artifacts_of(step),
            environment_variables={**frozen.environment_variables, **_who_it_is(step)},
            timeout_s=frozen.step.timeout_s,
            retry=frozen.step.retry,
            limits=frozen.step.limits,
            resources=frozen.resources,
            web=None if frozen.work else _tracking(step),
        ),
        requested_by_id=journal.run.submitted_by_id,
        priority=journal.run.priority,
        apart=_apart(step),
        attempts_before=step.attempt,
    )


def _apart(step: StepRun) -> str:
    """Parts of a step for several nodes want a node each."""
    part = step.frozen.part
    return "" if part is None or part.unites else f"{step.run_id}/{part.step}"[:100]


def artifacts_of(step: StepRun) -> JobArtifacts:
    """Beside the attempts' own folders, so that no output can be called so. Each attempt has one."""
    path = f"{RUNS_FOLDER}/{step.run_id}/{step.name}/artifacts/{{attempt}}"
    return JobArtifacts(datastore_id=step.frozen.datastore_id, path=path)


def _who_it_is(step: StepRun) -> dict[str, str]:
    """For the SDK within the step. No part of what makes its result."""
    return {
        "STUDIO_RUN_ID": f"{step.run_id}:{step.name}",
        "STUDIO_STEP_NAME": step.name,
        "STUDIO_EXPERIMENT": step.frozen.experiment,
    }


def _tracking(step: StepRun) -> WebAccess:
    """MLflow's client within the step finds the step's own run."""
    return WebAccess(
        path="/api/mlflow",
        address_in="MLFLOW_TRACKING_URI",
        token_in="MLFLOW_TRACKING_TOKEN",  # noqa: S106 (a name)
        variables={"MLFLOW_RUN_ID": tracked_run_id(step.run_id, step.pk)},
    )


def _place(step: StepRun, output: Output, *, kept: bool = False) -> JobOutput:
    """Each attempt has a folder of its own, but a destination is one folder, whoever comes to write it."""
    given = step.frozen.outputs.get(output.name)
    path = given and given.path
    return JobOutput(
        datastore_id=given.datastore_id if given else step.frozen.datastore_id,
        path=path or f"{RUNS_FOLDER}/{step.run_id}/{step.name}/{{attempt}}/{output.name}",
        file=output.file,
        mode=output.mode,
        required=output.required,
        kept=kept,
    )
