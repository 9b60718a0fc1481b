"""New runs made of an earlier one: the same again with the same parameters or others, or from one of its steps on."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.expressions import RawSQL

from compute.services import admit_run
from datastores.models import Datastore
from pipelines.definition import PipelineDefinition, Step
from pipelines.events import RunChanged
from pipelines.models import FrozenOutput, FrozenStep, ModuleVersion, Pipeline, Run, StepEdge, StepEdit, StepRun
from pipelines.modules.inlining import inlined
from pipelines.priorities import HIGHEST
from pipelines.services.advancing import LATER_STEPS, READY_FIELDS, release
from pipelines.services.continuing import count_anew
from pipelines.services.editing import create_pipeline, save_version
from pipelines.services.journal import Journal, held_run
from pipelines.services.looking import holds_results
from pipelines.services.submitting import insert_steps, submit_run
from pipelines.services.trashing import refuse_in_trash
from pipelines.settling import settled
from pipelines.states import RUN_TERMINAL, RunStatus, StepStatus
from studio.lib.problems import ConflictError, UserError
from studio.lib.statements import read_rows
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.permissions import Permission

_NAMES_TRIED = 100


def resubmit_run(
    access: Access,
    run: Run,
    *,
    parameters: Mapping[str, Any] | None = None,
    experiment: str | None = None,
    priority: int | None = None,
    continue_on_step_failure: bool | None = None,
    regenerate_outputs: bool | None = None,
) -> Run:
    """A new run of the same version. What is not given is as it was. Raises what `submit_run` raises.

    ConflictError while the run is being cancelled: what it still writes and what the new one reuses would overlap.
    """
    access.require(Permission.RUN)
    _refuse_while_cancelling(run)
    return submit_run(
        access,
        run.pipeline,
        version=run.version.number,
        parameters=run.parameters.values if parameters is None else parameters,
        experiment=run.experiment.name if experiment is None else experiment,
        priority=run.priority if priority is None else priority,
        continue_on_step_failure=(
            run.continue_on_step_failure if continue_on_step_failure is None else continue_on_step_failure
        ),
        regenerate_outputs=run.regenerate_outputs if regenerate_outputs is None else regenerate_outputs,
        rerun_of=run,
    )


def rerun_from(access: Access, run: Run, name: str) -> Run:
    """A new run of what this one froze, in which a step and all that depends on it run anew. So do its parts, where it
    works on several nodes.

    The others keep the results that they have here, whatever has changed since. Those that have none, or none that is
    still there, or that come after an approval, a condition or a wait, run as in any run. Raises ConflictError where
    the run is not over or in the trash, and UserError where its pipeline was deleted or a quota does not allow it.
    """
    access.require(Permission.RUN)
    _refuse_while_cancelling(run)
    if run.status not in RUN_TERMINAL:
        raise ConflictError(f"Run {run.pk} is not over. Cancel it, or wait for its end.", status=run.status)
    if run.pipeline.deleted_at is not None:
        raise UserError(f"The pipeline “{run.pipeline.name}” was deleted.")
    earlier = list(StepRun.objects.filter(run=run).select_related("reused_from").order_by("position"))
    chosen = next(step for step in earlier if step.name == name)
    anew = _run_anew(chosen)
    # Before the transaction: nobody should wait for a disk.
    kept = _results_to_keep(run, earlier, anew)
    frozen = [_as_submitted(step.frozen) for step in earlier]
    with transaction.atomic():
        admit_run(access.workspace.pk, access.user.pk, steps=len(earlier) - len(kept))
        # Held: it stays out of the trash until the new run has its results.
        refuse_in_trash(held_run(run.pk))
        # Where a result came from may have been deleted since, and gone over to one of these.
        where = {
            step.pk: step
            for step in StepRun.objects.filter(pk__in=[each.pk for each in kept])
            .select_related("reused_from")
            .defer("frozen", "reused_from__frozen")
        }
        for each in kept:
            each.reused_from = where[each.pk].reused_from
        new = Run.objects.create(
            workspace=access.workspace,
            pipeline_id=run.pipeline_id,
            version_id=run.version_id,
            experiment_id=run.experiment_id,
            parameters=run.parameters,
            submitted_by=access.user,
            priority=min(run.priority, HIGHEST[access.role]),
            continue_on_step_failure=run.continue_on_step_failure,
            steps_total=len(earlier),
            rerun_of=run,
            rerun_from=name,
            has_branches=any(each.step.only_if for each in frozen),
        )
        insert_steps(new, run.version.definition, frozen)
        journal = Journal(new, new.created_at)
        journal.tell(RunChanged(status=RunStatus.QUEUED))
        _keep(journal, run, kept)
        StepRun.objects.filter(run=new, name__in=anew).update(runs_anew=True)
        count_anew(new.pk)
        condition = "run_id = %s AND status = %s AND waiting_for = 0 ORDER BY position"
        release(journal, read_rows(StepRun, READY_FIELDS, condition, [new.pk, StepStatus.WAITING]))
        journal.write()
        audit.record(access.workspace, access.user, "run.rerun", f"run {new.pk}, as run {run.pk} from {name} on")
    return new


def _run_anew(chosen: StepRun) -> set[str]:
    later = StepRun.objects.filter(pk__in=RawSQL(LATER_STEPS, [chosen.pk]))  # noqa: S611 (a constant statement)
    return {chosen.name, *(each.name for each in chosen.parts.only("name")), *later.values_list("name", flat=True)}


def clone_run(access: Access, run: Run) -> Pipeline:
    """A new pipeline whose first version is what this run ran: edits within it, and its values as defaults."""
    access.require(Permission.EDIT_PIPELINES)
    definition = _as_it_ran(run)
    description = f"What run {run.pk} of “{run.pipeline.name}”, version {run.version.number}, ran."
    with transaction.atomic():
        pipeline = create_pipeline(access, name=_free_name(run), description=description)
        save_version(access, pipeline, definition=definition, base_version=0)
    return pipeline


def _as_it_ran(run: Run) -> PipelineDefinition:
    version, values = run.version.definition, run.parameters.values
    parameters = [
        parameter.model_copy(update={"default": values[parameter.name]}) if parameter.name in values else parameter
        for parameter in version.parameters
    ]
    ran = list(StepRun.objects.filter(run=run).only("frozen", "name").order_by("position"))
    is_edited = Exists(StepEdit.objects.filter(step_run=OuterRef("pk")))
    edited = set(StepRun.objects.filter(is_edited, run=run).values_list("name", flat=True))
    # What was not edited in the run stays as it was written: its settings may be fed by parameters.
    given = settled(version, values).definition.steps
    usable = _usable(ran)
    steps: list[Step] = []
    # Behind its own steps a run has the parts of those that work on several nodes.
    for written, as_given, row in zip(version.steps, given, ran[: len(given)], strict=True):
        module = row.frozen.module
        if module is None:
            steps.append(written if as_given == row.frozen.step else row.frozen.step)
        elif row.name not in edited and (module.module_id, module.version) in usable:
            steps.append(written.model_copy(update={"module_version": module.version}))
        else:
            taken = {parameter.name for parameter in parameters}
            step, more = inlined(row.frozen.step, module.parameters, module.values, taken)
            steps.append(step)
            parameters += more
    return PipelineDefinition(parameters=parameters, continue_on_step_failure=run.continue_on_step_failure, steps=steps)


def _usable(ran: Iterable[StepRun]) -> set[tuple[int, int]]:
    """Of the versions of modules that steps ran, those that a new pipeline may use, with the number of the module."""
    modules = {row.frozen.module.module_id for row in ran if row.frozen.module}
    if not modules:
        return set()
    there = ModuleVersion.objects.filter(module__in=modules, module__deleted_at=None, disabled_at=None)
    return set(there.values_list("module_id", "number"))


def _free_name(run: Run) -> str:
    taken = set(Pipeline.objects.filter(workspace=run.workspace_id, deleted_at=None).values_list("name", flat=True))
    ends = [" (copy)", *(f" (copy {number})" for number in range(2, _NAMES_TRIED))]
    names = (f"{run.pipeline.name[: 100 - len(end)]}{end}" for end in ends)
    free = next((name for name in names if name not in taken), None)
    if free is None:
        raise UserError(f"There are {_NAMES_TRIED} copies of “{run.pipeline.name}” already. Rename or delete some.")
    return free


def _refuse_while_cancelling(run: Run) -> None:
    if run.cancel_requested_at and run.status not in RUN_TERMINAL:
        raise ConflictError(
            f"Run {run.pk} is being cancelled. Submit it again once what still runs of it has ended.", status=run.status
        )


def _results_to_keep(run: Run, steps: Sequence[StepRun], anew: Collection[str]) -> list[StepRun]:
    """Of steps that completed and are not to run anew. One whose data a step will read must still have it."""
    # What the studio does itself it does anew: nobody's answer to one run holds for another. So nothing behind it is
    # done before, or what reads from that would run before the answer.
    open_again = _with_later(run, [step.pk for step in steps if not step.frozen.step.has_job and not step.makes_runs])
    done = {
        step.pk: step
        for step in steps
        if step.status == StepStatus.COMPLETED and step.name not in anew and step.pk not in open_again
    }
    edges = StepEdge.objects.filter(run=run, upstream__in=done).exclude(downstream__in=done)
    read = set(edges.values_list("upstream_id", flat=True))
    places = {record.datastore_id for pk in read for record in _records(done[pk])}
    datastores = Datastore.objects.in_bulk(places)
    return [step for pk, step in done.items() if pk not in read or _has_results(step, datastores)]


def _with_later(run: Run, step_ids: Collection[int]) -> set[int]:
    """These and all that depends on them."""
    found, left = set(step_ids), list(step_ids)
    if not left:
        return found
    after: dict[int, list[int]] = {}
    for upstream, downstream in StepEdge.objects.filter(run=run).values_list("upstream_id", "downstream_id"):
        after.setdefault(upstream, []).append(downstream)
    while left:
        new = set(after.get(left.pop(), ())) - found
        found |= new
        left += new
    return found


def _has_results(step: StepRun, datastores: Mapping[int, Datastore]) -> bool:
    return holds_results(step, {name for name, given in step.frozen.outputs.items() if given.path}, datastores)


def _records(step: StepRun) -> list[Any]:
    return list(step.outputs.outputs.values()) if step.outputs else []


def _as_submitted(frozen: FrozenStep) -> FrozenStep:
    """With its destinations as they were written, for another run's number is to be filled in."""
    outputs = {
        output.name: FrozenOutput(datastore_id=frozen.outputs[output.name].datastore_id, path=output.path)
        for output in frozen.step.outputs
        if output.name in frozen.outputs
    }
    return frozen.model_copy(update={"outputs": outputs})


def _keep(journal: Journal, run: Run, kept: Sequence[StepRun]) -> None:
    ours = {step.name: step for step in StepRun.objects.filter(run=journal.run, name__in=[each.name for each in kept])}
    note = f"Kept from run {run.pk}, of which this run is a rerun."
    journal.move_each(
        [
            (
                ours[each.name],
                {
                    "finished_at": journal.at,
                    "outputs": each.outputs,
                    "ingredients": each.ingredients,
                    "fingerprint": each.fingerprint,
                    "reused_from_id": each.reused_from_id or each.pk,
                    "reuse_note": note,
                },
            )
            for each in kept
        ],
        StepStatus.COMPLETED,
        reused_from_run={ours[each.name].pk: _where_it_ran(each) for each in kept},
    )


def _where_it_ran(step: StepRun) -> int:
    return step.reused_from.run_id if step.reused_from else step.run_id
