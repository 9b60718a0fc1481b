"""The environment variables of a step: plain texts with placeholders, which stand for paths and values. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from compute.variables import MAX_VARIABLES, name_problem, value_problem
from pipelines.parts import EnvironmentVariable, ParameterValue
from pipelines.value_text import filled, parse
from studio.lib.problems import Problem


def filled_variables(
    variables: Sequence[EnvironmentVariable], values: Mapping[str, ParameterValue], absent_inputs: Collection[str]
) -> dict[str, str]:
    """By name, as `value_text.filled` has them; those that are left out are not there."""
    found = {variable.name: filled(parse(variable.value), values, absent_inputs) for variable in variables}
    return {name: text for name, text in found.items() if text is not None}


def variable_problems(variables: Sequence[EnvironmentVariable], loc: tuple[str | int, ...]) -> Iterator[Problem]:
    """What is wrong beside the placeholders: at `(INDEX, "name")` and `(INDEX, "value")`."""
    if len(variables) > MAX_VARIABLES:
        yield Problem(loc, f"A step takes at most {MAX_VARIABLES} variables.")
        return
    seen: set[str] = set()
    for index, variable in enumerate(variables):
        if not variable.name:
            yield Problem((*loc, index, "name"), "Name the variable, as in “LOG_LEVEL”, or remove the line.")
        elif problem := name_problem(variable.name):
            yield Problem((*loc, index, "name"), problem)
        elif variable.name in seen:
            yield Problem((*loc, index, "name"), f"There is another “{variable.name}”. Choose a name of its own.")
        seen.add(variable.name)
        if problem := value_problem(variable.name or "It", variable.value):
            yield Problem((*loc, index, "value"), problem)
