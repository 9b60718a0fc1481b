"""Parallel runs as steps: what is wrong with one, at its field, what a node runs, and what of it makes the result."""

from dataclasses import replace
from typing import Any

import pytest

from pipelines.kinds.parallel_run import ParallelRunStep, script_problem
from pipelines.validation import Catalogue, parse_definition, problems_of

SOURCE = "d" * 64
CATALOGUE = Catalogue(
    datasets={"digits": frozenset({1})},
    environments={"python": frozenset({1})},
    computes=frozenset({"local"}),
    sources={SOURCE: frozenset({"batches.py", "other.py"})},
)


def step(**more: Any) -> dict[str, Any]:
    return {
        "name": "score",
        "kind": "parallel_run",
        "source": SOURCE,
        "entry_script": "batches.py",
        "inputs": [{"name": "data", "binding": {"kind": "dataset", "dataset": "digits"}}],
        "input": "${{inputs.data}}",
        "output": "${{outputs.scores}}",
        **more,
    }


def problems(text: str = "def run(batch): ...", **more: Any) -> dict[tuple[Any, ...], str]:
    definition = parse_definition({"steps": [step(**more)]})
    catalogue = replace(CATALOGUE, scripts={(SOURCE, "batches.py"): text})
    return {problem.loc[2:]: problem.message for problem in problems_of(definition, catalogue)}


def made(**more: Any) -> ParallelRunStep:
    (found,) = parse_definition({"steps": [step(**more)]}).steps
    assert isinstance(found, ParallelRunStep)
    return found


def test_one_as_it_should_be() -> None:
    assert problems() == {}
    assert [output.name for output in made().outputs] == ["scores"]
    assert problems(split_into="rows", partition_keys="store, year", mini_batch_size="10MB") == {}


@pytest.mark.parametrize(
    ("field", "more", "words"),
    [
        ("entry_script", {"entry_script": ""}, "Choose the script to run, as in “batches.py”"),
        ("entry_script", {"entry_script": "batch.py"}, "There is no “batch.py” in the source files"),
        ("input", {"input": "${{inputs.data}}/x"}, "one input alone"),
        ("input", {"input": "data"}, "one input alone"),
        ("output", {"output": ""}, "Say where the results go"),
        ("output", {"output": "scores"}, "one output alone"),
        ("mini_batch_size", {"mini_batch_size": "0"}, "Give a whole number above 0"),
        ("mini_batch_size", {"mini_batch_size": "-5"}, "Give a whole number above 0"),
        ("mini_batch_size", {"mini_batch_size": "1.5MB"}, "Give a whole number above 0"),
        ("partition_keys", {"partition_keys": "store"}, "Files have no columns"),
        ("partition_keys", {"partition_keys": "store,,year", "split_into": "rows"}, "with a comma between two"),
        ("partition_keys", {"partition_keys": "store, store", "split_into": "rows"}, "stands here twice"),
        ("processes", {"processes": 257}, "from 0 to 256"),
        ("processes", {"processes": -1}, "from 0 to 256"),
        ("error_threshold", {"error_threshold": -2}, "-1 to let all pass"),
        ("max_tries", {"max_tries": 0}, "from 1 to 100"),
        ("batch_timeout_s", {"batch_timeout_s": 0}, "above 0"),
        ("append_row_file_name", {"append_row_file_name": "../x.txt"}, "without folders"),
        ("append_row_file_name", {"append_row_file_name": ".."}, "without folders"),
        ("append_row_file_name", {"append_row_file_name": " "}, "Give the name of a file"),
        ("append_row_file_name", {"append_row_file_name": "${{inputs.data}}"}, "This takes no placeholders"),
        ("partition_keys", {"partition_keys": "${{parameters.p}}", "split_into": "rows"}, "This takes no placeholders"),
    ],
)
def test_what_is_wrong_stands_at_its_field(field: str, more: dict[str, Any], words: str) -> None:
    found = problems(**more)
    assert list(found) == [(field,)]
    assert words in found[field,]


def test_one_input_alone_need_not_be_named_but_one_of_two() -> None:
    binding = {"kind": "dataset", "dataset": "digits"}
    assert problems(input="") == {}
    assert "--input=${{inputs.data}}" in made(input="").argv({}, ())
    found = problems(input="", inputs=[{"name": "data", "binding": binding}, {"name": "more", "binding": binding}])
    assert found["input",] == "Say which input is split, as in ${{inputs.input}}."


def test_its_input_is_there_and_read_as_files_and_its_output_is_a_folder() -> None:
    binding = {"kind": "dataset", "dataset": "digits"}
    found = problems(inputs=[{"name": "data", "binding": binding, "optional": True, "mode": "direct"}])
    assert set(found) == {("inputs", 0, "optional"), ("inputs", 0, "mode")}
    found = problems(outputs=[{"name": "scores", "file": "all.csv"}])
    assert list(found) == [("outputs", 0, "file")]


@pytest.mark.parametrize(
    "text",
    [
        "def run(mini_batch): ...",
        "def run(batch, *, deep=1): ...",
        "def run(*batches): ...",
        "def run(batch, more=2): ...",
        "from mine import run",
        "from mine import *",
        "run = make()",
        "try:\n    import x\nexcept ImportError:\n    def run(b): ...",
        "print 'of an old Python'",
    ],
)
def test_scripts_that_may_work(text: str) -> None:
    assert script_problem(text) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no function “run”"),
        ("def init(): ...\ndef ran(batch): ...", "has no function “run”"),
        ("def run(): ...", "is called with one argument"),
        ("def run(a, b): ...", "is called with one argument"),
        ("def run(a, *, b): ...", "is called with one argument"),
    ],
)
def test_scripts_that_can_not(text: str, words: str) -> None:
    assert words in script_problem(text)
    assert list(problems(text)) == [("entry_script",)]


def test_what_a_node_runs() -> None:
    given = made(arguments="--model ${{inputs.model}} -- '${{parameters.p}}'", processes=0, resources={"cpus": 2.5})
    argv = given.argv({"p": "--processes=9"}, ())
    assert argv[:5] == [
        "python",
        "-u",
        "${{programs.run_parallel}}",
        "--input=${{inputs.data}}",
        "--output=${{outputs.scores}}",
    ]
    assert "--processes=2" in argv
    assert "--processes=1" in made(resources={"cpus": 0.5}).argv({}, ()), "and not all of the node's"
    at = argv.index("--")
    assert argv[at + 1 :] == ["batches.py", "--model", "${{inputs.model}}", "--", "--processes=9"]


def test_how_many_work_makes_no_other_result_but_tries_do_where_items_may_be_missing() -> None:
    def counted(**more: Any) -> list[str]:
        step = made(**more)
        return step.counted(step.argv({}, ()))

    assert counted(processes=4, max_tries=9, batch_timeout_s=None, logging_level="DEBUG") == counted()
    assert counted(mini_batch_size="11") != counted()
    assert counted(arguments="--processes=4") != counted(arguments="--processes=5")
    assert counted(error_threshold=1, processes=2) == counted(error_threshold=1)
    assert counted(error_threshold=1, max_tries=9) != counted(error_threshold=1)
    assert counted(error_threshold=1, batch_timeout_s=5) != counted(error_threshold=1)


@pytest.mark.parametrize("reads", [True, False])
def test_a_new_one_is_good_once_its_input_is_fed(reads: bool) -> None:
    example = ParallelRunStep.example(reads=reads)
    inputs = [{"name": "input", "binding": {"kind": "dataset", "dataset": "digits"}}]
    assert problems(example.files["batches.py"], inputs=inputs, **example.settings) == {}
    found = problems(inputs=[], input="", output="${{outputs.output}}")
    assert found == {("input",): "Give the step an input: what is split into batches."}
