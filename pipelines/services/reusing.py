"""Taking an earlier step's result again, and saying why it was or was not done."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from datastores.backends import get_backend
from datastores.models import DatasetVersion, Datastore
from pipelines.fingerprints import fingerprint_of, first_difference, ingredients_of
from pipelines.models import Ingredients, Run, StepRun
from pipelines.services.looking import holds_results, is_on_this_machine
from pipelines.states import StepStatus
from studio.lib.problems import UserError

REUSE_IS_OFF = "Ran: reuse is switched off for this step."


@dataclass(frozen=True, slots=True)
class Candidate:
    """A step whose inputs are known, with what would make its result."""

    step: StepRun
    ingredients: Ingredients
    fingerprint: str  # empty where reuse is not allowed
    untold: str = ""  # an input of which nobody can tell whether its data changed
    is_environment_untold: bool = False  # somebody else looks after its packages


def candidate(step: StepRun, contents: Mapping[str, str]) -> Candidate:
    """`contents` has the fingerprint of what each input reads; "" where it is not known, which forbids reuse."""
    ingredients = ingredients_of(step.frozen, contents)
    if not step.frozen.step.allow_reuse:
        return Candidate(step, ingredients, "")
    if not step.frozen.environment.is_managed:
        return Candidate(step, ingredients, "", is_environment_untold=True)
    untold = next((name for name, content in contents.items() if not content), "")
    return Candidate(step, ingredients, "" if untold else fingerprint_of(ingredients), untold)


def earlier_results(
    workspace_id: int, candidates: Sequence[Candidate], looked: Mapping[int, bool]
) -> tuple[dict[int, StepRun], list[int]]:
    """By step, an earlier step run whose result can be taken; and the steps for which somebody has to look first.

    It is one of the workspace with the same fingerprint that ran itself and whose outputs still exist: the newest of
    the same name goes before the newest, for two steps of a run may do the same. `looked` says of step runs whether
    theirs do; for others the disks of this machine are asked, and nothing else.
    """
    found: dict[int, StepRun] = {}
    to_look_for: list[int] = []
    by_fingerprint, datastores = _with_fingerprints(workspace_id, candidates)
    for each in candidates:
        for row in _own_first(each, by_fingerprint):
            if row.pk not in looked and _is_far(each, row, datastores):
                to_look_for.append(each.step.pk)
                break
            if looked[row.pk] if row.pk in looked else _outputs_exist(row, datastores):
                found[each.step.pk] = row
                break
    return found, to_look_for


def look_at_earlier_results(workspace_id: int, candidates: Sequence[Candidate]) -> dict[int, bool]:
    """For `earlier_results`: of each step run that it would ask for, whether its outputs exist. May take seconds."""
    by_fingerprint, datastores = _with_fingerprints(workspace_id, candidates)
    looked: dict[int, bool] = {}
    for each in candidates:
        for row in _own_first(each, by_fingerprint):
            if row.pk not in looked and _is_far(each, row, datastores):
                looked[row.pk] = holds_results(row, _destinations(each), datastores)
            if looked.get(row.pk):
                break
    return looked


def _with_fingerprints(
    workspace_id: int, candidates: Sequence[Candidate]
) -> tuple[dict[str, list[StepRun]], dict[int, Datastore]]:
    """The step runs whose results may be taken, by fingerprint, the newest first; and the datastores that hold them."""
    fingerprints = {each.fingerprint for each in candidates} - {""}
    if not fingerprints:
        return {}, {}
    rows = (
        StepRun.objects.filter(
            fingerprint__in=fingerprints,
            status=StepStatus.COMPLETED,
            reused_from=None,
            run__workspace_id=workspace_id,
        )
        .only("id", "run_id", "name", "fingerprint", "outputs")
        .order_by("-id")
    )
    by_fingerprint: dict[str, list[StepRun]] = {}
    for row in rows:
        by_fingerprint.setdefault(row.fingerprint, []).append(row)
    return by_fingerprint, Datastore.objects.in_bulk(_datastores_of(rows)) if by_fingerprint else {}


def _own_first(mine: Candidate, by_fingerprint: Mapping[str, list[StepRun]]) -> list[StepRun]:
    return sorted(by_fingerprint.get(mine.fingerprint, []), key=lambda row: row.name != mine.step.name)


def _destinations(mine: Candidate) -> set[str]:
    """The outputs that go to a destination of their own: others write there too, and people."""
    return {name for name, given in mine.step.frozen.outputs.items() if given.path}


def _is_far(mine: Candidate, row: StepRun, datastores: Mapping[int, Datastore]) -> bool:
    """Whether looking for this result takes more than a glance at this machine's disks."""
    if row.outputs is None or not row.outputs.outputs:
        return False
    if _destinations(mine):
        return True
    places = {record.datastore_id for record in row.outputs.outputs.values()}
    return any(pk in datastores and not is_on_this_machine(datastores[pk]) for pk in places)


def notes_on_running(run: Run, candidates: Iterable[Candidate]) -> dict[int, str]:
    """For each of these steps, none of which found an earlier result, why it runs."""
    candidates = list(candidates)
    notes = {each.step.pk: _why_not_reused(each) for each in candidates if not each.fingerprint}
    asked = [each for each in candidates if each.fingerprint]
    if not asked:
        return notes
    before = Run.objects.filter(pipeline_id=run.pipeline_id, pk__lt=run.pk).order_by("-pk").values("pk")[:1]
    rows = StepRun.objects.filter(run_id=before, name__in=[each.step.name for each in asked])
    earlier = {row.name: row for row in rows.only("run_id", "name", "status", "ingredients")}
    for each in asked:
        notes[each.step.pk] = _why_it_runs(each, earlier.get(each.step.name))
    return notes


def note_on_reuse(earlier: StepRun, registered: Mapping[str, DatasetVersion]) -> str:
    note = f"Same code, arguments, inputs and environment as run {earlier.run_id}."
    if registered:
        note += f" Its output is {' and '.join(str(version) for version in registered.values())}."
    return note if len(note) <= 500 else f"{note[:499]}…"


def _why_not_reused(mine: Candidate) -> str:
    if mine.is_environment_untold:
        return f"Ran: nobody can tell whether {mine.step.frozen.environment_name}, a Python of the node, is the same."
    if mine.untold:
        return f"Ran: nobody can tell whether the data of input “{mine.untold}” is still the same."
    return REUSE_IS_OFF


def _why_it_runs(mine: Candidate, earlier: StepRun | None) -> str:
    if earlier is None:
        return "Ran: no earlier run did the same."
    if earlier.ingredients is None:
        return f"Ran: run {earlier.run_id} did not come to this step."
    difference = first_difference(mine.ingredients, earlier.ingredients)
    if difference:
        return f"Ran: {difference} changed since run {earlier.run_id}."
    if earlier.status == StepStatus.COMPLETED:
        return f"Ran: what run {earlier.run_id} wrote is no longer there, or it ran with reuse switched off."
    return f"Ran: run {earlier.run_id} did the same, but this step did not complete there."


def _datastores_of(rows: Iterable[StepRun]) -> set[int]:
    return {record.datastore_id for row in rows if row.outputs for record in row.outputs.outputs.values()}


def _outputs_exist(step: StepRun, datastores: Mapping[int, Datastore]) -> bool:
    if step.outputs is None:
        return False
    for record in step.outputs.outputs.values():
        if record.datastore_id not in datastores:
            return False
        try:
            get_backend(datastores[record.datastore_id]).stat(record.path)
        except (UserError, OSError):
            return False
    return True
