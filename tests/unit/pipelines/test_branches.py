"""What becomes of steps around conditions, once everything before them is settled."""

from typing import Any

import pytest

from pipelines.branches import Before, absent_inputs, why_not_taken
from pipelines.definition import PipelineDefinition
from pipelines.kinds import StepBase

DONE, PASSED = Before("completed"), Before("not_taken")
TRUE, FALSE = Before("completed", answer=True), Before("completed", answer=False)


def step(**fields: Any) -> StepBase:
    definition = PipelineDefinition.model_validate({"steps": [{"name": "it", "kind": "command", **fields}]})
    return definition.steps[0]


def reads(name: str, *, optional: bool = False) -> dict[str, Any]:
    return {"name": name, "binding": {"kind": "output", "step": name, "output": "out"}, "optional": optional}


def on(answer: bool) -> dict[str, Any]:
    return {"only_if": {"step": "check", "answer": answer}}


@pytest.mark.parametrize(
    ("fields", "before", "why"),
    [
        ({}, {}, None),
        (on(True), {"check": TRUE}, None),
        (on(True), {"check": FALSE}, "“check” is false."),
        (on(False), {"check": TRUE}, "“check” is true."),
        (on(False), {"check": FALSE}, None),
        (on(True), {"check": PASSED}, "“check” was not taken."),
        # The condition goes before what it runs after.
        ({**on(True), "run_after": ["a"]}, {"check": TRUE, "a": PASSED}, None),
        ({"run_after": ["a"]}, {"a": PASSED}, "“a” was not taken, and nothing else leads here."),
        (
            {"run_after": ["a", "b"]},
            {"a": PASSED, "b": PASSED},
            "“a” and “b” were not taken, and nothing else leads here.",
        ),
        ({"run_after": ["a", "b"]}, {"a": PASSED, "b": DONE}, None),
        ({"inputs": [reads("a")], "run_after": ["b"]}, {"a": DONE, "b": PASSED}, None),
        (
            {"inputs": [reads("a")], "run_after": ["b"]},
            {"a": PASSED, "b": DONE},
            "Its input “a” comes from “a”, which was not taken.",
        ),
        ({"inputs": [reads("a", optional=True), reads("b", optional=True)]}, {"a": PASSED, "b": DONE}, None),
        (
            {"inputs": [reads("a", optional=True)]},
            {"a": PASSED},
            "“a” was not taken, and nothing else leads here.",
        ),
    ],
)
def test_which_steps_run(fields: dict[str, Any], before: dict[str, Before], why: str | None) -> None:
    assert why_not_taken(step(**fields), before) == why


def test_an_optional_input_from_a_branch_that_was_not_taken_is_absent() -> None:
    join = step(inputs=[reads("a", optional=True), reads("b", optional=True)])
    assert absent_inputs(join, {"a": PASSED, "b": DONE}) == {"a"}
    assert absent_inputs(join, {"a": DONE, "b": DONE}) == set()
