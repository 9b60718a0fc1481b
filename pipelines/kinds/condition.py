"""A condition: what comes to true or false, and decides which steps run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipelines.expressions import Expression, ExpressionError, read_expression, shown
from pipelines.kinds.interface import Example, Place
from pipelines.kinds.without_job import Going, Known, Over, StepWithoutJob
from pipelines.parts import OutputBinding
from pipelines.placeholders import STEPS, HasPlaceholders, Placeholder, metric_meant
from pipelines.states import StepStatus

_NAMED = 20  # metrics in a sentence


@dataclass(frozen=True, slots=True)
class _Text:
    """An expression as a text with placeholders. What is absent in it is null, so none of them is required."""

    placeholders: Sequence[Placeholder]
    required: Sequence[Placeholder] = ()
    texts: Sequence[str] = ()
    problems: Sequence[str] = ()


class ConditionStep(StepWithoutJob):
    """Comes to true or false; steps that say `only_if` run on one of its branches, and those of the other do not.

    `expression` speaks of parameters, of files that earlier steps wrote (an input is the file of its output), and of
    metrics that earlier steps logged: the last value of a series. Infinity is larger than every number. What is not a
    number (NaN) is null, for neither answer would follow from it: compared with a number it fails the step.
    """

    label: ClassVar[str] = "Condition"
    icon: ClassVar[str] = "arrows-split-2"
    summary: ClassVar[str] = "Decides by parameters and earlier results which steps run. It takes no node."
    card_field: ClassVar[str] = "expression"
    takes_inputs: ClassVar[Literal["any", "one", "none"]] = "any"
    answers: ClassVar[bool] = True
    looks: ClassVar[bool] = True
    note: ClassVar[str] = "A condition is evaluated anew in each run."

    kind: Literal["condition"] = "condition"
    expression: str = Field(
        default="",
        title="Is true when",
        description='As in ${{parameters.size}} > 1000 and ${{inputs.metrics}}["/accuracy"] >= 0.9, '
        "or ${{steps.train.metrics.accuracy}} >= 0.9 for the last value that step “train” logged. "
        "There are and, or, not, in, == != < <= > >=, + - * / // % **, texts in quotes, true, false and null.",
        json_schema_extra={"widget": "expression"},
    )

    @classmethod
    def example(cls, *, reads: bool) -> Example:
        return Example({"expression": '"Hello" in ${{inputs.input}}' if reads else "2 > 1"})

    def texts(self) -> Mapping[Place, HasPlaceholders]:
        read = self._read()
        return {"expression": _Text([part for part in read.placeholders if part.scope != STEPS])} if read else {}

    def reads_metrics(self) -> Iterator[tuple[Place, str]]:
        read = self._read()
        meant = [metric_meant(part) for part in read.placeholders] if read else []
        for step in dict.fromkeys(each[0] for each in meant if each):
            yield "expression", step

    def own_problems(self) -> Iterator[tuple[Place, str]]:
        try:
            read = read_expression(self.expression)
        except ExpressionError as error:
            yield "expression", str(error)
        else:
            for part in read.placeholders:
                if part.scope == STEPS and metric_meant(part) is None:
                    yield "expression", f"“{part}” is no metric. Write one as ${{{{steps.train.metrics.accuracy}}}}."
        for index, given in enumerate(self.inputs):
            if given.binding is not None and not isinstance(given.binding, OutputBinding):
                yield ("inputs", index, "binding"), "A condition looks into outputs of steps alone. Choose one."

    def begin(self, known: Known) -> Over | Going:
        read = read_expression(self.expression)
        if missing := next((sentence for part in read.placeholders if (sentence := _missing(part, known))), None):
            return Over(status=StepStatus.FAILED, reason=f"The condition can't be told. {missing}")
        found: dict[Placeholder, Any] = {part: _value_of(part, known) for part in read.placeholders}
        told = {_in_words(part): shown(value) for part, value in found.items()}
        try:
            answer = read.answer({part: _number_or_null(value) for part, value in found.items()})
        except ExpressionError as error:
            reason = f"The condition can't be told. {error}{_on_nan(found)}"
            return Over(status=StepStatus.FAILED, reason=reason, values=told)
        return Over(
            status=StepStatus.COMPLETED,
            reason=f"It is {'true' if answer else 'false'}.",
            answer=answer,
            values=told,
        )

    def _read(self) -> Expression | None:
        try:
            return read_expression(self.expression)
        except ExpressionError:
            return None


def _value_of(part: Placeholder, known: Known) -> Any:
    """None, which is `null`, for what is absent."""
    if meant := metric_meant(part):
        step, metric = meant
        logged = known.metrics.get(step)
        return logged if logged is None or not metric else logged[metric]
    return (known.values if part.scope == "parameters" else known.read).get(part.name)


def _in_words(part: Placeholder) -> str:
    return f"{part.scope}.{part.name}"


def _missing(part: Placeholder, known: Known) -> str | None:
    """A sentence where a step that completed did not log this metric."""
    meant = metric_meant(part)
    logged = known.metrics.get(meant[0]) if meant else None
    if meant is None or logged is None or not meant[1] or meant[1] in logged:
        return None
    step, metric = meant
    names = sorted(logged)
    there = f"Of numbers it logged: {', '.join(names[:_NAMED])}{', …' if len(names) > _NAMED else ''}."
    return f"“{step}” logged no number “{metric}”. {there if names else 'It logged no number at all.'}"


def _number_or_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _number_or_null(each) for name, each in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _on_nan(found: Mapping[Placeholder, Any]) -> str:
    """For a sentence that speaks of null, where that was NaN."""
    names = [_in_words(part) for part, value in found.items() if isinstance(value, float) and math.isnan(value)]
    return f" {' and '.join(names)} {'is' if len(names) == 1 else 'are'} NaN, which is null here." if names else ""
