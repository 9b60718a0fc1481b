"""Tending to a step that has runs made: it follows them, and they follow it.

`tend` makes reality what its kind says of this turn, in transactions of a run each, and may happen twice, at once and
at any moment: what was done already is seen and passed over. It is rung for when the step begins, when one of its runs
is over and when something is asked of it or of its run; the sweep makes good what was lost.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.db import transaction
from django.utils import timezone

from compute.services import QuotaReachedError, admit_run, hold_quotas
from datastores.models import Datastore
from pipelines.branching import as_it_runs, values_of
from pipelines.inner_runs import made_of
from pipelines.items import Items
from pipelines.kinds.with_runs import Ended, KnownRuns, NewRun, RunMade, StepWithRuns, Turn
from pipelines.measured_runs import metrics_of_runs
from pipelines.models import FrozenInput, PipelineVersion, Run, StepRun
from pipelines.nesting import passed, typed
from pipelines.parts import ParameterValue
from pipelines.services.advancing import end_with_runs
from pipelines.services.cancelling import ask_for_end, runs_not_over
from pipelines.services.continuing import try_again
from pipelines.services.journal import TEND_TASK, Journal, held_run
from pipelines.services.lists import note_unfit, noted_items, runs_for
from pipelines.services.pausing import follow_pause
from pipelines.services.reading import Inputs
from pipelines.services.results_of_runs import outputs_of_runs
from pipelines.services.submitting import Prepared, insert_run, prepare_run
from pipelines.states import RUN_TERMINAL, STEP_UNDONE, RunStatus, StepStatus
from studio.lib.on_commit import enqueue_on_commit
from studio.lib.problems import UserError
from studio.workspaces.access import Access, access_of
from studio.workspaces.permissions import Permission

logger = logging.getLogger(__name__)

_AT_ONCE = 1000
_RUN_COLUMNS = (
    *("id", "status", "reason", "cancel_requested_at", "paused_at", "paused_with_outer"),
    *("child_number", "child_label", "child_attempt"),
)
_ABOUT = ("run__workspace", "run__submitted_by", "run__cancel_requested_by")


def tend(step_id: int) -> None:
    """Let a step and its runs follow each other."""
    step = StepRun.objects.select_related(*_ABOUT).filter(pk=step_id).first()
    if step is None:  # its run was deleted
        return
    children = _children(step)
    if step.status != StepStatus.RUNNING:  # it ended while one was being made
        _end_all(step, [child for child in children if child.child_attempt])
    elif step.cancel_requested_at or step.run.cancel_requested_at:
        if not _end_all(step, children):
            _end(step, Ended(status=StepStatus.CANCELLED, reason=_why_cancelled(step)), children)
    else:
        _take_turn(step, children)


def tend_all() -> int:
    """For the sweep: the messages may have been lost. Returns how many steps were looked at."""
    under_way = StepRun.objects.filter(status=StepStatus.RUNNING, makes_runs=True)
    step_ids = list(under_way.order_by("run_id").values_list("pk", flat=True)[:_AT_ONCE])
    loose = runs_not_over().filter(parent_step__isnull=False, cancel_requested_at=None)
    loose = loose.exclude(parent_step__status=StepStatus.RUNNING).exclude(child_attempt=0)
    step_ids += loose.order_by("parent_step_id").values_list("parent_step_id", flat=True).distinct()[:_AT_ONCE]
    for step_id in step_ids:
        try:
            tend(step_id)
        except Exception:
            logger.exception("step %s could not be tended to, the next sweep tries again", step_id)
    return len(step_ids)


def watch_trials() -> int:
    """Between two sweeps, for steps that give up runs by what these log: a short run is over before the next sweep.

    Returns how many steps were looked at.
    """
    under_way = StepRun.objects.filter(status=StepStatus.RUNNING, makes_runs=True, run__paused_at=None)
    watching = [step.pk for step in under_way.order_by("run_id")[:_AT_ONCE] if _gives_up(step)]
    for step_id in watching:
        try:
            tend(step_id)
        except Exception:
            logger.exception("the runs of step %s could not be looked at, the next sweep tries again", step_id)
    return len(watching)


def _gives_up(step: StepRun) -> bool:
    kind = step.frozen.step
    return isinstance(kind, StepWithRuns) and kind.wants_series


def _take_turn(step: StepRun, children: list[Run]) -> None:
    step.frozen = as_it_runs(step.run, step)  # without inputs from branches that were not taken
    kind = step.frozen.step
    assert isinstance(kind, StepWithRuns), "no other step makes runs"
    access = access_of(step.run.submitted_by, step.run.workspace)
    if access is None or not access.may(Permission.RUN):
        who = step.run.submitted_by or "Whoever submitted this run"
        reason = f"{who}, in whose name it submits runs, may not do so in this workspace any more."
        return _end(step, Ended(status=StepStatus.FAILED, reason=reason), children)
    for child in children:
        follow_pause(child, step.run)
    if step.run.paused_at:
        return None
    earlier = _to_go_on(step, kind, children)
    waits = _continue_all(access, step, earlier)
    children = _children(step) if earlier else children
    made = [_seen(step, kind, child) for child in children]
    try:
        noted = noted_items(step, kind) if kind.has_list else Items()
    except UserError as error:
        return _end(step, Ended(status=StepStatus.FAILED, reason=str(error)), children)
    turn = kind.turn(_known(step, kind, made, noted))
    for child in children:
        if child.child_number in turn.stop and child.cancel_requested_at is None:
            ask_for_end(child.pk, by=None, reason=turn.stop[child.child_number])
    if turn.ended and all(each.is_over for each in made):
        return _end(step, turn.ended, children)
    try:
        unfit = {} if waits else _start(access, step, turn)
        if unfit:  # the next turn goes on with the other items
            note_unfit(step, unfit)
            enqueue_on_commit(TEND_TASK, step.pk)
    except QuotaReachedError as error:
        waits = _waits(error)
    except UserError as error:
        if all(each.is_over for each in made):  # the others end as they would
            return _end(step, Ended(status=StepStatus.FAILED, reason=f"A run can't be submitted: {error}"), children)
    _tell(step, waits or turn.reason)
    return None


def _continue_all(access: Access, step: StepRun, earlier: Sequence[Run]) -> str:
    """What came to nothing in an earlier attempt is continued, not made anew: what completed of it stays.

    Returns a sentence where no further one is allowed now; the sweep tries again.
    """
    try:
        for child in earlier:
            _continue(access, step, child)
    except QuotaReachedError as error:
        return _waits(error)
    return ""


def _waits(error: QuotaReachedError) -> str:
    return f"Waits, for no further run is allowed now: {error}"


def _known(step: StepRun, kind: StepWithRuns, made: list[RunMade], noted: Items) -> KnownRuns:
    metrics = metrics_of_runs(step, kind.metric_wanted, with_values=kind.wants_series) if kind.metric_wanted else {}
    now = timezone.now()
    since = step.started_at or now
    return KnownRuns(
        at=now,
        made=made,
        items=runs_for(noted),
        unfit=noted.unfit_at(step.attempt),
        since=since,
        metrics=metrics,
    )


def _children(step: StepRun) -> list[Run]:
    rows = Run.objects.filter(parent_step=step).order_by("child_number")
    kind = step.frozen.step
    has_values = isinstance(kind, StepWithRuns) and kind.metric_wanted
    return list(rows.only(*_RUN_COLUMNS, *(["parameters"] if has_values else [])))


def _to_go_on(step: StepRun, kind: StepWithRuns, children: list[Run]) -> list[Run]:
    """Those that an earlier attempt of the step left, as many as may be under way now."""
    left = [child for child in children if child.child_attempt < step.attempt and child.status != RunStatus.COMPLETED]
    going = sum(child.status not in RUN_TERMINAL for child in children)
    over = [child for child in left if _is_left(step, kind, child)]
    if kind.most_at_once is not None:
        over = over[: max(0, kind.most_at_once - going)]
    return [child for child in left if child.status not in RUN_TERMINAL] + over


def _is_left(step: StepRun, kind: StepWithRuns, child: Run) -> bool:
    """Whether an earlier attempt left it without success, and it is to go on in this one."""
    is_over = child.status in RUN_TERMINAL and child.status != RunStatus.COMPLETED
    return is_over and child.child_attempt < step.attempt and kind.goes_on(made_of(child))


def _seen(step: StepRun, kind: StepWithRuns, child: Run) -> RunMade:
    made = made_of(child)
    return replace(made, is_left=True) if _is_left(step, kind, child) else made


def _end_all(step: StepRun, children: list[Run]) -> bool:
    """Whether one of its runs is not over yet."""
    going = [child for child in children if child.status not in RUN_TERMINAL]
    for child in going:
        if child.cancel_requested_at is None:
            ask_for_end(child.pk, by=step.run.cancel_requested_by)
    return bool(going)


def _why_cancelled(step: StepRun) -> str:
    if step.run.cancel_requested_at:
        return "The run was cancelled before it ended."
    return "It was cancelled, and its runs with it."


def _start(access: Access, step: StepRun, turn: Turn) -> dict[int, str]:
    """Submit what is to be begun. Returns, by number, why no run can be submitted for an item; the others are made.

    Raises UserError where it is not one item that is wrong.
    """
    if not turn.start:
        return {}
    version = PipelineVersion.objects.select_related("pipeline").get(pk=step.frozen.runs_version_id)
    if version.pipeline.deleted_at is not None:
        raise UserError(f"the pipeline “{version.pipeline.name}” was deleted.")
    known = Inputs.of([step])
    if sentence := known.missing(step):
        raise UserError(sentence)
    fed = _fed(step, known)
    inner = {parameter.name: parameter for parameter in version.definition.parameters}
    values = passed(step.frozen.step.parameters, inner, values_of(step.run)) | fed.values
    unfit: dict[int, str] = {}
    for each in turn.start:
        own = {name: typed(inner[name], value) for name, value in each.values.items() if name in inner}
        try:
            ready = prepare_run(access.workspace, version, {**values, **own}, contents=fed.contents)
        except UserError as error:
            if not step.frozen.step.has_list:
                raise
            unfit[each.number] = str(error)
            continue
        if not _make(access, step, each, ready):
            break
    return unfit


def _make(access: Access, step: StepRun, new: NewRun, ready: Prepared) -> bool:
    """False: no further run of the step is wanted now."""
    with transaction.atomic():
        hold_quotas(access.workspace.pk)
        outer = held_run(step.run_id)
        # Read again: somebody may have been quicker, or wants its end.
        now = StepRun.objects.only("status", "attempt", "cancel_requested_at").get(pk=step.pk)
        is_wanted = now.status == StepStatus.RUNNING and now.attempt == step.attempt and not now.cancel_requested_at
        if not is_wanted or outer.cancel_requested_at or outer.paused_at:
            return False
        if Run.objects.filter(parent_step=step, child_number=new.number).exists():
            return True
        admit_run(access.workspace.pk, access.user.pk, steps=len(ready.frozen))
        insert_run(
            ready,
            workspace=access.workspace,
            experiment_id=step.run.experiment_id,
            submitted_by=access.user,
            priority=step.run.priority,
            continue_on_step_failure=ready.definition.continue_on_step_failure,
            regenerate_outputs=step.runs_anew,
            parent_step=step,
            child_number=new.number,
            child_label=new.label,
            child_attempt=step.attempt,
        )
    return True


@dataclass(frozen=True, slots=True)
class _Fed:
    """What the step's inputs feed: by parameter its value, and by that the fingerprint where it is known."""

    values: dict[str, ParameterValue] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)


def _fed(step: StepRun, known: Inputs) -> _Fed:
    fed = _Fed()
    records = known.records(step)
    places = {record.datastore_id for record in records.values()}
    places |= {path.datastore_id for each in step.frozen.inputs.values() if each.data for path in each.data.paths or ()}
    names = dict(Datastore.objects.filter(pk__in=places - {None}).values_list("pk", "name"))
    kind = step.frozen.step
    own = kind.read_inputs if isinstance(kind, StepWithRuns) else frozenset()
    for name, given in step.frozen.inputs.items():
        if name in own:
            continue
        if name in records:
            record = records[name]
            if record.parts:
                raise UserError(
                    f"its input “{name}” is made of the outputs of several runs, which a pipeline can't be given as "
                    "one path. Let a step of this pipeline bring them together, and take the output of that."
                )
            if record.datastore_id not in names:
                raise UserError(f"the datastore that holds its input “{name}” is no longer registered.")
            text = f"{names[record.datastore_id]}/{record.path}"
            fed.contents[text] = record.fingerprint
        else:
            text = _written(name, given, names)
            if given.model and given.fingerprint:
                fed.contents[text] = given.fingerprint
        fed.values[name] = text
    return fed


def _written(name: str, given: FrozenInput, names: Mapping[int, str]) -> str:
    if given.dataset:
        return given.dataset
    assert given.data is not None, "an input is a dataset, an output or a path"
    (path,) = given.data.paths
    if path.datastore_id is None:
        return str(path.path)
    if path.datastore_id not in names:
        raise UserError(f"the datastore that holds its input “{name}” is no longer registered.")
    return f"{names[path.datastore_id]}/{path.path}"


def _continue(access: Access, step: StepRun, child: Run) -> None:
    """Let a run that an earlier attempt left go on, where something of it came to nothing."""
    with transaction.atomic():
        hold_quotas(access.workspace.pk)
        journal = Journal(held_run(child.pk), timezone.now())
        mine = Run.objects.filter(pk=child.pk, child_attempt__lt=step.attempt)
        if not mine.update(child_attempt=step.attempt):  # somebody was quicker
            return
        undone = StepRun.objects.filter(run=child, status__in=STEP_UNDONE)
        if journal.run.status in RUN_TERMINAL and undone.exists():
            try_again(access, journal)
        journal.write()


def _tell(step: StepRun, reason: str) -> None:
    """Say how far it is, where that is new."""
    if not reason or reason == step.reason:
        return
    with transaction.atomic():
        journal = Journal(held_run(step.run_id), timezone.now())
        now = StepRun.objects.get(pk=step.pk)
        if now.status == StepStatus.RUNNING and now.attempt == step.attempt and now.reason != reason:
            now.reason = reason
            StepRun.objects.filter(pk=step.pk).update(reason=reason)
            journal.tell_of(now)
            journal.write()


def _end(step: StepRun, ended: Ended, children: list[Run]) -> None:
    """The step comes to its end, and its run moves on."""
    try:
        outputs, missing = outputs_of_runs(step, ended, children)
    except (UserError, OSError) as error:
        outputs, missing = None, f"Its outputs can't be written: {error}"
    status, reason = (StepStatus.FAILED, missing) if missing else (ended.status, ended.reason)
    with transaction.atomic():
        journal = Journal(held_run(step.run_id), timezone.now())
        now = StepRun.objects.get(pk=step.pk)
        if now.status == StepStatus.RUNNING and now.attempt == step.attempt:
            end_with_runs(journal, now, status, reason, outputs, values=None if missing else ended.values)
            journal.write()
