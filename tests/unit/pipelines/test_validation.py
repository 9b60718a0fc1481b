"""Every problem of a definition, at its field."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.definition import Parameter
from pipelines.destinations import StoreFacts, destination_problem, filled
from pipelines.graph import edges_of, steps_on_circles, topological_order
from pipelines.kinds import KINDS
from pipelines.kinds.describing import described
from pipelines.modules.definition import ModuleDefinition
from pipelines.modules.resolving import ModulesThere, ModuleThere
from pipelines.nesting import Nested, PipelinesThere
from pipelines.parameters import parameter_values
from pipelines.validation import Catalogue, data_problems, parse_definition, problems_of, warnings_of
from studio.lib.problems import UserError

CATALOGUE = Catalogue(
    datasets={"digits": frozenset({1, 2}), "sales": frozenset({1, 2}), "mixed": frozenset({1, 2})},
    environments={"python": frozenset({1}), "sklearn": frozenset({1, 3}), "notebook": frozenset({1})},
    computes=frozenset({"local"}),
    sources={"d" * 64: frozenset({"train.py", "src/prepare.py"})},
    tables={"sales": frozenset({2}), "mixed": frozenset({1})},
    datastores={
        "lake": StoreFacts(holds="files"),
        "web": StoreFacts(holds="files", is_writable=False),
        "orders-db": StoreFacts(holds="tables", is_writable=False),
        "notes-db": StoreFacts(holds="tables"),
    },
    default_datastore="lake",
)


def step(name: str = "train", **more: Any) -> dict[str, Any]:
    return {"name": name, "source": "d" * 64, "entry": "train.py", **more}


def reads(step_name: str, output: str = "out", name: str = "x") -> dict[str, Any]:
    return {"name": name, "binding": {"kind": "output", "step": step_name, "output": output}}


def found(*steps: dict[str, Any], parameters: Any = ()) -> dict[tuple[Any, ...], str]:
    definition = parse_definition({"steps": list(steps), "parameters": list(parameters)})
    return {problem.loc: problem.message for problem in problems_of(definition, CATALOGUE)}


def test_a_good_definition_has_no_problem() -> None:
    assert not found(
        step(
            "prepare",
            inputs=[{"name": "images", "binding": {"kind": "dataset", "dataset": "digits", "version": 2}}],
            outputs=[{"name": "out"}],
            arguments="--in ${{inputs.images}} --out '${{ outputs.out }}' ${{parameters.c}}",
            environment="sklearn:3",
        ),
        step("train", inputs=[reads("prepare")], retries=3, timeout_s=0.5),
        parameters=[{"name": "c", "type": "number", "default": 0}],
    )


def test_a_document_of_an_earlier_version_keeps_its_retries() -> None:
    (read,) = parse_definition({"steps": [step(retries=3)]}).steps
    assert (read.retry.max_attempts, read.retry.backoff_s) == (4, 0.0)
    assert "retries" not in read.model_dump()


def test_a_pipeline_without_a_step() -> None:
    assert found() == {("steps",): "The pipeline has no step. Add one."}


STEP_PROBLEMS: list[tuple[dict[str, Any], tuple[Any, ...], str]] = [
    (step(""), ("name",), "Name the step"),
    (step("a b"), ("name",), "Use 1 to 100"),
    (step("../x"), ("name",), "Use 1 to 100"),
    (step("x" * 101), ("name",), "Use 1 to 100"),
    (step(source=None), ("source",), "no source files"),
    (step(source="e" * 64), ("source",), "not in this workspace"),
    (step(entry=""), ("entry",), "Choose the script to run, as in “train.py”"),
    (step(entry="trian.py"), ("entry",), "Did you mean “train.py”?"),
    (step(entry="prepare.py"), ("entry",), "Did you mean “src/prepare.py”?"),
    (step(inputs=[{"name": "x"}]), ("inputs", 0, "binding"), "not bound"),
    (step(inputs=[{"name": "1x", "binding": {"kind": "dataset", "dataset": "digits"}}]), ("inputs", 0, "name"), "Use"),
    (
        step(inputs=[{"name": "x", "binding": {"kind": "dataset", "dataset": "digts"}}]),
        ("inputs", 0, "binding"),
        "There is no dataset “digts”. Did you mean “digits”?",
    ),
    (
        step(inputs=[{"name": "x", "binding": {"kind": "dataset", "dataset": "digits", "version": 3}}]),
        ("inputs", 0, "binding"),
        "has no version 3",
    ),
    (step(inputs=[reads("prepare")]), ("inputs", 0, "binding"), "There is no step “prepare”"),
    (
        step(inputs=[reads("train")], outputs=[{"name": "out"}]),
        ("inputs", 0, "binding"),
        "can't read its own output",
    ),
    (step(outputs=[{"name": "o"}, {"name": "o"}]), ("outputs", 1, "name"), "There is another “o”"),
    (step(outputs=[{"name": ""}]), ("outputs", 0, "name"), "Use 1 to 100"),
    (step(arguments="${{inputs.x}}"), ("arguments",), "no input “x”"),
    (step(arguments="${{parameters.x}}"), ("arguments",), "no parameter “x”"),
    (step(arguments="'"), ("arguments",), "never closed"),
    (step(arguments="\\${{inputs.x}}"), ("arguments",), "always begin a placeholder"),
    (step(arguments="a" * 100_001), ("arguments",), "more than 100,000"),
    (step(environment=""), ("environment",), "Choose an environment"),
    (step(environment="sklern"), ("environment",), "Did you mean “sklearn”?"),
    (step(environment="sklearn:2"), ("environment",), "has no version 2"),
    (step(environment="sklearn:x"), ("environment",), "has no version x"),
    (step(compute=""), ("compute",), "Choose a compute target"),
    (step(compute="gpu"), ("compute",), "no compute target “gpu”"),
    (step(retries=-1), ("retry", "max_attempts"), "1 (no further one) to 100"),
    (step(retry={"max_attempts": 0}), ("retry", "max_attempts"), "1 (no further one) to 100"),
    (step(retry={"max_attempts": 101}), ("retry", "max_attempts"), "1 (no further one) to 100"),
    (step(retry={"max_attempts": 2, "on": []}), ("retry", "on"), "Choose after which failures"),
    (step(retry={"exit_codes": "three"}), ("retry", "exit_codes"), "“three” is no exit code"),
    (step(retry={"exit_codes": "3, 0"}), ("retry", "exit_codes"), "1 to 255"),
    (step(retry={"exit_codes": "256"}), ("retry", "exit_codes"), "1 to 255"),
    (step(retry={"exit_codes": "20-10"}), ("retry", "exit_codes"), "the smaller one first"),
    (step(retry={"exit_codes": "-3"}), ("retry", "exit_codes"), "no exit code"),
    (step(retry={"exit_codes": "1," * 101}), ("retry", "exit_codes"), "more than 200 characters"),
    (step(retry={"backoff_s": -1}), ("retry", "backoff_s"), "0 to 604,800 seconds"),
    (step(retry={"backoff_s": 1e300}), ("retry", "backoff_s"), "0 to 604,800 seconds"),
    (step(retry={"max_backoff_s": -0.1}), ("retry", "max_backoff_s"), "0 to 604,800 seconds"),
    (step(retry={"backoff_factor": 0.5}), ("retry", "backoff_factor"), "1 to 100 times"),
    (step(retry={"max_node_losses": -1}), ("retry", "max_node_losses"), "0 to 100"),
    (step(limits={"memory_bytes": 0}), ("limits", "memory_bytes"), "16 MB to 1 PB"),
    (step(limits={"memory_bytes": -(10**30)}), ("limits", "memory_bytes"), "16 MB to 1 PB"),
    (step(limits={"memory_bytes": 10**30}), ("limits", "memory_bytes"), "16 MB to 1 PB"),
    (step(limits={"cpus": 0}), ("limits", "cpus"), "0.1 to 4096"),
    (step(limits={"cpus": 1e9}), ("limits", "cpus"), "0.1 to 4096"),
    (step(limits={"output_bytes": -1}), ("limits", "output_bytes"), "1 byte to 1 PB"),
    (step(limits={"log_bytes": 0}), ("limits", "log_bytes"), "10,000 bytes to 1 PB"),
    (step(timeout_s=0), ("timeout_s",), "above 0"),
    (step(timeout_s=-3), ("timeout_s",), "above 0"),
]


@pytest.mark.parametrize(("given_step", "loc", "says"), STEP_PROBLEMS)
def test_each_problem_stands_at_its_field(given_step: dict[str, Any], loc: tuple[Any, ...], says: str) -> None:
    problems = found(given_step)
    assert says in problems["steps", 0, *loc]
    assert len(problems) == 1


def test_two_steps_of_one_name() -> None:
    assert set(found(step("a"), step("b"), step("a"))) == {("steps", 2, "name")}


def test_an_output_that_the_other_step_does_not_have() -> None:
    problems = found(step("a", outputs=[{"name": "model"}]), step("b", inputs=[reads("a", "modle")]))
    assert problems == {
        ("steps", 1, "inputs", 0, "binding"): "Step “a” has no output “modle”. Did you mean “model”?",
    }


def test_a_circle_is_told_at_each_binding_that_closes_it() -> None:
    out = [{"name": "out"}]
    problems = found(
        step("a", inputs=[reads("c")], outputs=out),
        step("b", inputs=[reads("a")], outputs=out),
        step("c", inputs=[reads("b")], outputs=out),
        step("after", inputs=[reads("c")], outputs=out),
        step("aside", outputs=out),
    )
    assert set(problems) == {("steps", index, "inputs", 0, "binding") for index in range(3)}
    assert "a → b → c → a" in problems["steps", 0, "inputs", 0, "binding"]


def test_steps_to_run_after_are_there_and_others() -> None:
    problems = found(
        step("prepare"),
        step("train", run_after=["prepare", "train", "prepare", "prepere", ""]),
    )
    assert {loc[-1]: message for loc, message in problems.items() if loc[:3] == ("steps", 1, "run_after")} == {
        1: "A step can't run after itself. Choose another step.",
        2: "“prepare” is named twice. Remove one of them.",
        3: "There is no step “prepere”. Did you mean “prepare”?",
        4: "Choose the step to run after, or remove the line.",
    }
    assert len(problems) == 4


def test_a_circle_may_go_through_what_a_step_runs_after() -> None:
    out = [{"name": "out"}]
    problems = found(step("a", run_after=["b"], outputs=out), step("b", inputs=[reads("a")], outputs=out))
    assert set(problems) == {("steps", 0, "run_after", 0), ("steps", 1, "inputs", 0, "binding")}
    assert "a → b → a" in problems["steps", 0, "run_after", 0]
    assert problems["steps", 0, "run_after", 0].endswith("Take one of these steps away here.")


def test_parameters_of_a_definition() -> None:
    problems = found(
        step(),
        parameters=[
            {"name": "a", "type": "integer", "default": 1.5},
            {"name": "a", "type": "string", "default": ""},
            {"name": "b c", "type": "boolean", "default": 1},
            {"name": "d", "type": "number", "default": True},
        ],
    )
    assert set(problems) == {
        ("parameters", 0, "default"),
        ("parameters", 1, "name"),
        ("parameters", 2, "name"),
        ("parameters", 2, "default"),
        ("parameters", 3, "default"),
    }


def _parameter(kind: str, default: Any = None) -> Parameter:
    return Parameter.model_validate({"name": "p", "type": kind, "default": default})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", ""),
        ("string", " a\nb "),
        ("integer", 0),
        ("integer", -7),
        ("number", 0),
        ("number", 0.0),
        ("number", 1e300),
        ("boolean", False),
    ],
)
def test_values_that_are_fine(kind: str, value: Any) -> None:
    values, problems = parameter_values([_parameter(kind, None)], {"p": value})
    assert problems == []
    assert values == {"p": value}
    assert type(values["p"]) is type(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", 1),
        ("string", "a\0b"),
        ("string", "\ud800"),
        ("string", "x" * 100_001),
        ("string", "${{inputs.secret}}"),
        ("integer", "1"),
        ("integer", True),
        ("integer", 1.0),
        ("integer", 10**400),
        ("number", "0.5"),
        ("number", float("nan")),
        ("number", float("inf")),
        ("boolean", 0),
        ("boolean", "true"),
        ("string", ["a"]),
        ("number", {}),
    ],
)
def test_values_of_the_wrong_kind(kind: str, value: Any) -> None:
    _values, problems = parameter_values([_parameter(kind)], {"p": value})
    assert [problem.loc for problem in problems] == [("parameters", "p")]


def test_values_missing_and_unknown() -> None:
    values, problems = parameter_values([_parameter("integer"), Parameter(name="q", default="d")], {"r": 1})
    assert values == {"q": "d"}
    assert {problem.loc for problem in problems} == {("parameters", "p"), ("parameters", "r")}


@pytest.mark.parametrize(
    ("data", "loc"),
    [
        (None, ()),
        ([], ()),
        ({"steps": {}}, ("steps",)),
        ({"steps": [{}]}, ("steps", 0, "name")),
        ({"steps": [{"name": "a", "inputs": [{"name": "x", "binding": {"kind": "dataset"}}]}]},
         ("steps", 0, "inputs", 0, "binding", "dataset")),
        ({"steps": [{"name": "a", "colour": "red"}]}, ("steps", 0, "colour")),
        ({"parameters": [{"name": "a\0"}]}, ("parameters", 0, "name")),
        ({"steps": [{"name": "a", "description": "\udfff"}]}, ("steps", 0, "description")),
        ({"steps": [{"name": "a", "retries": "many"}]}, ("steps", 0, "retries")),
        ({"steps": [{"name": "a", "timeout_s": math.nan}]}, ("steps", 0, "timeout_s")),
        ({"steps": [{"name": "a", "retry": {"max_attempts": 1.5}}]}, ("steps", 0, "retry", "max_attempts")),
        ({"steps": [{"name": "a", "retry": {"backoff_s": math.inf}}]}, ("steps", 0, "retry", "backoff_s")),
        ({"steps": [{"name": "a", "retry": {"on": ["weather"]}}]}, ("steps", 0, "retry", "on", 0)),
        ({"steps": [{"name": "a", "limits": {"cpus": math.nan}}]}, ("steps", 0, "limits", "cpus")),
        ({"steps": [{"name": "a", "limits": {"memory_bytes": "much"}}]}, ("steps", 0, "limits", "memory_bytes")),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_told_at_its_field(data: Any, loc: tuple[Any, ...]) -> None:
    with pytest.raises(UserError) as caught:
        parse_definition(data)
    assert caught.value.problems[0].loc == loc


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    """For each step, those that it reads from."""
    count = draw(st.integers(1, 12))
    return [draw(st.lists(st.integers(0, count - 1), unique=True, max_size=4)) for _ in range(count)]


@given(graphs())
def test_an_order_or_a_circle(reads_from: list[list[int]]) -> None:
    steps = [
        step(
            f"s{index}",
            outputs=[{"name": "out"}],
            inputs=[reads(f"s{each}", name=f"i{each}") for each in sources if each != index],
        )
        for index, sources in enumerate(reads_from)
    ]
    definition = parse_definition({"steps": steps})
    edges = edges_of(definition)
    order = topological_order(len(steps), edges)
    place = {each: number for number, each in enumerate(order)}
    assert all(place[edge.upstream] < place[edge.downstream] for edge in edges if edge.downstream in place)
    circles = [problem for problem in problems_of(definition, CATALOGUE) if "circle" in problem.message]
    assert bool(circles) == (len(order) < len(steps))
    assert bool(circles) == bool(steps_on_circles(len(steps), edges))


# Where outputs go, and how inputs arrive


def out(name: str = "out", **more: Any) -> dict[str, Any]:
    return {"name": name, **more}


def as_dataset(name: str, **more: Any) -> dict[str, Any]:
    return {"register_as": {"dataset": name, **more}}


def bound(dataset: str, mode: str, version: int | None = None) -> dict[str, Any]:
    return {"name": "x", "mode": mode, "binding": {"kind": "dataset", "dataset": dataset, "version": version}}


def test_destinations_and_registrations_that_are_good() -> None:
    assert not found(
        step("a", outputs=[out(datastore="lake", path="models/{run-id}/{output-name}", **as_dataset("new"))]),
        step("b", outputs=[out(path="models/{run-id}/other"), out("log", **as_dataset("digits", tags={"a": "b"}))]),
        step("c", inputs=[bound("digits", "direct")]),
        step("d", inputs=[bound("sales", "mount")], outputs=[out(**as_dataset("mixed"))]),
        step("e", inputs=[bound("sales", "direct", version=1)]),
    )


OUTPUT_PROBLEMS: list[tuple[dict[str, Any], tuple[Any, ...], str]] = [
    (out(datastore="lak"), ("datastore",), "There is no datastore “lak”. Did you mean “lake”?"),
    (out(datastore="orders-db"), ("datastore",), "“orders-db” is a database, and an output is files."),
    (out(datastore="web"), ("datastore",), "“web” can only be read."),
    (out(path=""), ("path",), "Name a folder"),
    (out(path="./"), ("path",), "Name a folder"),
    (out(path="../x"), ("path",), "must stay below the datastore's root"),
    (out(path="/x"), ("path",), "without a leading slash"),
    (out(path="models/{run_id}"), ("path",), "“{run_id}” stands for nothing. Write {run-id} or {output-name}."),
    (out(path="models/{attempt}"), ("path",), "“{attempt}” stands for nothing."),
    (out(path="models/{run-id"), ("path",), "A brace is opened and never closed"),
    (out(path="models/*.csv"), ("path",), "A destination is one folder"),
    (out(path="runs/mine"), ("path",), "Below “runs” the studio keeps what steps leave."),
    (out(path="x" * 600), ("path",), "A destination can have 500 characters."),
    (out(**as_dataset("")), ("register_as", "dataset"), "Name the dataset"),
    (out(**as_dataset("a b")), ("register_as", "dataset"), "Use"),
    (out(**as_dataset("sales")), ("register_as", "dataset"), "“sales” is a tabular dataset, and an output is files."),
    (out(**as_dataset("new", description="x" * 600)), ("register_as", "description"), "500 characters"),
    (out(**as_dataset("new", tags={"": "x"})), ("register_as", "tags"), "A tag needs a name"),
    (out(**as_dataset("new", tags={"a": "x" * 300})), ("register_as", "tags"), "characters each"),
]


@pytest.mark.parametrize(("output", "loc", "message"), OUTPUT_PROBLEMS)
def test_each_problem_of_an_output_at_its_field(output: dict[str, Any], loc: tuple[Any, ...], message: str) -> None:
    problems = found(step(outputs=[output]))
    assert list(problems) == [("steps", 0, "outputs", 0, *loc)]
    assert message in problems["steps", 0, "outputs", 0, *loc]


def test_two_outputs_of_a_run_never_write_into_one_folder() -> None:
    problems = found(
        step("a", outputs=[out(path="x/{output-name}")]),
        step("b", outputs=[out("below", path="x/out/deeper"), out("out", datastore="lake", path="x//out/")]),
        step("c", outputs=[out(path="x")]),
    )
    assert problems == {
        ("steps", 0, "outputs", 0, "path"): "Output “out” of “c” writes there too. Give each a folder of its own, as "
        "with {output-name}.",
        ("steps", 1, "outputs", 0, "path"): "Output “out” of “c” writes there too. Give each a folder of its own, as "
        "with {output-name}.",
        ("steps", 1, "outputs", 1, "path"): "Output “out” of “c” writes there too. Give each a folder of its own, as "
        "with {output-name}.",
    }
    assert list(found(step("a", outputs=[out(path="x"), out("b", path="x")]))) == [("steps", 0, "outputs", 1, "path")]


def test_a_run_registers_a_dataset_once() -> None:
    problems = found(step("a", outputs=[out(**as_dataset("new")), out("b", **as_dataset("new"))]))
    assert list(problems) == [("steps", 0, "outputs", 1, "register_as", "dataset")]


@pytest.mark.parametrize("version", [None, 2])
def test_a_table_has_no_address(version: int | None) -> None:
    problems = found(step(inputs=[bound("sales", "direct", version)]))
    assert list(problems) == [("steps", 0, "inputs", 0, "mode")]
    assert "Choose Download" in problems["steps", 0, "inputs", 0, "mode"]


@given(st.text(alphabet="ab/{}.*-runidoutpe", max_size=40))
def test_what_is_found_good_stays_below_its_root_and_holds_no_placeholder(template: str) -> None:
    if destination_problem(template) is None:
        path = filled(template, run_id=7, output="model")
        assert path
        assert not set(path) & set("{}*?")
        assert ".." not in path.split("/")


def test_what_may_be_absent_stands_in_a_piece_that_can_be_left_out() -> None:
    optional = {"name": "x", "optional": True}
    line = "${{inputs.x}} ${{parameters.p}} $[[${{inputs.x}} ${{parameters.p}}]] ${{parameters.q}}"
    parameters = [{"name": "p", "optional": True}, {"name": "q", "optional": True, "default": "d"}]
    problems = problems_of(
        parse_definition({"steps": [step(inputs=[optional], arguments=line)], "parameters": parameters}), CATALOGUE
    )
    assert [problem.loc for problem in problems] == [("steps", 0, "arguments")] * 2
    assert "$[[--x ${{inputs.x}}]]" in problems[0].message
    assert "$[[--p ${{parameters.p}}]]" in problems[1].message


def test_an_optional_input_may_stay_unbound() -> None:
    assert not found(step(inputs=[{"name": "x", "optional": True}], arguments="$[[--x ${{inputs.x}}]]"))
    assert set(found(step(inputs=[{"name": "x"}]))) == {("steps", 0, "inputs", 0, "binding")}


def fed(parameter: str, **more: Any) -> dict[str, Any]:
    return {"name": "x", "binding": {"kind": "parameter", "parameter": parameter}, **more}


@pytest.mark.parametrize(
    ("parameter", "given", "field", "sentence"),
    [
        ({"type": "dataset"}, fed("q"), "binding", "has no parameter “q”."),
        ({"type": "string"}, fed("p"), "binding", "stands for no data"),
        ({"type": "dataset", "optional": True}, fed("p"), "binding", "must be optional as well"),
        ({"type": "dataset", "default": "digit"}, fed("p"), "default", "no dataset “digit”. Did you mean “digits”?"),
        ({"type": "dataset", "default": "digits:3"}, fed("p"), "default", "has no version 3"),
        ({"type": "dataset", "default": "sales"}, fed("p", mode="direct"), "default", "wants an address"),
        ({"type": "data_path", "default": "pond/a"}, fed("p"), "default", "no datastore “pond”"),
        ({"type": "data_path", "default": "orders-db/a"}, fed("p"), "default", "holds tables, and no files"),
        ({"type": "dataset", "default": "sales:1"}, fed("p", mode="direct"), "", ""),
        ({"type": "dataset"}, fed("p"), "", ""),
        ({"type": "dataset", "optional": True}, fed("p", optional=True), "", ""),
        ({"type": "data_path", "default": "https://example.org/a.csv"}, fed("p"), "", ""),
        ({"type": "data_path", "default": "lake/2026/**/*.csv"}, fed("p"), "", ""),
    ],
)
def test_an_input_fed_by_a_parameter(
    parameter: dict[str, Any], given: dict[str, Any], field: str, sentence: str
) -> None:
    problems = found(step(inputs=[given]), parameters=[{"name": "p", **parameter}])
    assert [loc[-1] for loc in problems] == [field] * bool(field)
    assert not field or sentence in next(iter(problems.values()))


def test_values_that_stand_for_data_are_looked_up() -> None:
    parameters = [
        {"name": "d", "type": "dataset", "default": "nowhere"},
        {"name": "e", "type": "dataset"},
        {"name": "f", "type": "data_path"},
    ]
    definition = parse_definition({"steps": [step()], "parameters": parameters})
    assert not data_problems(definition, {"d": "digits", "e": "digits:1", "f": "lake/a"}, CATALOGUE)
    wrong = data_problems(definition, {"d": "nowhere", "e": "digits:9", "f": "theirs/a"}, CATALOGUE)
    # What is wrong with a default is told of the definition.
    assert [problem.loc for problem in wrong] == [("parameters", "e"), ("parameters", "f")]


# Kinds of steps


def test_a_command_says_what_is_missing_at_its_own_field() -> None:
    def command(text: str, **more: Any) -> dict[str, Any]:
        return {"kind": "command", "name": "count", "command": text, **more}

    assert found(command("ls")) == {}
    assert found(command("ls", source="d" * 64)) == {}
    assert "Write the command to run" in found(command(" \n"))["steps", 0, "command"]
    assert "not in this workspace" in found(command("ls", source="e" * 64))["steps", 0, "source"]
    problems = found(command("cat ${{inputs.a}} '${{parameters.b}}"))
    assert list(problems) == [("steps", 0, "command")]
    problems = found(command("echo ${{inputs.a}}", inputs=[{"name": "a", "optional": True}]))
    assert "Put $[[ and ]] around" in problems["steps", 0, "command"]
    assert found(command("echo $[[${{inputs.a}}]]", inputs=[{"name": "a", "optional": True}])) == {}


def test_a_kind_has_its_own_fields_and_no_others() -> None:
    with pytest.raises(UserError) as refused:
        parse_definition(
            {
                "steps": [
                    {"name": "a", "kind": "command", "entry": "main.py"},
                    {"name": "b", "kind": "magic"},
                    {"name": "c", "kind": "command", "inputs": [{"name": 1}]},
                ]
            }
        )
    problems = {problem.loc: problem.message for problem in refused.value.problems}
    assert list(problems) == [("steps", 0, "entry"), ("steps", 1), ("steps", 2, "inputs", 0, "name")]
    assert "there is no such kind of step; the kinds are approval, command, condition, " in problems["steps", 1]


def test_a_step_without_a_kind_is_a_python_script() -> None:
    (first, second) = parse_definition({"steps": [step(), {"kind": "command", "name": "x"}]}).steps
    assert (first.kind, first.subtitle, second.kind, second.settings()) == (
        "python_script",
        "train.py",
        "command",
        {"command": "", "hash_paths": []},
    )


TRAIN = PipelinesThere(
    names=frozenset({"train"}),
    versions={
        ("train", None): Nested(
            parse_definition(
                {
                    "steps": [],
                    "parameters": [
                        {"name": "learning_rate", "type": "number", "default": 0.1},
                        {"name": "input", "type": "data_path", "optional": True},
                    ],
                }
            )
        )
    },
)


SCALE = ModulesThere(
    names=frozenset({"scale"}),
    versions={
        ("scale", None): ModuleThere(
            "scale",
            1,
            1,
            1,
            ModuleDefinition.model_validate(
                {
                    "step": {
                        "kind": "command",
                        "name": "step",
                        "command": "ls $[[${{inputs.input}}]] > ${{outputs.output}}/a",
                        "inputs": [{"name": "input", "optional": True}],
                    },
                    "inputs": [{"name": "input", "optional": True}],
                    "outputs": [{"name": "output"}],
                }
            ),
        )
    },
)


def test_every_kind_is_described_with_an_example_that_makes_sense() -> None:
    offered = {name: kind for name, kind in KINDS.items() if kind.offered}
    assert KINDS.keys() - offered.keys() == {"tracked"}, "only a client begins one"
    for name, kind in offered.items():
        what = described(kind)
        assert what["name"] == name
        assert {field["name"] for field in what["fields"]} >= {what["card_field"]}
        for may_read, example in ((False, what["example"]), (True, what["example_that_reads"])):
            reads_it = {"any": may_read, "one": True, "none": False}[what["takes_inputs"]]
            chosen = {"datastore": "orders-db"} if name == "sql" else {"pipeline": "train"} if kind.makes_runs else {}
            chosen |= {"module": "scale"} if kind.is_module else {}
            chosen |= {"item_parameters": "learning_rate", "items": "[0.1]"} if name == "map" else {}
            files = frozenset(example["files"])
            scripts = {("f" * 64, path): text for path, text in example["files"].items()}
            catalogue = replace(CATALOGUE, sources={"f" * 64: files}, scripts=scripts, pipelines=TRAIN, modules=SCALE)
            read = {"name": "input", "binding": {"kind": "output", "step": "earlier", "output": "output"}}
            made = {
                "kind": name,
                "name": "new",
                "outputs": [{"name": "output"}] if kind.has_job else [],
                "inputs": [read] if reads_it and kind.takes_inputs != "none" else [],
                "source": "f" * 64 if files else None,
                **example["settings"],
                **chosen,  # which database, pipeline or module there is, no example knows
            }
            earlier = {"kind": "command", "name": "earlier", "command": "echo > ${{outputs.output}}/a"}
            definition = parse_definition({"steps": [made, earlier]})
            assert problems_of(definition, catalogue) == warnings_of(definition, catalogue) == []


@pytest.mark.parametrize(
    ("more", "loc", "sentence"),
    [
        ({"datastore": "nowhere"}, ("datastore",), "There is no datastore “nowhere”."),
        ({"datastore": "lake"}, ("datastore",), "“lake” holds files, and no tables."),
        ({"reads_only": False}, ("datastore",), "“orders-db” does not allow steps to write to it."),
        ({"source": "d" * 64}, ("source",), "A step of this kind has no files of its own."),
        ({"environment_variables": {"A": "1"}}, ("environment_variables",), "The node itself does this step"),
    ],
)
def test_what_a_node_can_not_do_itself(more: dict[str, Any], loc: tuple[str], sentence: str) -> None:
    made = {"kind": "sql", "name": "ask", "datastore": "orders-db", "statements": "SELECT 1", **more}
    (problem,) = problems_of(parse_definition({"steps": [made]}), CATALOGUE)
    assert problem.loc == ("steps", 0, *loc)
    assert problem.message.startswith(sentence)
    good = {**made, "datastore": "notes-db", "reads_only": False, "source": None, "environment_variables": []}
    assert problems_of(parse_definition({"steps": [{**good, "environment": "gone"}]}), CATALOGUE) == []


WAITING = """
from typing import ClassVar, Literal
from pydantic import Field
from pipelines.kinds.interface import Example, StepBase

class NapStep(StepBase):
    label: ClassVar[str] = "Nap"
    icon: ClassVar[str] = "clock"
    summary: ClassVar[str] = "Waits."
    card_field: ClassVar[str] = "seconds"

    kind: Literal["nap"] = "nap"
    seconds: int = Field(default=1, title="Seconds", description="How long.")
    loud: bool = False

    @classmethod
    def example(cls, *, reads):
        return Example({"seconds": 2})

    def texts(self):
        return {}

    def problems(self, files):
        if self.seconds < 0:
            yield "seconds", "Nobody waits backwards."

    def argv(self, values, absent_inputs):
        return ["sleep", str(self.seconds)]
"""


def test_a_package_adds_a_kind_by_an_entry_point(tmp_path: Path) -> None:
    """Another process, for kinds are looked for once."""
    (tmp_path / "waiting.py").write_text(WAITING)
    package = tmp_path / "waiting-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: waiting\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "[pipeline_studio.step_kinds]\nnap = waiting:NapStep\nbroken = nothing.there:X\nwrong = pathlib:Path\n"
    )
    script = (
        "import json, django\ndjango.setup()\n"
        "from pipelines.validation import parse_definition\nfrom pipelines.kinds import KINDS\n"
        "from pipelines.kinds.describing import described\n"
        "step = parse_definition({'steps': [{'kind': 'nap', 'name': 'w', 'seconds': 3}]}).steps[0]\n"
        "print(json.dumps([list(KINDS), step.argv({}, ()), step.subtitle, described(KINDS['nap'])['fields']]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{Path.cwd()}", "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    kinds, argv, subtitle, fields = json.loads(ended.stdout)
    ours = ["python_script", "command", "notebook", "parallel_run", "sql", "transfer", "module", "pipeline", "map"]
    ours += ["sweep", "condition", "approval", "wait", "tracked"]
    assert kinds == [*ours, "nap"]
    assert (argv, subtitle) == (["sleep", "3"], "3")
    assert [(each["name"], each["label"], each["widget"], each["default"]) for each in fields] == [
        ("seconds", "Seconds", "number", 1),
        ("loud", "Loud", "check", False),
    ]
    assert "“broken” of an installed package can't be loaded" in ended.stderr
    assert "“wrong” of an installed package is no StepBase" in ended.stderr


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("${{steps.trian.metrics.loss}} > 1", "There is no step “trian” to read metrics of. Did you mean “train”?"),
        ("${{steps.check.metrics.loss}} > 1", "A step can't read its own metrics. Name another step."),
        ("${{steps.pause.metrics.loss}} > 1", "“pause” runs no script, so it logs no metrics. Name another step."),
        ("${{steps.train.loss}} > 1", "“${{steps.train.loss}}” is no metric. Write one as ${{steps.train.metrics"),
        ("${{steps.a.b-c.metrics.val/loss}} > 1 and ${{steps.train.metrics.x}} > ${{steps.train.metrics}}['/a b']", ""),
    ],
)
def test_a_condition_can_read_metrics_of_other_steps(expression: str, sentence: str) -> None:
    problems = found(
        step("train"),
        step("a.b-c"),
        {"kind": "wait", "name": "pause", "duration": "1 h"},
        {"kind": "condition", "name": "check", "expression": expression},
    )
    assert list(problems) == [("steps", 3, "expression")] * bool(sentence)
    assert all(message.startswith(sentence) for message in problems.values())


def test_steps_that_read_each_others_metrics_go_round_in_a_circle() -> None:
    check = {"kind": "condition", "name": "check", "expression": "${{steps.train.metrics.loss}} > 1"}
    problems = found(step("train", run_after=["check"]), check)
    assert "The steps go round in a circle" in problems["steps", 1, "expression"]
