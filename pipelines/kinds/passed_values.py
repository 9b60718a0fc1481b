"""Values that a step passes on, by name, to parameters of what it runs: of a pipeline, or of a module."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field, FiniteFloat

from pipelines.kinds.interface import Place
from pipelines.parts import Part
from pipelines.value_text import ValueText, parse


class PassedValue(Part):
    """A value for a parameter of what is run. A text may hold `${{parameters.NAME}}`; one that is exactly that keeps
    the parameter's type, and one that speaks of a parameter without a value is left out."""

    name: str
    value: str | int | FiniteFloat | bool = ""


PassedValues = Annotated[
    list[PassedValue],
    Field(
        title="Values of its parameters",
        description="Those that are not given have their defaults. ${{parameters.NAME}} stands for a parameter of this "
        "pipeline.",
        json_schema_extra={"widget": "values"},
    ),
]


def texts_of(parameters: Sequence[PassedValue]) -> dict[Place, ValueText]:
    """Those that are texts, by their places."""
    return {
        ("parameters", index, "value"): parse(given.value)
        for index, given in enumerate(parameters)
        if isinstance(given.value, str)
    }


def speaking_of_data(parameters: Sequence[PassedValue]) -> Iterator[Place]:
    """The places of texts that speak of inputs or outputs, which are no values."""
    for place, text in texts_of(parameters).items():
        if any(part.scope in {"inputs", "outputs"} for part in text.placeholders):
            yield place
