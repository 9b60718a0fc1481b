"""Of steps that wait for nothing any more, those that are on a branch which was taken."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.branches import Before, absent_inputs, why_not_taken
from pipelines.models import FrozenStep, Run, StepEdge, StepRun
from pipelines.parts import ParameterValue
from pipelines.spreading import command_of, variables_of


@dataclass(frozen=True, slots=True)
class Judged:
    """Steps that run, and those that do not with the reason."""

    taken: list[StepRun] = field(default_factory=list)
    not_taken: list[tuple[StepRun, str]] = field(default_factory=list)


def judge(run: Run, ready: Sequence[StepRun]) -> Judged:
    """Two queries at most. A step that runs without an input from a branch that was not taken is without it in memory.

    Its row stays as it was frozen: a new run made of this one may take the other branch.
    """
    if not run.has_branches or not ready:
        return Judged(taken=list(ready))
    before = _before(ready)
    judged = Judged()
    values: dict[str, ParameterValue] | None = None
    for step in ready:
        definition = step.frozen.step
        if sentence := why_not_taken(definition, before[step.pk]):
            judged.not_taken.append((step, sentence))
            continue
        if absent := absent_inputs(definition, before[step.pk]):
            values = values_of(run) if values is None else values
            step.frozen = without(step.frozen, absent, values)
        judged.taken.append(step)
    return judged


def as_it_runs(run: Run, step: StepRun) -> FrozenStep:
    """What a step runs or ran: without the inputs from branches that were not taken. Two queries at most."""
    frozen: FrozenStep = step.frozen
    if not run.has_branches:
        return frozen
    # What is not settled yet may still come.
    absent = absent_inputs(frozen.step, _before([step])[step.pk])
    return without(frozen, absent, values_of(run)) if absent else frozen


def _before(steps: Sequence[StepRun]) -> dict[int, dict[str, Before]]:
    """By step, those that it waits for, by name."""
    before: dict[int, dict[str, Before]] = {step.pk: {} for step in steps}
    edges = StepEdge.objects.filter(downstream__in=before).order_by("upstream__position")
    names = ("downstream_id", "upstream__name", "upstream__status", "upstream__decision")
    for downstream, name, status, decision in edges.values_list(*names):
        before[downstream][name] = Before(status, decision.answer if decision else None)
    return before


def values_of(run: Run) -> dict[str, ParameterValue]:
    parameters = Run.everything.values_list("parameters", flat=True).get(pk=run.pk)
    return dict(parameters.values)


def without(frozen: FrozenStep, absent: set[str], values: dict[str, ParameterValue]) -> FrozenStep:
    """A step as it runs where these inputs are absent beside those that are anyway.

    One that puts parts together reads theirs alone, and what is absent is so for them.
    """
    if frozen.part is not None and frozen.part.unites:
        return frozen
    step = frozen.step
    values = frozen.values_in(values)
    inputs = {name: given for name, given in frozen.inputs.items() if name not in absent}
    missing = {given.name for given in step.inputs if given.name not in inputs}
    changed = {
        "inputs": inputs,
        "command": command_of(step, frozen.part, values, missing),
        "environment_variables": variables_of(step, frozen.part, values, missing),
    }
    made: FrozenStep = frozen.model_copy(update=changed)
    return made
