"""The settings of steps with the values of parameters in them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.definition import Parameter, ParameterValue, PipelineDefinition, Step
from pipelines.parameters import value_problem
from pipelines.references import Setting
from pipelines.texts import near
from studio.lib.problems import Problem

Loc = tuple[str | int, ...]
_UNKNOWN = {"compute": "", "environment": ""}  # as long as nobody can say; others are as usual


@dataclass(frozen=True, slots=True)
class Settled:
    """A definition in which no setting waits for a parameter."""

    definition: PipelineDefinition
    problems: list[Problem]  # of what feeds settings
    untold: frozenset[Loc]  # settings whose parameter has no value, and must be given one


def settled(definition: PipelineDefinition, values: Mapping[str, ParameterValue]) -> Settled:
    """With `values` in the settings that parameters feed.

    Where an optional parameter has no value, a setting is as usual.
    """
    if not any(step.references for step in definition.steps):
        return Settled(definition, [], frozenset())
    parameters = {parameter.name: parameter for parameter in definition.parameters}
    problems: list[Problem] = []
    untold: set[Loc] = set()
    steps: list[Step] = []
    for index, step in enumerate(definition.steps):
        found: dict[str, ParameterValue] = {}
        for path, name in step.references.items():
            loc: Loc = ("steps", index, *path.split("."))
            parameter = parameters.get(name)
            sentence = _unfit(step.feedable()[path], name, parameters)
            if sentence:
                problems.append(Problem(loc, sentence))
            if not sentence and name in values:
                found[path] = values[name]
            elif sentence or not (parameter and parameter.may_be_absent):
                untold.add(loc)
                found |= {path: _UNKNOWN[path]} if path in _UNKNOWN else {}
        steps.append(step.settled(found))
    return Settled(definition.model_copy(update={"steps": steps}), problems, frozenset(untold))


def usual_values(definition: PipelineDefinition) -> dict[str, ParameterValue]:
    """The defaults that are good."""
    return {
        parameter.name: parameter.default
        for parameter in definition.parameters
        if parameter.default is not None and value_problem(parameter, parameter.default) is None
    }


def _unfit(setting: Setting, name: str, parameters: Mapping[str, Parameter]) -> str | None:
    """A sentence where no parameter of this name could feed this setting."""
    parameter = parameters.get(name)
    if parameter is None:
        return f"The pipeline has no parameter “{name}”.{near(name, parameters)}"
    if parameter.type not in setting.types:
        return f"Parameter “{name}” has the type {parameter.type_word}, and this wants {setting.wants}. Choose another."
    return None
