"""Another pipeline once for each item of a list, which need not be known before the step begins."""

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from pipelines.items import MAX_ITEMS, ListError, items_of, read_list
from pipelines.kinds.interface import Example, Place
from pipelines.kinds.with_runs import Ended, KnownRuns, NewRun, StepWithRuns, Turn
from pipelines.parts import ParameterValue
from pipelines.placeholders import HasPlaceholders
from pipelines.states import RunStatus, StepStatus
from pipelines.value_text import filled, parse

MOST_AT_ONCE = 100
_SHOWN = 3


class MapStep(StepWithRuns):
    """Runs another pipeline of the workspace once for each item of a list, several at once.

    The list stands in a parameter, in the file that an input leads to, or in the step itself. What a step of its runs
    writes becomes an output of it: a folder with a folder for each item.
    """

    label: ClassVar[str] = "Map"
    icon: ClassVar[str] = "stack-2"
    summary: ClassVar[str] = "Runs another pipeline once for each item of a list that may be known only by then."
    card_field: ClassVar[str] = "pipeline"
    # What was made of the list stays with its runs.
    fixed: ClassVar[frozenset[str]] = StepWithRuns.fixed | {"items", "item_parameters"}
    has_list: ClassVar[bool] = True

    kind: Literal["map"] = "map"
    items: str = Field(
        default="",
        title="List",
        description='As in ${{parameters.cities}}, ${{inputs.list}} or ["a", "b"]: a JSON list of texts, numbers or '
        f"objects, or an item on each line; at most {MAX_ITEMS:,} items. The input is a dataset, a path or another "
        "step's output of one file, and is read when the step begins.",
        json_schema_extra={"widget": "filled"},
    )
    item_parameters: str = Field(
        default="",
        title="Each item goes to",
        description="A parameter of the pipeline that is run; several, with commas between them, where each item is "
        "an object with these keys.",
        json_schema_extra={"widget": "inner_parameters"},
    )
    at_once: int = Field(default=10, title="Runs at once", json_schema_extra={"widget": "number", "fed": "whole"})
    go_on: bool = Field(
        default=True,
        title="Go on when a run fails",
        description="The others are made all the same, and the step fails in the end. Continuing the run tries only "
        "those again that failed.",
        json_schema_extra={"widget": "check"},
    )

    @classmethod
    def example(cls, *, reads: bool) -> Example:
        return Example({"items": "${{inputs.input}}" if reads else '["one", "two"]'})

    @property
    def most_at_once(self) -> int:
        return self.at_once

    @property
    def names(self) -> list[str]:
        """The parameters that each item gives values to."""
        return [name.strip() for name in self.item_parameters.split(",") if name.strip()]

    @property
    def own_values(self) -> set[str]:
        return set(self.names)

    def place_of_own(self, name: str) -> Place:  # noqa: ARG002 (all stand in one field)
        return "item_parameters"

    @property
    def read_inputs(self) -> frozenset[str]:
        return frozenset(part.name for part in parse(self.items).placeholders if part.scope == "inputs")

    def texts(self) -> Mapping[Place, HasPlaceholders]:
        return {**super().texts(), "items": parse(self.items)}

    def list_of(self, values: Mapping[str, ParameterValue], read: Mapping[str, str]) -> list[NewRun]:
        text = next((read[name] for name in self.read_inputs), None)
        if text is None:
            text = filled(parse(self.items), values, ())
        if text is None:
            raise ListError("The parameter that holds the list has no value. Give it one.")
        return [
            NewRun(number=number, label=item.label, values=item.values)
            for number, item in enumerate(items_of(read_list(text), self.names), start=1)
        ]

    def own_problems(self) -> Iterator[tuple[Place, str]]:
        yield from super().own_problems()
        if sentence := self._list_problem():
            yield "items", sentence
        names = self.names
        if not names:
            yield "item_parameters", "Name the parameter of the pipeline that each item goes to."
        elif len(set(names)) < len(names):
            yield "item_parameters", "A name stands here twice. Take one of them away."
        if not 1 <= self.at_once <= MOST_AT_ONCE:
            yield "at_once", f"Give a whole number from 1 to {MOST_AT_ONCE}."

    def problems_with(self, values: Mapping[str, ParameterValue]) -> Iterator[tuple[Place, str]]:
        """Of a list that stands in a parameter, before anything of the run begins."""
        if self.read_inputs or self._list_problem() or not self.names:
            return
        try:
            self.list_of(values, {})
        except ListError as error:
            yield "items", str(error)

    def turn(self, known: KnownRuns) -> Turn:
        if not known.items:
            return Turn(ended=Ended(status=StepStatus.COMPLETED, reason="The list has no items.", is_of_all=True))
        failed = [made for made in known.made if made.is_over and made.status != RunStatus.COMPLETED]
        tried = {*(each.number for each in known.made), *known.unfit}
        left = [item for item in known.items if item.number not in tried]
        if (failed or known.unfit) and not self.go_on:
            left = []
        going = sum(not made.is_over and not made.is_left for made in known.made)
        if not left and all(each.is_over for each in known.made):
            return Turn(ended=self._ended(known))
        words = f"{sum(each.is_over for each in known.made):,} of {len(known.items):,} runs are over"
        if failed:
            words += f", {len(failed):,} of them without success"
        if known.unfit:
            words += f"; {len(known.unfit):,} can't be submitted"
        return Turn(start=left[: max(0, self.at_once - going)], reason=f"{words}.")

    def _ended(self, known: KnownRuns) -> Ended:
        failed = [made for made in known.made if made.status != RunStatus.COMPLETED]
        count = len(known.items)
        if not failed and not known.unfit:
            all_of = "Its run" if count == 1 else f"All {count:,} runs"
            return Ended(status=StepStatus.COMPLETED, reason=f"{all_of} completed.", is_of_all=True)
        said = []
        if failed:
            named = ", ".join(f"“{made.label}” (run {made.run_id})" for made in failed[:_SHOWN])
            more = f" and {len(failed) - _SHOWN:,} more" if len(failed) > _SHOWN else ""
            said.append(f"{len(failed):,} of {count:,} runs came to nothing: {named}{more}.")
        if known.unfit:
            first = min(known.unfit)
            others = f", nor for {len(known.unfit) - 1:,} more" if len(known.unfit) > 1 else ""
            label = next(item.label for item in known.items if item.number == first)
            said.append(f"No run can be submitted for “{label}”{others}: {known.unfit[first]}")
        never = count - len(known.made) - len(known.unfit)
        if never:
            said.append(f"{never:,} were not begun after that.")
        return Ended(status=StepStatus.FAILED, reason=" ".join(said))

    def _list_problem(self) -> str | None:
        read = parse(self.items)
        if not self.items.strip():
            return "Say which list, as in ${{parameters.cities}} or ${{inputs.list}}."
        if self.read_inputs:
            is_alone = re.fullmatch(r"\$\{\{[^{}]*\}\}", self.items.strip()) is not None
            return None if is_alone else "Let the list be the input alone, with nothing before it or behind it."
        if read.placeholders or not self.names:
            return None
        try:
            items_of(read_list(self.items), self.names)
        except ListError as error:
            return str(error)
        return None
