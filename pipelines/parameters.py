"""Parameters of a pipeline: whether they make sense, and the values that a run has for them. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.data_values import read_data_path, read_dataset
from pipelines.parts import Parameter, ParameterType, ParameterValue
from pipelines.placeholders import holds_placeholder
from pipelines.texts import MAX_TEXT, near, unfit_text
from studio.lib.problems import Problem, UserError

MAX_NUMBER = 10**300
MAX_CHOICES = 1000
_NUMERIC = ("integer", "number")
_TYPE_WORDS: Mapping[ParameterType, str] = {
    "string": "a text",
    "integer": "a whole number, as in 3",
    "number": "a number, as in 0.25",
    "boolean": "true or false",
    "enum": "one of the choices",
    "dataset": "the name of a dataset, as in “orders” or “orders:3”",
    "data_path": "a datastore and a path in it, as in “workspaceblobstore/sales”, or a web address",
}


def parameter_problems(parameters: Sequence[Parameter]) -> Iterator[Problem]:
    """What is wrong with each of them beside its name: `loc` is `("parameters", INDEX, FIELD)`."""
    for index, parameter in enumerate(parameters):
        loc = ("parameters", index)
        if parameter.type == "enum":
            yield from _choice_problems(parameter.choices, (*loc, "choices"))
        if parameter.type in _NUMERIC:
            yield from _bound_problems(parameter, loc)
        if parameter.default is not None and (problem := value_problem(parameter, parameter.default)):
            yield Problem((*loc, "default"), problem)


def parameter_values(
    parameters: Sequence[Parameter], given: Mapping[str, Any]
) -> tuple[dict[str, ParameterValue], list[Problem]]:
    """The values of a run, defaults filled in, and what is wrong with those given: `loc` is `("parameters", NAME)`.

    `""`, `0` and `false` are values like any other; `None` means that none was given. An optional parameter that has
    neither value nor default is not among the values.
    """
    values: dict[str, ParameterValue] = {}
    problems: list[Problem] = []
    for parameter in parameters:
        value = given.get(parameter.name)
        if value is None:
            value = parameter.default
        loc = ("parameters", parameter.name)
        if value is None:
            if not parameter.optional:
                problems.append(Problem(loc, f"“{parameter.name}” has no default. Give it a value."))
            continue
        problem = value_problem(parameter, value)
        if problem:
            problems.append(Problem(loc, problem))
            continue
        values[parameter.name] = value
    known = {parameter.name for parameter in parameters}
    problems += [
        Problem(("parameters", name), f"The pipeline has no parameter “{name}”.{near(name, known)}")
        for name in given
        if name not in known
    ]
    return values, problems


def value_problem(parameter: Parameter, value: Any) -> str | None:
    """A sentence where `value` can't be one of this parameter."""
    sentence = f"This must be {_TYPE_WORDS[parameter.type]}."
    match parameter.type:
        case "string":
            return _text_problem(value) if isinstance(value, str) else sentence
        case "dataset" | "data_path":
            return (_text_problem(value) or _data_problem(parameter, value)) if isinstance(value, str) else sentence
        case "boolean":
            return None if isinstance(value, bool) else sentence
        case "enum":
            if isinstance(value, str) and value in parameter.choices:
                return None
            meant = near(value, parameter.choices) if isinstance(value, str) else ""
            return f"This must be one of: {_listed(parameter.choices)}.{meant}" if parameter.choices else None
    if isinstance(value, bool) or not isinstance(value, int if parameter.type == "integer" else (int, float)):
        return sentence
    if not math.isfinite(value) if isinstance(value, float) else abs(value) > MAX_NUMBER:
        return "This number is too large."
    if parameter.minimum is not None and value < parameter.minimum:
        return f"This must be {parameter.minimum} or more."
    if parameter.maximum is not None and value > parameter.maximum:
        return f"This must be {parameter.maximum} or less."
    return None


def _data_problem(parameter: Parameter, text: str) -> str | None:
    """What is wrong with how it is written; whether it is there, `pipelines.validation` knows."""
    try:
        if parameter.type == "dataset":
            read_dataset(text)
        else:
            read_data_path(text)
    except UserError as error:
        return str(error)
    return None


def _choice_problems(choices: Sequence[str], loc: tuple[str | int, ...]) -> Iterator[Problem]:
    if not choices:
        yield Problem(loc, "List what may be chosen, one a line.")
    elif len(choices) > MAX_CHOICES:
        yield Problem(loc, f"There are more than {MAX_CHOICES:,} choices. Make it a text.")
    elif len(set(choices)) < len(choices):
        twice = next(choice for index, choice in enumerate(choices) if choice in choices[:index])
        yield Problem(loc, f"“{twice}” stands there twice. Take one of them out.")
    for problem in filter(None, map(_text_problem, choices[:MAX_CHOICES])):
        yield Problem(loc, problem)
        return


def _bound_problems(parameter: Parameter, loc: tuple[str | int, ...]) -> Iterator[Problem]:
    bounds = {"minimum": parameter.minimum, "maximum": parameter.maximum}
    for name, bound in bounds.items():
        if bound is None:
            continue
        if parameter.type == "integer" and not isinstance(bound, int):
            yield Problem((*loc, name), "This must be a whole number, as in 3.")
        elif isinstance(bound, int) and abs(bound) > MAX_NUMBER:
            yield Problem((*loc, name), "This number is too large.")
    if parameter.minimum is not None and parameter.maximum is not None and parameter.minimum > parameter.maximum:
        yield Problem((*loc, "maximum"), f"This must be {parameter.minimum} or more, as the minimum is.")


def _listed(choices: Sequence[str]) -> str:
    shown = ", ".join(f"“{choice}”" for choice in choices[:10])
    return f"{shown} and {len(choices) - 10:,} more" if len(choices) > 10 else shown


def _text_problem(value: str) -> str | None:
    if len(value) > MAX_TEXT:
        return f"This text has more than {MAX_TEXT:,} characters. Put it into a file, and give the step a dataset."
    if next(unfit_text(value, ()), None) is not None:
        return "There is a character in this text that can't be given to a process (NUL, or half of one). Remove it."
    if holds_placeholder(value):
        return "A value can't hold “${{inputs.” or “${{outputs.”: the step would get a path in its place."
    return None
