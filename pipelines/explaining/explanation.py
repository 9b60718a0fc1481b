"""The whole answer: with which earlier step this one is compared, and all that differs."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from compute.environment_queries import PackageChange, SpecLine, lock_difference, locks_of, spec_difference
from pipelines.earlier import earlier_of, nearest
from pipelines.explaining.code import CodeChange, code_change
from pipelines.explaining.inputs import InputChange, input_change
from pipelines.explaining.lines import Words, word_difference
from pipelines.fingerprints import Difference, in_order
from pipelines.models import FrozenStep, ReuseEnd, StepRun
from pipelines.states import StepStatus
from studio.workspaces.models import Workspace


@dataclass(frozen=True, slots=True)
class Compared:
    """The earlier step."""

    run: int
    step: str
    status: str


@dataclass(frozen=True, slots=True)
class Sides:
    """What it was and what it is; None where there was, or is, none."""

    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class EnvironmentChange:
    before: str  # NAME:VERSION
    after: str
    lines: list[SpecLine]  # of what was asked for
    packages: list[PackageChange]  # of what was installed
    note: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """An ingredient that differs. Of the parts one is there, that of its kind."""

    kind: str  # code, arguments, environment, outputs, input, variable
    name: str  # of an input or a variable
    words: str
    code: CodeChange | None = None
    arguments: list[Words] | None = None
    environment: EnvironmentChange | None = None
    input: InputChange | None = None
    variable: Sides | None = None
    outputs: list[Sides] | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Explanation:
    question: str
    note: str  # the answer in a sentence
    compared: Compared | None
    changes: list[Change]
    same: list[str]  # ingredients, in words
    fingerprint: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def explain(workspace: Workspace, step: StepRun) -> Explanation:
    """Why a step ran or was reused. Looks at sources and datastores, so it may take seconds."""
    if step.ingredients is None:
        return _not_yet(step)
    ours = in_order(step.ingredients.digests)
    if step.reused_from_id:
        source = StepRun.objects.filter(pk=step.reused_from_id).only("run_id", "name", "status").first()
        compared = Compared(source.run_id, source.name, source.status) if source else None
        same = [each.words for each in ours]
        note = step.reuse_note or "Nothing that makes its result has changed since."
        return Explanation("Why was it reused?", note, compared, [], same, step.fingerprint)
    found = nearest(step.ingredients, earlier_of(step.run, [step.name]).get(step.name, []))
    if found is None:
        return Explanation("Why did it run?", step.reuse_note, None, [], [], step.fingerprint)
    row, different = found
    theirs = StepRun.objects.select_related("run").get(pk=row.pk)
    changes = changes_between(workspace, theirs, step, different)
    same = [each.words for each in ours if each not in different]
    compared = Compared(theirs.run_id, theirs.name, theirs.status)
    return Explanation("Why did it run?", step.reuse_note, compared, changes, same, step.fingerprint)


def changes_between(
    workspace: Workspace, before: StepRun, after: StepRun, different: Iterable[Difference]
) -> list[Change]:
    """All that is known of ingredients that differ. Both with their runs. May take seconds, as `explain`."""
    return [_change(workspace, each, before, after) for each in different]


def reuse_end_of(step: StepRun) -> ReuseEnd | None:
    """From when on the result of a step is no longer taken. Of a reused one: that of the step that made it."""
    rows = ReuseEnd.objects.filter(step_run=step.reused_from_id or step.pk)
    return rows.select_related("decided_by", "step_run").first()


def _not_yet(step: StepRun) -> Explanation:
    if step.status == StepStatus.WAITING:
        note = step.reuse_note or "It waits for the steps before it: what they write decides whether it has to run."
        return Explanation("Why does it wait?", note, None, [], [], "")
    return Explanation("Why did it run?", "It did not run: it was over before its turn came.", None, [], [], "")


def _change(workspace: Workspace, different: Difference, theirs: StepRun, mine: StepRun) -> Change:
    before, after = theirs.frozen, mine.frozen
    kind, name = different.kind, different.name
    match kind:
        case "code":
            return Change(kind, name, different.words, code=code_change(workspace, before, after))
        case "arguments":
            words = word_difference(before.step.counted(before.command), after.step.counted(after.command))
            return Change(kind, name, different.words, arguments=words, notes=_modes(before, after))
        case "environment":
            return Change(kind, name, different.words, environment=_environment(before, after))
        case "input":
            return Change(kind, name, different.words, input=input_change(workspace, name, theirs, mine))
        case "variable":
            sides = Sides(before.environment_variables.get(name), after.environment_variables.get(name))
            return Change(kind, name, different.words, variable=sides)
        case "outputs":
            return Change(kind, name, different.words, outputs=_outputs(before, after))
        case _:
            return Change(kind, name, different.words)


def _modes(before: FrozenStep, after: FrozenStep) -> list[str]:
    """An address in place of a path is another argument."""
    both = before.inputs.keys() & after.inputs.keys()
    modes = [(name, before.inputs[name].mode, after.inputs[name].mode) for name in sorted(both)]
    return [
        f"Input “{name}” is given as {'an address' if now == 'direct' else 'a path'}, "
        f"and was as {'an address' if was == 'direct' else 'a path'}."
        for name, was, now in modes
        if (was == "direct") != (now == "direct")
    ]


def _environment(before: FrozenStep, after: FrozenStep) -> EnvironmentChange:
    locks = locks_of(before.environment.digest, after.environment.digest)
    old, new = locks.get(before.environment.digest), locks.get(after.environment.digest)
    note = ""
    if old is None or new is None:
        which = before.environment_name if old is None else after.environment_name
        note = f"Which packages {which} comes to is not known before its first build."
    return EnvironmentChange(
        before=before.environment_name,
        after=after.environment_name,
        lines=[line for line in spec_difference(before.environment, after.environment) if line.change != "same"],
        packages=lock_difference(old.document, new.document) if old and new else [],
        note=note,
    )


def _outputs(before: FrozenStep, after: FrozenStep) -> list[Sides]:
    old, new = _declared(before), _declared(after)
    names = [*new, *(name for name in old if name not in new)]
    return [Sides(old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def _declared(frozen: FrozenStep) -> dict[str, str]:
    """Each output with what counts of it, in words."""
    found = {}
    for output in frozen.step.outputs:
        words = [output.name]
        if output.file is not None:
            words.append(f"the file {output.file}")
        if output.datastore or output.path:
            words.append(f"to {output.datastore or 'the default datastore'}: {output.path or 'the folder of runs'}")
        if output.required:
            words.append("required")
        found[output.name] = ", ".join(words)
    return found
