"""A definition of the wrong shape is told field by field, in words that say what to do."""

from typing import Any

import pytest

from pipelines.validation import parse_definition
from studio.lib.problems import UserError

OUTPUT = {"name": "x", "binding": {"kind": "output", "stp": "b"}}


def told(data: Any) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(UserError) as refused:
        parse_definition(data)
    return {problem.loc: problem.message for problem in refused.value.problems}


def of_step(**fields: Any) -> dict[tuple[str | int, ...], str]:
    found = told({"steps": [{"kind": "command", "name": "a", **fields}]})
    assert all(loc[:2] == ("steps", 0) for loc in found)
    return {loc[2:]: sentence for loc, sentence in found.items()}


@pytest.mark.parametrize(
    ("fields", "loc", "sentence"),
    [
        ({"comand": "ls"}, ("comand",), "There is no field “comand” here. Did you mean “command”?"),
        ({"retry": {"max": 3}}, ("retry", "max"), "There is no field “max” here. There are: backoff_factor, "),
        ({"inputs": [OUTPUT]}, ("inputs", 0, "binding", "stp"), "There is no field “stp” here. Did you mean “step”?"),
        ({"inputs": [OUTPUT]}, ("inputs", 0, "binding", "output"), "This is missing. Give it."),
        ({"inputs": [{"name": "x", "binding": {"kind": "outputs"}}]}, ("inputs", 0, "binding"), "Choose a kind of "),
        ({"command": 3}, ("command",), "Write a text here."),
        ({"timeout_s": "soon"}, ("timeout_s",), "Write a number here."),
        ({"allow_reuse": "maybe"}, ("allow_reuse",), "Write true or false here."),
        ({"outputs": {}}, ("outputs",), "Write a list here, as in [1, 2]."),
        ({"limits": []}, ("limits",), "Write an object here, as in {}."),
    ],
)
def test_a_field_of_a_step(fields: dict[str, Any], loc: tuple[str | int, ...], sentence: str) -> None:
    assert of_step(**fields)[loc].startswith(sentence)


def test_a_name_like_none_is_told_with_those_that_there_are() -> None:
    sentence = of_step(entry_script="x")[("entry_script",)]
    assert sentence.startswith("There is no field “entry_script” here. There are: allow_reuse, command, compute, ")


def test_the_definition_itself() -> None:
    assert told([]) == {(): "Write an object here, as in {}."}
    assert told({"step": []}) == {("step",): "There is no field “step” here. Did you mean “steps”?"}
    assert "the kinds are approval, command" in told({"steps": [{"kind": "pyhton", "name": "a"}]})[("steps", 0)]


def test_a_value_that_may_be_of_several_types_is_told_once() -> None:
    parameter = {"name": "a", "type": "float", "default": [1]}
    assert told({"parameters": [parameter]}) == {
        ("parameters", 0, "type"): "Choose one of these: 'string', 'integer', 'number', 'boolean', 'enum', 'dataset', "
        "'data_path'.",
        ("parameters", 0, "default"): "Write a text, a number, true or false here.",
    }


def test_no_more_than_fifty_are_told() -> None:
    assert len(told({"steps": [{"kind": "command"} for _ in range(80)]})) == 50
