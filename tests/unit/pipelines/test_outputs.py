"""Outputs of steps: those that only a text speaks of, and those that are one file."""

from typing import Any

import pytest

from pipelines.definition import PipelineDefinition
from pipelines.validation import Catalogue, parse_definition, problems_of

CATALOGUE = Catalogue(
    environments={"python": frozenset({1})},
    computes=frozenset({"local"}),
    sources={"d" * 64: frozenset({"main.py"})},
)


def definition(*steps: dict[str, Any]) -> PipelineDefinition:
    return parse_definition({"steps": [{"source": "d" * 64, "entry": "main.py", **step} for step in steps]})


def found(*steps: dict[str, Any]) -> dict[tuple[Any, ...], str]:
    return {problem.loc: problem.message for problem in problems_of(definition(*steps), CATALOGUE)}


def names(step: dict[str, Any]) -> list[str]:
    return [output.name for output in definition(step).steps[0].outputs]


def test_an_output_that_only_arguments_speak_of_is_one() -> None:
    a = {"name": "a", "arguments": "--m ${{outputs.model}} $[[--r ${{ outputs.report }}]] ${{outputs.model}}"}
    assert names(a) == ["model", "report"]
    binding = {"kind": "output", "step": "a", "output": "model"}
    assert not found(a, {"name": "b", "inputs": [{"name": "x", "binding": binding}]})


def test_what_is_declared_stays_as_it_is() -> None:
    step = {"name": "a", "arguments": "${{outputs.b}} ${{outputs.a}}", "outputs": [{"name": "a", "required": True}]}
    first, second = definition(step).steps[0].outputs
    assert (first.name, first.required, second.name) == ("a", True, "b")
    assert step["outputs"] == [{"name": "a", "required": True}]


def test_commands_and_variables_speak_of_outputs_too() -> None:
    command = {
        "kind": "command",
        "name": "a",
        "source": None,
        "command": "# not ${{outputs.remark}}\ncp x ${{outputs.copy}}",
        "environment_variables": {"LOG": "${{outputs.logs}}/log.txt"},
    }
    (step,) = parse_definition({"steps": [command]}).steps
    assert [output.name for output in step.outputs] == ["copy", "logs"]


def test_a_name_that_no_output_can_have_is_none() -> None:
    step = {"name": "a", "arguments": "${{outputs.a/b}}"}
    assert names(step) == []
    assert "This step has no output “a/b”" in found(step)["steps", 0, "arguments"]


def test_once_stored_they_are_declared() -> None:
    (step,) = definition({"name": "a", "arguments": "${{outputs.model}}"}).steps
    data = step.model_dump(mode="json")
    assert [output["name"] for output in data["outputs"]] == ["model"]
    assert parse_definition({"steps": [data]}).steps == [step]


@pytest.mark.parametrize("name", ["model.pkl", "a b.txt", ".hidden", "ünï.csv", "a[1].txt"])
def test_names_that_a_file_can_have(name: str) -> None:
    assert not found({"name": "a", "outputs": [{"name": "model", "file": name}]})


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a/b", "/etc", "..\\a", "a*", "?", "a\nb", "x" * 101])
def test_names_that_a_file_can_not_have(name: str) -> None:
    problems = found({"name": "a", "outputs": [{"name": "model", "file": name}]})
    assert list(problems) == [("steps", 0, "outputs", 0, "file")]
