"""Notebooks as steps: what is wrong with one, at its field, and what a node runs."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pipelines.kinds.notebook import NotebookStep
from pipelines.validation import Catalogue, parse_definition, problems_of, warnings_of
from studio.lib.problems import UserError

SOURCE = "d" * 64
CATALOGUE = Catalogue(
    datasets={"digits": frozenset({1})},
    environments={"notebook": frozenset({1}), "python": frozenset({1}), "mine": frozenset({1})},
    computes=frozenset({"local"}),
    sources={SOURCE: frozenset({"train.ipynb", "old/report.ipynb", "main.py"})},
)


def text_of(*sources: str, tags: Any = ("parameters",), **more: Any) -> str:
    cells = [{"cell_type": "code", "metadata": {}, "source": source} for source in sources]
    if cells:
        cells[0]["metadata"] = {"tags": list(tags)}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells, **more})


def step(**more: Any) -> dict[str, Any]:
    return {"name": "train", "kind": "notebook", "source": SOURCE, "notebook": "train.ipynb", **more}


def with_text(text: str) -> Catalogue:
    return replace(CATALOGUE, scripts={(SOURCE, "train.ipynb"): text})


def problems(
    given: dict[str, Any], catalogue: Catalogue = CATALOGUE, parameters: Any = ()
) -> dict[tuple[Any, ...], str]:
    definition = parse_definition({"steps": [given], "parameters": list(parameters)})
    return {problem.loc[2:]: problem.message for problem in problems_of(definition, catalogue)}


def warnings(given: dict[str, Any], text: str) -> dict[tuple[Any, ...], str]:
    definition = parse_definition({"steps": [given]})
    return {warning.loc[2:]: warning.message for warning in warnings_of(definition, with_text(text))}


def values(*pairs: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in pairs]


def argv(given: dict[str, Any], parameters: dict[str, Any], absent: tuple[str, ...] = ()) -> list[str]:
    (made,) = parse_definition({"steps": [given]}).steps
    return made.argv(parameters, absent)


def test_what_a_node_runs() -> None:
    given = step(kernel="ir", cell_timeout_s=60, parameters=values(("data", "${{ inputs.data }}/x"), ("n", 3)))
    assert argv(given, {}) == [
        "python",
        "-u",
        "${{programs.run_notebook}}",
        "train.ipynb",
        "${{outputs.executed_notebook}}",
        "ir",
        "60",
        *("text", "data", "${{inputs.data}}/x"),
        *("json", "n", "3"),
    ]
    assert argv(step(), {})[3:] == ["train.ipynb", "${{outputs.executed_notebook}}", "", ""]


@pytest.mark.parametrize(
    ("value", "given"),
    [
        (0, ["json", "x", "0"]),
        (0.5, ["json", "x", "0.5"]),
        (False, ["json", "x", "false"]),
        (True, ["json", "x", "true"]),
        ("", ["text", "x", ""]),
        ("0", ["text", "x", "0"]),
        ("false", ["text", "x", "false"]),
        ("--x 'y' \"z\" $(id)", ["text", "x", "--x 'y' \"z\" $(id)"]),
        ("${{parameters.whole}}", ["json", "x", "0"]),
        ("${{ parameters.no }}", ["json", "x", "false"]),
        ("${{parameters.half}}", ["json", "x", "0.5"]),
        ("${{parameters.word}}", ["text", "x", ""]),
        ("a ${{parameters.whole}} b ${{parameters.no}}", ["text", "x", "a 0 b false"]),
        ("${{inputs.data}}", ["text", "x", "${{inputs.data}}"]),
        ("${{parameters.absent}}", []),
        ("a${{parameters.absent}}", []),
        ("${{inputs.absent}}/a", []),
    ],
)
def test_a_value_keeps_its_type_and_is_left_out_with_what_it_speaks_of(value: Any, given: list[str]) -> None:
    parameters = {"whole": 0, "no": False, "half": 0.5, "word": ""}
    assert argv(step(parameters=values(("x", value))), parameters, ("absent",))[7:] == given


def test_a_good_step_has_no_problem_and_no_warning() -> None:
    text = text_of("alpha: float = 0.5\nname = 'x'  # comment\ndata = None", "alpha == 1")
    given = step(
        parameters=values(("alpha", 1), ("name", "${{parameters.word}}"), ("data", "${{inputs.data}}")),
        inputs=[{"name": "data", "optional": True}],
    )
    declared = [{"name": "word", "optional": True}]
    assert problems(given, with_text(text), declared) == {}
    definition = parse_definition({"steps": [given], "parameters": declared})
    assert warnings_of(definition, with_text(text)) == []


PROBLEMS: list[tuple[dict[str, Any], tuple[Any, ...], str]] = [
    ({"source": None}, ("source",), "Upload a notebook"),
    ({"notebook": ""}, ("notebook",), "Choose the notebook to run, as in “train.ipynb”."),
    ({"notebook": "report.ipynb"}, ("notebook",), "Did you mean “old/report.ipynb”?"),
    ({"notebook": "main.py"}, ("notebook",), "ends in “.ipynb”"),
    ({"parameters": values(("1x", 1))}, ("parameters", 0, "name"), "as Python has it"),
    ({"parameters": values(("", 1))}, ("parameters", 0, "name"), "as Python has it"),
    ({"parameters": values(("lambda", 1))}, ("parameters", 0, "name"), "as Python has it"),
    ({"parameters": values(("a-b", 1))}, ("parameters", 0, "name"), "as Python has it"),
    ({"parameters": values(("a", 1), ("a", 2))}, ("parameters", 1, "name"), "another “a”"),
    ({"parameters": values(("a", 1), ("b", "${{inputs.x}}"))}, ("parameters", 1, "value"), "no input “x”"),
    ({"parameters": values(("a", "${{parameters.x}}"))}, ("parameters", 0, "value"), "no parameter “x”"),
    ({"parameters": values(("a", "${{nothing.x}}"))}, ("parameters", 0, "value"), "stands for nothing"),
    ({"parameters": values(("a", "${{ x"))}, ("parameters", 0, "value"), "is no placeholder"),
    ({"parameters": values(("a", "x" * 100_001))}, ("parameters", 0, "value"), "more than 100,000"),
    ({"kernel": "a/b"}, ("kernel",), "no name of a kernel"),
    ({"cell_timeout_s": 0}, ("cell_timeout_s",), "above 0"),
    ({"outputs": [{"name": "executed_notebook"}]}, ("outputs", 0, "name"), "of its own"),
]


@pytest.mark.parametrize(("more", "loc", "sentence"), PROBLEMS)
def test_each_problem_stands_at_its_field(more: dict[str, Any], loc: tuple[Any, ...], sentence: str) -> None:
    found = problems(step(**more))
    assert list(found) == [loc]
    assert sentence in found[loc]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("print(1)", "holds no JSON"),
        ("[" * 100_000, "holds no JSON"),
        ("[]", "doesn't say of which format"),
        ('{"cells": []}', "doesn't say of which format"),
        (json.dumps({"nbformat": 3, "worksheets": []}), "format 3, which Jupyter has left behind"),
        (json.dumps({"nbformat": 4}), "no list of cells"),
        (text_of(), "no cell of code"),
        (json.dumps({"nbformat": 4, "cells": [1, {"cell_type": "markdown"}]}), "no cell of code"),
    ],
)
def test_what_is_no_notebook_is_told_before_it_runs(text: str, sentence: str) -> None:
    found = problems(step(parameters=values(("a", 1))), with_text(text))
    assert list(found) == [("notebook",)]
    assert sentence in found["notebook",]
    assert warnings(step(parameters=values(("a", 1))), text) == {}


def test_a_parameter_that_the_notebook_does_not_have_is_a_warning() -> None:
    given = step(parameters=values(("alpha", 1), ("beta", 2)))
    assert warnings(given, text_of("alpha = 1\nif alpha == 2:\n    gamma = 3")) == {
        ("parameters", 1, "name"): "The notebook's cell of parameters has no “beta”. There are: alpha.",
    }
    assert list(warnings(given, text_of("alpha = 1", tags=()))) == [("parameters",)]
    assert warnings(step(), text_of("1", tags=())) == {}


def test_an_environment_without_papermill_is_told_where_that_is_known() -> None:
    known = {"python": frozenset[str](), "mine": frozenset({"papermill", "numpy"})}
    catalogue = replace(CATALOGUE, packages=known)
    assert problems(step(environment="python"), catalogue)["environment",] == (
        "Environment “python” has no papermill and ipykernel, which this step needs. "
        "Add them to its packages, or choose “notebook”."
    )
    assert (
        "has no ipykernel, which this step needs. Add it "
        in problems(step(environment="mine"), catalogue)["environment",]
    )
    assert problems(step(), catalogue) == {}
    assert NotebookStep(name="x").environment == "notebook"


@pytest.mark.parametrize(
    ("more", "loc"),
    [
        ({"parameters": values(("a", None))}, ("parameters", 0, "value")),
        ({"parameters": values(("a", [1]))}, ("parameters", 0, "value")),
        ({"parameters": values(("a", float("inf")))}, ("parameters", 0, "value")),
        ({"parameters": {"a": 1}}, ("parameters",)),
        ({"cell_timeout_s": 1.5}, ("cell_timeout_s",)),
        ({"entry": "main.py"}, ("entry",)),
    ],
)
def test_what_has_the_wrong_shape_is_refused_at_its_field(more: dict[str, Any], loc: tuple[Any, ...]) -> None:
    with pytest.raises(UserError) as refused:
        parse_definition({"steps": [step(**more)]})
    assert {problem.loc[2:] for problem in refused.value.problems} == {loc}


def test_an_output_that_only_a_value_speaks_of_is_one() -> None:
    step = NotebookStep.model_validate(
        {
            "name": "look",
            "notebook": "look.ipynb",
            "parameters": [{"name": "report", "value": "${{outputs.report}}"}, {"name": "depth", "value": 3}],
        }
    )
    assert [output.name for output in step.outputs] == ["report"]
