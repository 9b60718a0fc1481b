"""Environment variables of a step: what a value may say, what stands for it in a run, what is refused."""

from typing import Any

import pytest

from pipelines.parts import EnvironmentVariable
from pipelines.validation import Catalogue, parse_definition, problems_of
from pipelines.variables import filled_variables

CATALOGUE = Catalogue(environments={"python": frozenset({1})}, computes=frozenset({"local"}))
PARAMETERS = [
    {"name": "rounds", "type": "integer", "default": 3},
    {"name": "note", "optional": True},
]


def found(*variables: tuple[str, str], **more: Any) -> dict[tuple[Any, ...], str]:
    given = [{"name": name, "value": value} for name, value in variables]
    step = {"kind": "command", "name": "x", "command": "true", "environment_variables": given, **more}
    problems = problems_of(parse_definition({"steps": [step], "parameters": PARAMETERS}), CATALOGUE)
    return {problem.loc[3:]: problem.message for problem in problems}


@pytest.mark.parametrize(
    ("value", "values", "text"),
    [
        ("plain", {}, "plain"),
        ("", {}, ""),
        ("${{parameters.p}}", {"p": ""}, ""),
        ("${{parameters.p}}", {"p": 0}, "0"),
        ("${{parameters.p}}", {"p": False}, "false"),
        ("a ${{ parameters.p }}:$HOME $[[x]] ", {"p": 1.5}, "a 1.5:$HOME $[[x]] "),
        ("${{inputs.here}}/x:${{outputs.out}}", {}, "${{inputs.here}}/x:${{outputs.out}}"),
        ("--${{parameters.p}}", {}, None),
        ("${{inputs.absent}}", {}, None),
    ],
)
def test_what_stands_in_a_run_for_a_value(value: str, values: dict[str, Any], text: str | None) -> None:
    filled = filled_variables([EnvironmentVariable(name="X", value=value)], values, {"absent"})
    assert filled == ({} if text is None else {"X": text})


def test_good_ones_have_no_problem() -> None:
    assert not found(
        ("ROUNDS", "${{parameters.rounds}}"),
        ("NOTE", "a ${{parameters.note}}"),  # without it, the variable is left out
        ("PYTHONPATH", "${{inputs.lib}}:lib"),
        ("STUDIO_WARM_STARTS", "false"),
        ("TOKENIZERS_PARALLELISM", "false"),
        inputs=[{"name": "lib", "optional": True}],
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "Name the variable"),
        ("A B", "is no name for a variable"),
        ("1A", "is no name for a variable"),
        ("A=B", "is no name for a variable"),
        ("Ä", "is no name for a variable"),
        ("PATH", "The node itself sets PATH"),
        ("HOME", "The node itself sets HOME"),
        ("LD_PRELOAD", "The node itself sets LD_PRELOAD"),
        ("CUDA_VISIBLE_DEVICES", "The node itself sets"),
        ("STUDIO_TOKEN", "The node itself sets"),
        ("AWS_SECRET_ACCESS_KEY", "sounds like a secret"),
        ("HF_TOKEN", "sounds like a secret"),
    ],
)
def test_a_name_that_nobody_may_give_is_told_at_it(name: str, words: str) -> None:
    problems = found(("FINE", "1"), (name, "1"))
    assert list(problems) == [(1, "name")]
    assert words in problems[1, "name"]


def test_two_of_one_name() -> None:
    assert found(("A", "1"), ("A", "2")) == {(1, "name"): "There is another “A”. Choose a name of its own."}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("${{parameters.round}}", "The pipeline has no parameter “round”. There are: note, rounds."),
        ("${{inputs.x}}", "This step has no input “x”"),
        ("${{secrets.x}}", "stands for nothing"),
        ("${{parameters.", "is no placeholder"),
        ("x" * 4001, "at most 4,000 characters"),
    ],
)
def test_a_value_that_says_nothing_is_told_at_it(value: str, words: str) -> None:
    problems = found(("A", value))
    assert list(problems) == [(0, "value")]
    assert words in problems[0, "value"]


def test_there_can_be_a_hundred() -> None:
    assert not found(*((f"V{number}", "") for number in range(100)))
    assert "at most 100" in found(*((f"V{number}", "") for number in range(101)))[()]


def test_they_may_be_written_by_name() -> None:
    data = {"steps": [{"kind": "command", "name": "x", "environment_variables": {"A": "1", "B": ""}}]}
    (step,) = parse_definition(data).steps
    assert step.model_dump()["environment_variables"] == [{"name": "A", "value": "1"}, {"name": "B", "value": ""}]
