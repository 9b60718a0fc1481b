"""Taking an earlier step's result again, and saying why it was or was not done."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from datastores.backends import get_backend
from datastores.models import Datastore
from pipelines.fingerprints import fingerprint_of, first_difference, ingredients_of
from pipelines.models import Ingredients, Run, StepRun
from pipelines.states import StepStatus
from studio.lib.problems import UserError

REUSE_IS_OFF = "Ran: reuse is switched off for this step."


@dataclass(frozen=True, slots=True)
class Candidate:
    """A step whose inputs are known, with what would make its result."""

    step: StepRun
    ingredients: Ingredients
    fingerprint: str  # empty where reuse is not allowed


def candidate(step: StepRun, contents: Mapping[str, str]) -> Candidate:
    """`contents` has the fingerprint of what each input reads; "" where it is not known, which forbids reuse."""
    ingredients = ingredients_of(step.frozen, contents)
    may_reuse = step.frozen.step.allow_reuse and all(contents.values())
    return Candidate(step, ingredients, fingerprint_of(ingredients) if may_reuse else "")


def earlier_results(workspace_id: int, candidates: Sequence[Candidate]) -> dict[int, StepRun]:
    """By step, a step run of the workspace with its fingerprint that ran itself and whose outputs still exist.

    The newest of the same name goes before the newest: two steps of a run may do the same.
    """
    fingerprints = {each.fingerprint for each in candidates} - {""}
    if not fingerprints:
        return {}
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
    datastores = Datastore.objects.in_bulk(_datastores_of(rows)) if by_fingerprint else {}
    found: dict[int, StepRun] = {}
    for each in candidates:
        own_first = sorted(by_fingerprint.get(each.fingerprint, []), key=lambda row: row.name != each.step.name)
        earlier = next((row for row in own_first if _outputs_exist(row, datastores)), None)
        if earlier is not None:
            found[each.step.pk] = earlier
    return found


def notes_on_running(run: Run, candidates: Iterable[Candidate]) -> dict[int, str]:
    """For each of these steps, none of which found an earlier result, why it runs."""
    candidates = list(candidates)
    notes = {each.step.pk: REUSE_IS_OFF for each in candidates if not each.fingerprint}
    asked = [each for each in candidates if each.fingerprint]
    if not asked:
        return notes
    before = Run.objects.filter(pipeline_id=run.pipeline_id, pk__lt=run.pk).order_by("-pk").values("pk")[:1]
    rows = StepRun.objects.filter(run_id=before, name__in=[each.step.name for each in asked])
    earlier = {row.name: row for row in rows.only("run_id", "name", "status", "ingredients")}
    for each in asked:
        notes[each.step.pk] = _why_it_runs(each, earlier.get(each.step.name))
    return notes


def note_on_reuse(earlier: StepRun) -> str:
    return f"Same code, arguments, inputs and environment as run {earlier.run_id}."


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
