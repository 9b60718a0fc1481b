"""A module's step as a step of a pipeline's own: what it calls parameters become parameters of the pipeline. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pipelines.definition import Parameter, ParameterValue, Step
from pipelines.kinds.interface import own_fields
from pipelines.parts import FIELD_NAME
from pipelines.placeholders import PLACEHOLDER, Placeholder


def inlined(
    step: Step, parameters: Sequence[Parameter], values: Mapping[str, ParameterValue], taken: Collection[str]
) -> tuple[Step, list[Parameter]]:
    """The step, and the parameters that the pipeline needs for it, with `values` as defaults. None has a name of
    `taken`."""
    names: dict[str, str] = {}
    for parameter in parameters:
        names[parameter.name] = _free(parameter.name, step.name, {*taken, *names.values()})
    plain = step.model_dump(mode="json")
    speaking = {*own_fields(type(step)), "environment_variables"}
    changed = {name: _renamed(value, names) if name in speaking else value for name, value in plain.items()}
    made: Step = type(step).model_validate(changed)
    return made, [
        each.model_copy(update={"name": names[each.name], "default": values.get(each.name, each.default)})
        for each in parameters
    ]


def _free(name: str, step: str, taken: Collection[str]) -> str:
    if name not in taken:
        return name
    of_step = f"{step.replace('.', '_')}_{name}"
    first = of_step if FIELD_NAME.match(of_step) else name
    numbered = (f"{first[:95]}_{number}" for number in range(2, len(taken) + 3))
    return next(each for each in (first, *numbered) if each not in taken)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda found: _placeholder(found["scope"], found["name"], found[0], names), value)
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    return {key: _renamed(each, names) for key, each in value.items()} if isinstance(value, dict) else value


def _placeholder(scope: str, name: str, written: str, names: Mapping[str, str]) -> str:
    return str(Placeholder(scope, names[name])) if scope == "parameters" and name in names else written
