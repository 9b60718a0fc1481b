"""Taking an earlier step's result again, and saying why it was or was not done."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models.fields.json import KeyTransform

from datastores.backends import Backend, get_backend
from datastores.models import DatasetVersion, Datastore
from pipelines.earlier import Earlier, earlier_of, nearest
from pipelines.fingerprints import Difference, fingerprint_of, ingredients_of
from pipelines.models import Ingredients, ReuseEnd, Run, StepRun
from pipelines.services.looking import holds_results, is_on_this_machine
from pipelines.states import StepStatus
from studio.lib.clock import clock
from studio.lib.problems import UserError
from studio.lib.statements import read_rows
from studio.workspaces.models import User

_VALUE_SHOWN = 60
_NOTE = 500  # characters
RUNS_ANEW = "Ran: it was asked to run anew."
# Every submission asks this, so the statement is put together by hand. It is written so that
# SQLite begins with the fingerprint, not with all steps that ran themselves or with all runs of the workspace.
_MAY_BE_TAKEN = """
    fingerprint IN ({fingerprints}) AND status = 'completed' AND COALESCE(reused_from_id, 0) = 0
    AND (
        SELECT run.workspace_id FROM pipelines_run run
        WHERE run.id = pipelines_steprun.run_id AND run.trashed_at IS NULL
    ) = %s
    AND NOT EXISTS (
        SELECT 1 FROM pipelines_reuseend ended
        WHERE ended.step_run_id = pipelines_steprun.id AND ended.ends_at <= %s
    )
    ORDER BY id DESC
"""
_AHEAD = 200  # steps
_NEXT_OF_RUN = """
    SELECT later.fingerprint FROM pipelines_steprun later
    WHERE later.run_id = %s AND later.position > %s AND later.fingerprint <> ''
    ORDER BY later.position LIMIT %s
"""
FIRST_OF_ITS_KIND = "Ran: no earlier run did the same."
REUSE_IS_OFF = "Ran: reuse is switched off for this step."


@dataclass(frozen=True, slots=True)
class Candidate:
    """A step whose inputs are known, with what would make its result."""

    step: StepRun
    ingredients: Ingredients
    fingerprint: str  # empty where reuse is not allowed
    untold: str = ""  # an input of which nobody can tell whether its data changed
    is_environment_untold: bool = False  # somebody else looks after its packages
    why_never: str = ""  # what its kind says


class Shelves:
    """The datastores that hold earlier results, each read and opened once for a whole chain of steps."""

    def __init__(self) -> None:
        self._datastores: dict[int, Datastore] = {}
        self._asked: set[int] = set()
        self._backends: dict[int, Backend] = {}

    def of(self, rows: Iterable[StepRun]) -> Mapping[int, Datastore]:
        """All that are known by now, with those of these steps among them as far as they are there."""
        unknown = _datastores_of(rows) - self._asked
        if unknown:
            self._datastores |= Datastore.objects.in_bulk(unknown)
            self._asked |= unknown
        return self._datastores

    def backend(self, datastore: Datastore) -> Backend:
        if datastore.pk not in self._backends:
            self._backends[datastore.pk] = get_backend(datastore)
        return self._backends[datastore.pk]


def candidate(step: StepRun, contents: Mapping[str, str]) -> Candidate:
    """`contents` has the fingerprint of what each input reads; "" where it is not known, which forbids reuse."""
    ingredients = ingredients_of(step.frozen, contents)
    if not step.frozen.step.allow_reuse:
        return Candidate(step, ingredients, "")
    if why := step.frozen.step.never_reused:
        return Candidate(step, ingredients, "", why_never=why)
    if not step.frozen.environment.is_managed:
        return Candidate(step, ingredients, "", is_environment_untold=True)
    untold = next((name for name, content in contents.items() if not content), "")
    return Candidate(step, ingredients, "" if untold else fingerprint_of(ingredients), untold)


class EarlierResults:
    """What may be taken from earlier runs, asked by one step of a chain after the other.

    Where one takes a result of some run, the next most likely takes what came after it there: that is read ahead, so
    a chain does not ask once for each of its steps.
    """

    def __init__(self, workspace_id: int) -> None:
        self._workspace_id = workspace_id
        self._shelves = Shelves()
        self._known: dict[str, list[StepRun]] = {}  # by fingerprint, all that may be taken
        self._last: StepRun | None = None  # that was found by asking for it

    def to_take(
        self, candidates: Sequence[Candidate], looked: Mapping[int, bool]
    ) -> tuple[dict[int, StepRun], list[int]]:
        """By step, an earlier step run whose result can be taken; and the steps for which somebody has to look first.

        It is one of the workspace with the same fingerprint that ran itself, that nobody excluded from reuse, and whose
        outputs still exist: the newest of the same name goes before the newest, for two steps of a run may do the same.
        `looked` says of step runs whether theirs do; for others the disks of this machine are asked, and nothing else.
        """
        found: dict[int, StepRun] = {}
        to_look_for: list[int] = []
        by_fingerprint = self._of(candidates)
        datastores = self._shelves.of(row for rows in by_fingerprint.values() for row in rows)
        for each in candidates:
            for row in _own_first(each, by_fingerprint):
                if row.pk not in looked and _is_far(each, row, datastores):
                    to_look_for.append(each.step.pk)
                    break
                if looked[row.pk] if row.pk in looked else _outputs_exist(row, datastores, self._shelves):
                    found[each.step.pk] = row
                    break
        return found, to_look_for

    def _of(self, candidates: Sequence[Candidate]) -> dict[str, list[StepRun]]:
        asked = _asked_of(candidates)
        unknown = asked - self._known.keys()
        if unknown and self._last is not None and len(unknown) <= _AHEAD:
            self._known |= _read_ahead(self._workspace_id, self._last)
            self._last, unknown = None, asked - self._known.keys()
        if unknown:
            found = _with_fingerprints(self._workspace_id, unknown)
            self._known |= {each: found.get(each, []) for each in unknown}
            self._last = next((rows[0] for rows in found.values()), None)
        return {each: self._known[each] for each in asked}


def look_at_earlier_results(workspace_id: int, candidates: Sequence[Candidate]) -> dict[int, bool]:
    """For `EarlierResults`: of each step run that it would ask for, whether its outputs exist. May take seconds."""
    by_fingerprint = _with_fingerprints(workspace_id, _asked_of(candidates))
    datastores = Shelves().of(row for rows in by_fingerprint.values() for row in rows)
    looked: dict[int, bool] = {}
    for each in candidates:
        for row in _own_first(each, by_fingerprint):
            if row.pk not in looked and _is_far(each, row, datastores):
                looked[row.pk] = holds_results(row, _destinations(each), datastores)
            if looked.get(row.pk):
                break
    return looked


def _asked_of(candidates: Iterable[Candidate]) -> set[str]:
    """The fingerprints of those that may take an earlier result."""
    return {each.fingerprint for each in candidates if not each.step.runs_anew} - {""}


def _with_fingerprints(workspace_id: int, fingerprints: Collection[str]) -> dict[str, list[StepRun]]:
    """The step runs whose results may be taken, by fingerprint, the newest first."""
    if not fingerprints:
        return {}
    return _that_may_be_taken(workspace_id, ", ".join(["%s"] * len(fingerprints)), sorted(fingerprints))


def _read_ahead(workspace_id: int, last: StepRun) -> dict[str, list[StepRun]]:
    """As `_with_fingerprints`, of what came after this step in its run."""
    return _that_may_be_taken(workspace_id, _NEXT_OF_RUN, [last.run_id, last.position, _AHEAD])


def _that_may_be_taken(workspace_id: int, which: str, parameters: Sequence[Any]) -> dict[str, list[StepRun]]:
    rows = read_rows(
        StepRun,
        ("id", "run_id", "name", "position", "fingerprint", "outputs"),
        _MAY_BE_TAKEN.format(fingerprints=which),
        [*parameters, workspace_id, _as_stored(clock.now())],
    )
    by_fingerprint: dict[str, list[StepRun]] = {}
    for row in rows:
        by_fingerprint.setdefault(row.fingerprint, []).append(row)
    return by_fingerprint


def _as_stored(instant: datetime) -> Any:
    return ReuseEnd._meta.get_field("ends_at").get_db_prep_value(instant, connection)  # noqa: SLF001 (documented)


def _own_first(mine: Candidate, by_fingerprint: Mapping[str, list[StepRun]]) -> list[StepRun]:
    if mine.step.runs_anew:
        return []
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
    notes |= {each.step.pk: RUNS_ANEW for each in candidates if each.step.runs_anew}
    asked = [each for each in candidates if each.step.pk not in notes]
    if not asked:
        return notes
    earlier = earlier_of(run, {each.step.name for each in asked})
    same: dict[int, Earlier] = {}  # by step, those that did it all the same
    changed: dict[int, tuple[Candidate, Earlier, str]] = {}  # those of which it is a variable
    for each in asked:
        theirs = earlier.get(each.step.name, [])
        found = nearest(each.ingredients, theirs)
        notes[each.step.pk] = _why_it_runs(theirs, found)
        if found is None:
            continue
        row, different = found
        if not different and row.status == StepStatus.COMPLETED:
            same[each.step.pk] = row
        elif len(different) == 1 and different[0].kind == "variable":
            changed[row.pk] = each, row, different[0].name
    return notes | _notes_on_variables(changed) | _notes_on_same(same)


def _notes_on_variables(changed: Mapping[int, tuple[Candidate, Earlier, str]]) -> dict[int, str]:
    """One query, for what the variables were."""
    if not changed:
        return {}
    rows = StepRun.objects.filter(pk__in=changed).annotate(then=KeyTransform("environment_variables", "frozen"))
    then = dict(rows.values_list("pk", "then"))
    return {
        mine.step.pk: _why_for_variable(
            name, (then[pk] or {}).get(name), mine.step.frozen.environment_variables.get(name), theirs.run_id
        )
        for pk, (mine, theirs, name) in changed.items()
    }


def _notes_on_same(same: Mapping[int, Earlier]) -> dict[int, str]:
    """Why a result that would have done was not taken: one query."""
    if not same:
        return {}
    ended = ReuseEnd.objects.filter(step_run__in={each.source_id for each in same.values()}, ends_at__lte=clock.now())
    by = {end.step_run_id: end.decided_by for end in ended.select_related("decided_by")}
    return {
        pk: why_not_taken(each, is_ended=each.source_id in by, by=by.get(each.source_id)) for pk, each in same.items()
    }


def why_not_taken(earlier: Earlier, *, is_ended: bool, by: User | None) -> str:
    if is_ended:
        return f"Ran: run {earlier.run_id} did the same, but {by or 'somebody'} excluded its result from reuse."
    if not earlier.fingerprint:
        return f"Ran: run {earlier.run_id} did the same, but with reuse switched off: its result is not taken."
    return f"Ran: what run {earlier.run_id} wrote is no longer there."


def _why_for_variable(name: str, before: str | None, now: str | None, run_id: int) -> str:
    if before is None:
        return f"Ran: the environment variable {name} was not set in run {run_id}."
    if now is None:
        return f"Ran: the environment variable {name} is no longer set, as it was in run {run_id}."
    return f"Ran: the environment variable {name} changed from {_quoted(before)} to {_quoted(now)} since run {run_id}."


def _quoted(value: str) -> str:
    return f"“{value}”" if len(value) <= _VALUE_SHOWN else f"“{value[: _VALUE_SHOWN - 1]}…”"


def note_on_reuse(mine: Candidate, earlier: StepRun, registered: Mapping[str, DatasetVersion]) -> str:
    note = f"Same code, arguments, inputs and environment as run {earlier.run_id}."
    if mine.step.shares_with_id == earlier.pk:
        note = f"Run {earlier.run_id} was doing the same work at that time: it was waited for, and its result taken."
        if earlier.run_id == mine.step.run_id:
            note = f"“{earlier.name}” was doing the same work at that time: it was waited for, and its result taken."
    if registered:
        note += f" Its output is {' and '.join(str(version) for version in registered.values())}."
    return _shortened(note)


def _shortened(note: str) -> str:
    return note if len(note) <= _NOTE else f"{note[: _NOTE - 1]}…"


def _why_not_reused(mine: Candidate) -> str:
    if mine.why_never:
        return mine.why_never
    if mine.is_environment_untold:
        return f"Ran: nobody can tell whether {mine.step.frozen.environment_name}, a Python of the node, is the same."
    if mine.untold:
        return f"Ran: nobody can tell whether the data of input “{mine.untold}” is still the same."
    return REUSE_IS_OFF


def _why_it_runs(earlier: Sequence[Earlier], found: tuple[Earlier, list[Difference]] | None) -> str:
    if found is None:
        return f"Ran: run {earlier[0].run_id} did not come to this step." if earlier else FIRST_OF_ITS_KIND
    row, different = found
    if different:
        return _shortened(f"Ran: {listed([each.words for each in different])} changed since run {row.run_id}.")
    return f"Ran: run {row.run_id} did the same, but this step did not complete there."


def listed(words: Sequence[str]) -> str:
    """`the code, the arguments and the environment`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _datastores_of(rows: Iterable[StepRun]) -> set[int]:
    return {record.datastore_id for row in rows if row.outputs for record in row.outputs.outputs.values()}


def _outputs_exist(step: StepRun, datastores: Mapping[int, Datastore], shelves: Shelves) -> bool:
    if step.outputs is None:
        return False
    for record in step.outputs.outputs.values():
        if record.datastore_id not in datastores:
            return False
        try:
            shelves.backend(datastores[record.datastore_id]).stat(record.path)
        except (UserError, OSError):
            return False
    return True
