"""Editing a step that came to nothing, within its run: the next attempt runs it, earlier ones keep what they ran."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from pydantic import ValidationError

from compute.services import hold_quotas
from datastores import snapshots
from datastores.models import Datastore
from pipelines.catalogue import catalogue_for, closest_targets
from pipelines.definition import Parameter, ParameterValue, PipelineDefinition, Step
from pipelines.events import StepEdited
from pipelines.kinds.interface import own_fields, way
from pipelines.kinds.parallel_run import ParallelRunStep
from pipelines.models import EditChanges, FrozenStep, Run, StepEdge, StepEdit, StepRun
from pipelines.references import still_fed, with_references
from pipelines.services.continuing import refuse_while_cancelling, try_again
from pipelines.services.editing import Saved, save_version
from pipelines.services.journal import Journal, held_run
from pipelines.services.step_files import files_that_run, hashed, require_script
from pipelines.services.trashing import refuse_in_trash
from pipelines.settling import settled
from pipelines.spreading import command_of, variables_of
from pipelines.states import STEP_TERMINAL, STEP_UNDONE, StepStatus
from pipelines.texts import unfit_text
from pipelines.validation import problems_of
from pipelines.works import work_of
from studio.lib.misshapen import shape_problems
from studio.lib.problems import ConflictError, Problem, UserError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.models import Workspace
from studio.workspaces.permissions import Permission

# Of the fields that every kind has: those that decide how and where an attempt is run, and nothing of the graph.
RUN_FIELDS = ("environment_variables", "compute", "timeout_s", "retry", "limits", "resources", "allow_reuse")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChanges:
    """What is to change: files of its source folder, and fields of its settings."""

    put: Mapping[str, str] = field(default_factory=dict)  # texts by path
    delete: tuple[str, ...] = ()
    move: tuple[tuple[str, str], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edited:
    """What an edit came to. `edit` is None where what was sent is what is there; `tried` counts the steps queued."""

    edit: StepEdit | None
    tried: int
    saved: Saved | None


def edit_step(
    access: Access,
    run: Run,
    name: str,
    changes: StepChanges,
    *,
    base_edit: int,
    go_on: bool = True,
    save_to_pipeline: bool = False,
) -> Edited:
    """Change what the next attempt of a step runs and, unless told otherwise, continue its run with it.

    `base_edit` is the number of the edit that the editor was opened with, 0 for none. With `save_to_pipeline` the
    pipeline's latest version gets the same change as a new version; then all happens, or nothing. Of a step that works
    on several nodes all is one definition: its parts that have not completed change with each other and with it.

    Raises UserError at `("files", …)`, `("settings", FIELD)` or `("save_to_pipeline",)`; ConflictError where the step
    or another part of the same is queued or runs, it completed, somebody else edited it meanwhile, or the run is being
    cancelled.
    """
    access.require(Permission.RUN)
    if save_to_pipeline:
        access.require(Permission.EDIT_PIPELINES)
    seen = StepRun.objects.get(run_id=run.pk, name=name)
    _refuse_unless_undone(seen)
    if save_to_pipeline:
        _refuse_module(seen.frozen)
    others = [each for each in parts_with(seen) if each.pk != seen.pk]
    _refuse_for_others(seen, others, changes)
    # Files are read and written before the transaction: nobody should wait for a disk.
    after, fed = _refrozen(access, run, seen, changes)
    after_of = {seen.pk: after}
    after_of |= {each.pk: _alike(after, each.frozen, run) for each in others if each.status in STEP_UNDONE}
    with transaction.atomic():
        hold_quotas(run.workspace_id)
        journal = Journal(held_run(run.pk), timezone.now())
        refuse_in_trash(journal.run)
        refuse_while_cancelling(journal.run)
        step = StepRun.objects.get(pk=seen.pk)
        _refuse_unless_undone(step)
        _refuse_other_edits(step, base_edit)
        together = [step, *StepRun.objects.filter(pk__in=after_of).exclude(pk=step.pk).order_by("position")]
        edits = [_replace_if_changed(access, journal, each, after_of[each.pk]) for each in together]
        edit = edits[0]
        if edit is None and not go_on:
            raise UserError("Nothing was changed. Change a file or a setting first.")
        whole = next(each for each in together if each.frozen.part is None or each.frozen.part.unites)
        saved = _carry_back(access, run, whole, after_of[whole.pk], fed) if save_to_pipeline else None
        tried = try_again(access, journal) if go_on else 0
        journal.write()
    return Edited(edit, tried, saved)


def parts_with(step: StepRun) -> list[StepRun]:
    """The parts of a step that works on several nodes, with the one that puts them together; `step` is any of them."""
    if step.frozen.part is None:
        return []
    whole = step.part_of_id or step.pk
    return list(StepRun.objects.filter(Q(pk=whole) | Q(part_of=whole)).order_by("position"))


def _refuse_for_others(step: StepRun, others: Sequence[StepRun], changes: StepChanges) -> None:
    """What parts that completed were done by stays, and nobody changes what is at work."""
    part, kind = step.frozen.part, step.frozen.step
    if part is None or not isinstance(kind, ParallelRunStep):
        return
    at_work = next((each for each in others if each.status not in STEP_TERMINAL), None)
    if at_work is not None:
        raise ConflictError(
            f"“{at_work.name}” is {StepStatus(at_work.status).label.lower()}, and a change is for all parts of "
            f"“{part.step}”. Wait for its end, or cancel the run, before you change it.",
            status=at_work.status,
            attempt=at_work.attempt,
        )
    done = [each for each in others if each.status == StepStatus.COMPLETED]
    if not done:
        return
    plain = kind.model_dump(mode="json")
    sentence = (
        f"{'Part' if len(done) == 1 else 'Parts'} of it completed with what was here before, and all must agree in it. "
        "Put it back, or change the pipeline and submit it again."
    )
    unlike = [name for name in changes.settings if name in kind.same_for_all and changes.settings[name] != plain[name]]
    if unlike:
        raise UserError([Problem(("settings", name), sentence) for name in unlike])


def _alike(after: FrozenStep, frozen: FrozenStep, run: Run) -> FrozenStep:
    """Another part of the same step, as this one is after an edit."""
    step = after.step.model_copy(update={"name": frozen.step.name, "outputs": frozen.step.outputs})
    values = frozen.values_in(run.parameters.values)
    absent = {given.name for given in step.inputs if given.name not in frozen.inputs}
    changed = {
        "step": step,
        "snapshot": after.snapshot,
        "hashed": after.hashed,
        "command": command_of(step, frozen.part, values, absent),
        "environment_variables": variables_of(step, frozen.part, values, absent),
        "compute_id": after.compute_id,
    }
    return frozen.model_copy(update=changed)


def _replace_if_changed(access: Access, journal: Journal, step: StepRun, after: FrozenStep) -> StepEdit | None:
    words = changes_in_words(step.frozen, after, access.workspace)
    return _replace(access, journal, step, after, words) if words else None


def changes_in_words(before: FrozenStep, after: FrozenStep, workspace: Workspace) -> list[str]:
    """The names of the fields and files that differ; empty where nothing does."""
    fields = [name for name in _fields_that_differ(before.step, after.step) if name != "source"]
    return fields + _files_that_differ(workspace, before.step.source, after.step.source)


def _fields_that_differ(before: Step, after: Step) -> dict[str, Any]:
    """With what they are after."""
    one, other = before.model_dump(mode="json"), after.model_dump(mode="json")
    return {name: value for name, value in other.items() if one.get(name) != value}


def _files_that_differ(workspace: Workspace, before: str | None, after: str | None) -> list[str]:
    if before == after:
        return []
    old, new = (_contents(workspace, digest) for digest in (before, after))
    return sorted(path for path in {**old, **new} if old.get(path) != new.get(path))


def _contents(workspace: Workspace, digest: str | None) -> dict[str, str]:
    if not digest:
        return {}
    return {file.path: file.sha256 for file in snapshots.get_snapshot(workspace, digest).manifest.files}


def _refuse_module(frozen: FrozenStep) -> None:
    if frozen.module is None:
        return
    raise UserError(
        f"This step is version {frozen.module.version} of module “{frozen.module.name}”, and the pipeline has nothing "
        "of its own to change. Continue without saving it, and publish a new version of the module.",
        loc=("save_to_pipeline",),
    )


def _refuse_unless_undone(step: StepRun) -> None:
    if step.status in STEP_UNDONE:
        return
    if step.status == StepStatus.COMPLETED:
        why = f"“{step.name}” has completed, and what completed stays as it is. Change the pipeline for the next run."
    else:
        why = (
            f"“{step.name}” is {StepStatus(step.status).label.lower()}: somebody continued the run meanwhile, or it "
            "has not been tried yet. Wait for its end, or cancel the run, before you change it."
        )
    raise ConflictError(why, status=step.status, attempt=step.attempt)


def _refuse_other_edits(step: StepRun, base_edit: int) -> None:
    last = step.edits.select_related("edited_by").order_by("-number").first()
    if (last.number if last else 0) == base_edit:
        return
    who = str(last.edited_by) if last and last.edited_by else "Somebody"
    what = " and ".join(last.changes.changes[:3]) if last else "it"
    raise ConflictError(
        f"{who} changed {what} of this step since you opened it. Reload the page to see it; copy your text before.",
        number=last.number if last else 0,
    )


def _replace(access: Access, journal: Journal, step: StepRun, after: FrozenStep, words: list[str]) -> StepEdit:
    number = step.edits.count() + 1
    edit = StepEdit.objects.create(
        step_run=step,
        number=number,
        before=step.frozen,
        last_attempt=step.attempt,
        changes=EditChanges(changes=words),
        edited_by=access.user,
        edited_at=journal.at,
    )
    if not StepRun.objects.filter(pk=step.pk, status__in=STEP_UNDONE).update(frozen=after):
        raise ConflictError(f"“{step.name}” moved on meanwhile. Reload the page.")
    journal.tell(StepEdited(step=step.name, by=access.user.username, number=number, changes=words))
    audit.record(access.workspace, access.user, "run.edit_step", f"run {step.run_id}, {step.name}: {', '.join(words)}")
    return edit


def _refrozen(access: Access, run: Run, step: StepRun, changes: StepChanges) -> tuple[FrozenStep, dict[str, str]]:
    """The step as it was frozen, with the changes: its data and environment stay. And what feeds changed settings."""
    frozen = step.frozen
    source = _edited_source(access, frozen.step.source, changes)
    written = _edited_settings(frozen.step, source, changes.settings)
    values = frozen.values_in(run.parameters.values)
    edited = _with_the_values(parameters_of(run, frozen), values, written)
    _refuse_problems(access.workspace, run, edited, before=frozen)
    snapshot = files_that_run(access.workspace, source) if source else ""
    if source:
        require_script(access.workspace, edited, snapshot, loc=("settings", edited.script_field))
    absent = {given.name for given in edited.inputs if given.name not in frozen.inputs}
    changed = {
        "step": edited,
        "snapshot": snapshot,
        "hashed": hashed(access.workspace, edited, snapshot, at=("settings",)),
        "command": command_of(edited, frozen.part, values, absent),
        "work": work_of(edited, values, _datastores(access.workspace) if edited.opens() else {}),
        "environment_variables": variables_of(edited, frozen.part, values, absent),
    }
    if frozen.part is not None and len(edited.outputs) > len(frozen.step.outputs):
        raise UserError("Within this run no further output can be added: its parts have theirs.", loc=("settings",))
    if edited.compute != frozen.step.compute:
        changed["compute_id"] = closest_targets(access.workspace)[edited.compute].pk
    return frozen.model_copy(update=changed), dict(written.references)


def _datastores(workspace: Workspace) -> dict[str, int]:
    return dict(Datastore.objects.filter(workspace=workspace).values_list("name", "pk"))


def _edited_source(access: Access, source: str | None, changes: StepChanges) -> str | None:
    if not (changes.put or changes.delete or changes.move):
        return source
    try:
        edited = snapshots.edit(
            access.workspace,
            source,
            put=changes.put,
            delete=changes.delete,
            move=changes.move,
            actor=access.user,
        )
    except UserError as error:
        raise UserError([Problem(("files", *each.loc), each.message) for each in error.problems]) from error
    return edited.digest


def _edited_settings(step: Step, source: str | None, settings: Mapping[str, Any]) -> Step:
    may = (*(name for name in own_fields(type(step)) if name not in step.fixed), *RUN_FIELDS)
    unknown = [name for name in settings if name not in may or name == "kind"]
    if unknown:
        sentence = f"This can't be changed within a run. What can: {', '.join(name for name in may if name != 'kind')}."
        raise UserError([Problem(("settings", name), sentence) for name in unknown])
    unfit = next(unfit_text(dict(settings), ("settings",)), None)
    if unfit is not None:
        sentence = "There is a character in this text that can't be kept (NUL, or half of one). Remove it."
        raise UserError(sentence, loc=unfit)
    try:
        edited: Step = type(step).model_validate({**step.model_dump(mode="json"), **settings, "source": source})
    except ValidationError as error:
        raise UserError(shape_problems(error, type(step), below=("settings",))) from error
    return edited


def parameters_of(run: Run, frozen: FrozenStep) -> list[Parameter]:
    """What a step's texts and settings may speak of: parameters of the pipeline, or of its module."""
    parameters: list[Parameter] = frozen.module.parameters if frozen.module else run.version.definition.parameters
    return parameters


def _with_the_values(parameters: list[Parameter], values: Mapping[str, ParameterValue], edited: Step) -> Step:
    """With the values in the settings that parameters feed. Raises UserError where one can't."""
    alone = PipelineDefinition(parameters=parameters, steps=[edited])
    given = settled(alone, values)
    if given.problems:
        raise UserError([Problem(("settings", *each.loc[2:]), each.message) for each in given.problems])
    return given.definition.steps[0]


def _refuse_problems(workspace: Workspace, run: Run, edited: Step, *, before: FrozenStep) -> None:
    """Raises UserError with what is wrong with the fields that an edit may change, and with no other.

    What else the step names may be gone from the workspace by now, and the other steps are not looked at: the run has
    all of it frozen.
    """
    problems = list(_unawaited(run, edited))
    if before.part is not None:
        # The definition has it by the name of the whole, and it is that one's parts that need room for their names.
        edited = edited.model_copy(update={"name": before.part.step})
    # Those whose metrics it reads are named; they stand behind it, and nothing else of them is looked at.
    measured = {name for _place, name in edited.reads_metrics()}
    others = [step for step in run.version.definition.steps if step.name in measured and step.name != edited.name]
    definition = PipelineDefinition(parameters=parameters_of(run, before), steps=[edited, *others])
    ours = {"source", *own_fields(type(edited)), *RUN_FIELDS}
    if edited.compute == before.step.compute:
        ours.remove("compute")
    found = [
        each
        for each in problems_of(definition, catalogue_for(workspace, definition))
        if each.loc[:2] == ("steps", 0) and len(each.loc) > 2
    ]
    problems += [
        Problem(("files",) if each.loc[2] == "source" else ("settings", *each.loc[2:]), each.message)
        for each in found
        if each.loc[2] in ours
    ]
    # An output that a changed text speaks of for the first time stands behind those that there were.
    problems += [
        Problem(("settings",), each.message)
        for each in found
        if each.loc[2] == "outputs" and len(each.loc) > 3 and int(each.loc[3]) >= len(before.step.outputs)
    ]
    if problems:
        raise UserError(problems)


def _unawaited(run: Run, edited: Step) -> Iterator[Problem]:
    """What a run waits for was settled when it was submitted, so of no other step are there metrics for certain."""
    read = list(edited.reads_metrics())
    if not read:
        return
    edges = StepEdge.objects.filter(run=run, downstream__name=edited.name)
    awaited = set(edges.values_list("upstream__name", flat=True))
    for place, name in read:
        if name not in awaited:
            there = f"It waits for: {', '.join(sorted(awaited))}." if awaited else "It waits for none."
            yield Problem(("settings", *way(place)), f"Within this run the step does not wait for “{name}”. {there}")


def _carry_back(access: Access, run: Run, step: StepRun, after: FrozenStep, fed: Mapping[str, str]) -> Saved:
    """The pipeline's next version: its latest one with the step as it is now.

    Raises ConflictError where the step is there no longer, or is none of those that this run ran.
    """
    pipeline = run.pipeline
    latest = pipeline.versions.select_related("created_by").order_by("-number").first()
    steps = latest.definition.steps if latest else []
    place = next((index for index, each in enumerate(steps) if each.name == step.name), None)
    if latest is None or place is None or pipeline.deleted_at is not None:
        gone = (
            f"the pipeline “{pipeline.name}” was deleted"
            if pipeline.deleted_at
            else "its latest version has no such step"
        )
        raise ConflictError(f"The edit can't be saved in the pipeline: {gone}. Continue without that.")
    # What parameters feed stays fed by them: it is with the run's values that the two are compared.
    theirs = settled(latest.definition, run.parameters.values).definition.steps[place]
    wanted = _without_git(after.step)
    if _without_git(theirs) == wanted:
        return Saved(latest, created=False)
    ran = [step.frozen.step, *(edit.before.step for edit in step.edits.all())]
    if _without_git(theirs) not in map(_without_git, ran):
        who = str(latest.created_by) if latest.created_by else "Somebody"
        raise ConflictError(
            f"{who} saved version {latest.number} of the pipeline, in which “{step.name}” is not what this run "
            "ran. Continue without saving it in the pipeline, and bring the change there by hand.",
            number=latest.number,
        )
    edited = _with_the_change(steps[place], _without_git(theirs), wanted, fed)
    changed = [*steps[:place], edited, *steps[place + 1 :]]
    definition = latest.definition.model_copy(update={"steps": changed})
    return save_version(access, pipeline, definition=definition, base_version=latest.number)


def _without_git(step: Step) -> Step:
    """Which commit equal files are of is no change, and the latest version's word on it stays."""
    return step.model_copy(update={"git": None})


def _with_the_change(step: Step, before: Step, after: Step, fed: Mapping[str, str]) -> Step:
    """A step of the pipeline with what differs in a run. What parameters feed stays fed, unless that was changed."""
    kept = still_fed(step.references, before.model_dump(mode="json"), after.model_dump(mode="json"))
    changed = {**step.model_dump(mode="json"), **_fields_that_differ(before, after)}
    edited: Step = type(after).model_validate(with_references(changed, {**kept, **fed}))
    return edited
