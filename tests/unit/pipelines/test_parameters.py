"""Choices, bounds and what may be left out: parameters of a pipeline, and the arguments that speak of them."""

from typing import Any

import pytest

from pipelines.arguments import command_arguments, parse
from pipelines.definition import Parameter
from pipelines.parameters import parameter_problems, parameter_values


def parameter(**values: Any) -> Parameter:
    return Parameter.model_validate({"name": "p", **values})


def wrong(one: Parameter) -> dict[str, str]:
    """By field."""
    return {str(problem.loc[2]): problem.message for problem in parameter_problems([one])}


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"type": "enum", "choices": ["a", ""], "default": ""}, set()),
        ({"type": "enum"}, {"choices"}),
        ({"type": "enum", "choices": ["a", "b", "a"]}, {"choices"}),
        ({"type": "enum", "choices": [str(number) for number in range(1001)]}, {"choices"}),
        ({"type": "enum", "choices": ["a\0"]}, {"choices"}),
        ({"type": "enum", "choices": ["a"], "default": "A"}, {"default"}),
        ({"type": "enum", "choices": ["1"], "default": 1}, {"default"}),
        ({"type": "integer", "minimum": 0, "maximum": 0, "default": 0}, set()),
        ({"type": "integer", "minimum": 0.5}, {"minimum"}),
        ({"type": "integer", "minimum": 1, "default": 0}, {"default"}),
        ({"type": "number", "minimum": 2, "maximum": 1.5}, {"maximum"}),
        ({"type": "number", "maximum": 0.5, "default": 0.75}, {"default"}),
        ({"type": "integer", "maximum": 10**400}, {"maximum"}),
        ({"type": "string", "minimum": 3, "default": "a"}, set()),  # left over from another type
        ({"type": "dataset", "default": "digits:2"}, set()),
        ({"type": "dataset", "default": ""}, {"default"}),
        ({"type": "data_path", "default": "lake/a/*.csv"}, set()),
        ({"type": "data_path", "default": "/a"}, {"default"}),
    ],
)
def test_what_makes_no_sense_is_said_at_its_field(values: dict[str, Any], fields: set[str]) -> None:
    assert set(wrong(parameter(**values))) == fields


@pytest.mark.parametrize(
    ("values", "given", "sentence"),
    [
        ({"type": "enum", "choices": ["small", "large"]}, "smal", "“small”, “large”. Did you mean “small”?"),
        ({"type": "enum", "choices": ["small"]}, 3, "one of: “small”."),
        ({"type": "integer", "minimum": 1}, 0, "This must be 1 or more."),
        ({"type": "number", "maximum": 0.5}, 0.6, "This must be 0.5 or less."),
        ({"type": "dataset"}, 3, "the name of a dataset"),
        ({"type": "dataset"}, "digits:latest", "as in “orders:3”"),
        ({"type": "dataset"}, "digits:²", "as in “orders:3”"),
        ({"type": "dataset"}, ":1", "Name a dataset"),
        ({"type": "data_path"}, "lake/../other", "can't hold “..”"),
        ({"type": "data_path"}, "lake/" + "x" * 601, "A path can have 600 characters."),
        ({"type": "data_path"}, "file:///etc/passwd", "must begin with https:// or http://"),
        ({"type": "data_path"}, "https://ann:secret@example.org/a", "Leave the name and password out"),
        ({"type": "data_path"}, "lake/a\0b", "Remove it"),
    ],
)
def test_a_value_outside_is_refused(values: dict[str, Any], given: Any, sentence: str) -> None:
    _, problems = parameter_values([parameter(**values)], {"p": given})
    assert [problem.loc for problem in problems] == [("parameters", "p")]
    assert sentence in problems[0].message


def test_an_optional_one_may_be_absent_and_a_default_stands_in_for_it() -> None:
    assert parameter_values([parameter(optional=True)], {}) == ({}, [])
    assert parameter_values([parameter(optional=True)], {"p": None}) == ({}, [])
    assert parameter_values([parameter(optional=True)], {"p": ""}) == ({"p": ""}, [])
    assert parameter_values([parameter(optional=True, default="d")], {}) == ({"p": "d"}, [])


LINE = "a $[[--p ${{parameters.p}}]] b $[[ --in=${{inputs.x}} --q '${{parameters.q}}' ]] c"


@pytest.mark.parametrize(
    ("values", "absent", "given"),
    [
        ({}, ("x",), ["a", "b", "c"]),
        ({"p": ""}, ("x",), ["a", "--p", "", "b", "c"]),
        ({"p": 0, "q": False}, ("x",), ["a", "--p", "0", "b", "c"]),
        ({"q": 1}, (), ["a", "b", "--in=${{inputs.x}}", "--q", "1", "c"]),
    ],
)
def test_a_piece_goes_as_a_whole(values: dict[str, Any], absent: tuple[str, ...], given: list[str]) -> None:
    arguments = parse(LINE)
    assert arguments.problems == ()
    assert command_arguments(arguments, values, absent_inputs=absent) == given


def test_an_output_is_always_there_though_an_input_of_its_name_is_not() -> None:
    arguments = parse("$[[--out ${{outputs.x}}]] $[[--in ${{inputs.x}}]]")
    assert command_arguments(arguments, {}, absent_inputs=("x",)) == ["--out", "${{outputs.x}}"]


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("'$[[a]]'", ["$[[a]]"]),  # quoted, it is text
        ("x$[[a]]", ["x$[[a]]"]),  # within an argument too
        ("a[[1]]", ["a[[1]]"]),
        ("[a-z] ]]", ["[a-z]", "]]"]),
        ("$[[']]']]", ["]]"]),
        ("$[[]] a", ["a"]),
    ],
)
def test_brackets_elsewhere_are_text(text: str, given: list[str]) -> None:
    arguments = parse(text)
    assert arguments.problems == ()
    assert command_arguments(arguments, {}) == given


@pytest.mark.parametrize("text", ["$[[a", "$[[ a $[[b]] ]]", "$[[ 'a"])
def test_a_piece_that_does_not_end(text: str) -> None:
    assert parse(text).problems
