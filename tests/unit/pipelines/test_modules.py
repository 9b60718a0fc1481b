"""Modules without a database: what changes between versions, and a module's step as one of a pipeline's own."""

from typing import Any

import pytest

from pipelines.definition import Parameter
from pipelines.modules.changes import port_changes
from pipelines.modules.definition import ModuleDefinition
from pipelines.modules.inlining import inlined

STEP = {"kind": "command", "name": "step", "command": "true"}


def module(**ports: Any) -> ModuleDefinition:
    return ModuleDefinition.model_validate({"step": STEP, **ports})


def one(name: str = "a", **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, **more}]


@pytest.mark.parametrize(
    ("what", "old", "new", "words", "breaks"),
    [
        ("inputs", one(), [], "The input “a” is gone.", True),
        ("inputs", [], one(), "Input “a” is new and must be bound.", True),
        ("inputs", [], one(optional=True), "Input “a” is new and may be left out.", False),
        ("inputs", one(), one(type="folder"), "Input “a” wants a folder instead of any data.", True),
        ("inputs", one(type="folder"), one(), "Input “a” wants any data instead of a folder.", False),
        ("inputs", one(optional=True), one(), "Input “a” must be bound now.", True),
        ("inputs", one(), one(optional=True), "Input “a” may be left out now.", False),
        ("outputs", one(), [], "The output “a” is gone.", True),
        ("outputs", [], one(), "Output “a” is new.", False),
        ("outputs", one(), one(file="m.pkl"), "Output “a” is the file “m.pkl” now.", True),
        ("outputs", one(file="m.pkl"), one(), "Output “a” is a folder now.", True),
        ("outputs", one(), one(required=True), "Output “a” must be written now.", False),
        ("parameters", one(), [], "The parameter “a” is gone.", True),
        ("parameters", [], one(), "Parameter “a” is new and must be given.", True),
        ("parameters", [], one(default="x"), "Parameter “a” is new and may be left out.", False),
        ("parameters", one(default="x"), one(default="y"), "Parameter “a” is y by default now.", False),
        ("parameters", one(default="x"), one(), "Parameter “a” must be given now.", True),
        ("parameters", one(type="integer"), one(type="number"), "Parameter “a” is of the type number now.", True),
        (
            "parameters",
            one(type="integer", maximum=5),
            one(type="integer", maximum=4),
            "Parameter “a” takes fewer values now.",
            True,
        ),
        (
            "parameters",
            one(type="enum", choices=["x", "y"]),
            one(type="enum", choices=["x"]),
            "Parameter “a” takes fewer values now.",
            True,
        ),
    ],
)
def test_what_changes_in_ports(what: str, old: Any, new: Any, words: str, breaks: bool) -> None:
    (change,) = port_changes(module(**{what: old}), module(**{what: new}))
    assert (change.words, change.breaks) == (words, breaks)


def test_nothing_changes_where_words_do() -> None:
    assert port_changes(module(inputs=one()), module(inputs=one(description="other"))) == []
    wider = module(parameters=one(type="integer", maximum=6))
    assert port_changes(module(parameters=one(type="integer", maximum=5)), wider) == []


def test_a_modules_step_speaks_of_parameters_of_the_pipeline() -> None:
    step = {**STEP, "name": "train.it", "command": "echo ${{parameters.rate}} ${{ parameters.size }} ${{inputs.rate}}"}
    step |= {"inputs": one("rate"), "environment_variables": {"RATE": "${{parameters.rate}}"}}
    written = module(step=step).step
    parameters = [Parameter(name="rate", type="number", default=0.5), Parameter(name="size", type="integer")]
    made, more = inlined(written, parameters, {"rate": 0.25, "size": 3}, {"rate"})
    assert made.settings()["command"] == "echo ${{parameters.train_it_rate}} ${{parameters.size}} ${{inputs.rate}}"
    assert made.environment_variables[0].value == "${{parameters.train_it_rate}}"
    assert [(each.name, each.default) for each in more] == [("train_it_rate", 0.25), ("size", 3)]
    _again, more = inlined(written, parameters, {}, {"rate", "train_it_rate"})
    assert more[0].name == "train_it_rate_2"
