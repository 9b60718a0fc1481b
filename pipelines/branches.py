"""What becomes of a step once everything before it is settled, where conditions decide which steps run. Pure.

- A step that says `only_if` runs where its condition gave that answer.
- A step runs only where the data it needs was written: an optional input from a branch that was not taken is absent.
- Where two branches meet again, it is enough that one of the steps before it completed.

What does not run is not taken. That is no failure, and what follows it is judged in the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.kinds import StepBase
from pipelines.parts import OutputBinding
from pipelines.states import StepStatus


@dataclass(frozen=True, slots=True)
class Before:
    """A step that another one waits for, settled."""

    status: str
    answer: bool | None = None  # of a condition

    @property
    def is_not_taken(self) -> bool:
        return self.status == StepStatus.NOT_TAKEN


def why_not_taken(step: StepBase, before: Mapping[str, Before]) -> str | None:
    """A sentence where the step does not run; None where it does. `before` has each step that it waits for, by name."""
    if step.only_if is not None:
        condition = before[step.only_if.step]
        if condition.is_not_taken:
            return f"“{step.only_if.step}” was not taken."
        if condition.answer is not step.only_if.answer:
            return f"“{step.only_if.step}” is {'true' if condition.answer else 'false'}."
    for given in step.inputs:
        binding = given.binding
        if isinstance(binding, OutputBinding) and not given.optional and before[binding.step].is_not_taken:
            return f"Its input “{given.name}” comes from “{binding.step}”, which was not taken."
    if before and all(each.is_not_taken for each in before.values()):
        names = " and ".join(f"“{name}”" for name in list(before)[:3])
        return f"{names} {'was' if len(before) == 1 else 'were'} not taken, and nothing else leads here."
    return None


def absent_inputs(step: StepBase, before: Mapping[str, Before]) -> set[str]:
    """The names of the inputs, all optional, that a step which runs goes without."""
    return {
        given.name
        for given in step.inputs
        if isinstance(given.binding, OutputBinding) and before[given.binding.step].is_not_taken
    }
