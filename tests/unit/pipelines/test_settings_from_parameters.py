"""Settings of steps that parameters feed: how they are written, what they become, and where what is wrong is told."""

from typing import Any

import pytest

from compute.resources import Capacity
from pipelines.definition import PipelineDefinition
from pipelines.kinds import KINDS
from pipelines.references import SETTINGS
from pipelines.settling import settled, usual_values
from pipelines.validation import Catalogue, parse_definition, problems_of, warnings_of

CATALOGUE = Catalogue(
    environments={"python": frozenset({1}), "sklearn": frozenset({1, 2})},
    computes=frozenset({"local", "small"}),
    nodes={"small": [Capacity(2, 4 * 10**9, 0)]},
)
PARAMETERS = [
    {"name": "target", "default": "local"},
    {"name": "env", "type": "enum", "choices": ["sklearn", "sklearn:1", "gone"], "default": "sklearn"},
    {"name": "tries", "type": "integer", "default": 2},
    {"name": "limit", "type": "number", "optional": True},
    {"name": "memory", "type": "integer"},
    {"name": "is_on", "type": "boolean", "default": False},
]
FED = {
    "compute": "${{parameters.target}}",
    "environment": "${{ parameters.env }}",
    "timeout_s": "${{parameters.limit}}",
    "retry": {"max_attempts": "${{parameters.tries}}", "backoff_s": 1.5},
    "resources": {"memory_bytes": "${{parameters.memory}}", "cpus": 1},
}


def definition(*parameters: dict[str, Any], **settings: Any) -> PipelineDefinition:
    step = {"kind": "command", "name": "x", "command": "true", **settings}
    return parse_definition({"steps": [step], "parameters": [*PARAMETERS, *parameters]})


def found(*parameters: dict[str, Any], values: dict[str, Any] | None = None, **settings: Any) -> dict[Any, str]:
    problems = problems_of(definition(*parameters, **settings), CATALOGUE, values)
    return {problem.loc[2:] if problem.loc[0] == "steps" else problem.loc: problem.message for problem in problems}


def test_they_are_kept_as_they_are_written() -> None:
    (step,) = definition(**FED).steps
    data = step.model_dump(mode="json")
    assert data["environment"] == "${{parameters.env}}"
    assert data["compute"] == "${{parameters.target}}"
    assert data["timeout_s"] == "${{parameters.limit}}"
    assert (data["retry"]["max_attempts"], data["retry"]["backoff_s"]) == ("${{parameters.tries}}", 1.5)
    assert (data["resources"]["memory_bytes"], data["resources"]["cpus"]) == ("${{parameters.memory}}", 1)
    assert parse_definition({"steps": [data], "parameters": PARAMETERS}).steps == [step]
    assert step != definition().steps[0]
    assert step.settings() == {"command": "true", "hash_paths": []}  # of its own fields alone


def test_what_was_stored_before_is_read_as_it_was() -> None:
    data = {"kind": "command", "name": "x", "command": "true", "compute": "small", "resources": {"gpus": 1}}
    (step,) = parse_definition({"steps": [data]}).steps
    assert (step.compute, step.resources.gpus, step.references) == ("small", 1, {})


def test_values_take_their_places() -> None:
    values = {"target": "small", "env": "sklearn:1", "tries": 0, "limit": 2.5, "memory": 10**9}
    made = settled(definition(**FED), values)
    (step,) = made.definition.steps
    assert (step.compute, step.environment, step.timeout_s) == ("small", "sklearn:1", 2.5)
    assert (step.retry.max_attempts, step.retry.backoff_s) == (0, 1.5)
    assert (step.resources.memory_bytes, step.resources.cpus) == (10**9, 1)
    assert not step.references
    assert step.model_dump()["compute"] == "small"
    assert (made.problems, made.untold) == ([], frozenset())
    assert definition(**FED).steps[0].references  # the one that it was made from


def test_every_setting_takes_values_of_the_types_that_it_names() -> None:
    samples = {"string": "1", "enum": "1", "integer": 1, "number": 1.5}
    for path, setting in SETTINGS.items():
        for kind in setting.types:
            group, _, name = path.rpartition(".")
            text = "${{parameters.p}}"
            made = definition(
                {"name": "p", "type": kind, "choices": ["1"] if kind == "enum" else []},
                **({group: {name: text}} if group else {name: text}),
            )
            (step,) = settled(made, {"p": samples[kind]}).definition.steps
            plain = step.model_dump(mode="json")
            assert (plain[group] if group else plain)[name] == samples[kind]
            KINDS["command"].model_validate(plain)  # what a run freezes can be read again


def test_a_definition_is_looked_at_with_its_defaults() -> None:
    assert found(**FED) == {}
    assert found(compute="${{parameters.target}}", environment="sklearn", resources={"gpus": 1}) == {}
    assert found({"name": "t", "default": "smal"}, compute="${{parameters.t}}") == {
        ("compute",): "There is no compute target “smal”. Did you mean “small”?"
    }
    assert ("retry", "max_attempts") in found(
        {"name": "p", "type": "integer", "default": 0}, retry={"max_attempts": "${{parameters.p}}"}
    )
    large = {"name": "p", "type": "integer", "default": 64}
    assert ("resources", "cpus") in found(large, compute="small", resources={"cpus": "${{parameters.p}}"})


def test_a_parameter_that_must_be_given_is_not_judged_before() -> None:
    must = {"name": "p", "type": "string"}
    assert found(must, compute="${{parameters.p}}", resources={"cpus": 500}) == {}
    assert found(must, environment="${{parameters.p}}") == {}
    assert not warnings_of(definition(must, compute="${{parameters.p}}", resources={"cpus": 2}), CATALOGUE)


@pytest.mark.parametrize(
    ("settings", "where", "words"),
    [
        ({"compute": "${{parameters.targe}}"}, ("compute",), "has no parameter “targe”. Did you mean “target”"),
        ({"compute": "${{parameters.tries}}"}, ("compute",), "has the type integer, and this wants a text or a choice"),
        ({"timeout_s": "${{parameters.target}}"}, ("timeout_s",), "has the type string, and this wants a number"),
        (
            {"resources": {"gpus": "${{parameters.limit}}"}},
            ("resources", "gpus"),
            "has the type number, and this wants a whole number",
        ),
        (
            {"retry": {"max_attempts": "${{parameters.is_on}}"}},
            ("retry", "max_attempts"),
            "has the type boolean, and this wants a whole number",
        ),
        ({"compute": "${{inputs.x}}"}, ("compute",), "There is no compute target “${{inputs.x}}”"),
        ({"compute": "a${{parameters.target}}"}, ("compute",), "There is no compute target"),
    ],
)
def test_what_feeds_nothing_is_told_at_the_setting(settings: Any, where: Any, words: str) -> None:
    for values in (None, {"target": "local", "tries": 1}):  # with the values of a run, too
        problems = found(values=values, **settings)
        assert list(problems) == [where]
        assert words in problems[where]


@pytest.mark.parametrize(
    ("values", "where", "message"),
    [
        (
            {"target": "big", "env": "sklearn", "tries": 1, "memory": 10**9},
            "target",
            "As the compute target of “x”: There is no compute target “big”.",
        ),
        (
            {"target": "local", "env": "gone", "tries": 1, "memory": 10**9},
            "env",
            "As the environment of “x”: There is no environment “gone”.",
        ),
        (
            {"target": "local", "env": "sklearn", "tries": 0, "memory": 10**9},
            "tries",
            "As the number of attempts of “x”: Attempts can be 1 (no further one) to 100.",
        ),
        (
            {"target": "local", "env": "sklearn", "tries": 1, "memory": 10**9, "limit": 0},
            "limit",
            "As the time limit of “x”: A time limit is a number of seconds above 0. Leave it empty for none.",
        ),
    ],
)
def test_a_value_of_a_run_that_is_no_such_setting_is_told_at_the_parameter(
    values: Any, where: str, message: str
) -> None:
    assert found(values=values, **FED) == {("parameters", where): message}


def test_what_no_node_has_is_told_at_the_parameter() -> None:
    values = {"target": "small", "env": "sklearn", "tries": 1, "memory": 10**12}
    problems = found(values=values, **FED)
    assert list(problems) == [("parameters", "memory")]
    assert "largest node of “small” has" in problems["parameters", "memory"]


def test_a_default_that_is_good_for_nothing_hinders_no_run_with_another_value() -> None:
    parameter = {"name": "t", "default": "gone"}
    assert found(parameter, compute="${{parameters.t}}", values={"t": "local"}) == {}


def test_a_default_of_another_type_is_told_where_it_stands_alone() -> None:
    parameter = {"name": "p", "type": "integer", "default": "many"}
    assert list(found(parameter, retry={"max_attempts": "${{parameters.p}}"})) == [("parameters", 6, "default")]
    assert "p" not in usual_values(definition(parameter))


OWN = [
    (name, path, setting)
    for name, kind in KINDS.items()
    for path, setting in kind.feedable().items()
    if path not in SETTINGS
]


def test_kinds_name_their_own() -> None:
    assert {(name, path) for name, path, _setting in OWN} >= {
        ("map", "at_once"),
        ("notebook", "cell_timeout_s"),
        ("parallel_run", "mini_batch_size"),
        ("parallel_run", "nodes"),
        ("sql", "datastore"),
        ("sweep", "max_total_runs"),
        ("transfer", "datastore"),
    }
    assert set(KINDS["command"].feedable()) == set(SETTINGS)


@pytest.mark.parametrize(("name", "path", "setting"), OWN)
def test_what_is_a_kind_s_own_takes_values_too(name: str, path: str, setting: Any) -> None:
    samples: dict[str, Any] = {"string": "7", "enum": "7", "integer": 7, "number": 7.5}
    for kind in setting.types:
        parameter = {"name": "p", "type": kind, "choices": ["7"] if kind == "enum" else []}
        step = {"kind": name, "name": "x", path: "${{ parameters.p }}"}
        made = parse_definition({"steps": [step], "parameters": [parameter]})
        written = made.steps[0].model_dump(mode="json")
        assert written[path] == "${{parameters.p}}"
        assert parse_definition({"steps": [written], "parameters": [parameter]}) == made
        (given,) = settled(made, {"p": samples[kind]}).definition.steps
        plain = given.model_dump(mode="json")
        assert plain[path] == ("7" if name == "parallel_run" and path == "mini_batch_size" else samples[kind])
        KINDS[name].model_validate(plain)
    wrong = "boolean"
    made = parse_definition({"steps": [step], "parameters": [{"name": "p", "type": wrong}]})
    (problem,) = settled(made, {}).problems
    assert problem.loc == ("steps", 0, path)
    assert f"this wants {setting.wants}" in problem.message


def test_a_value_that_a_kind_does_not_take_is_told_at_its_parameter() -> None:
    step = {
        "kind": "sweep",
        "name": "tune",
        "pipeline": "fit",
        "search_space": [{"name": "rate", "value": "uniform(0, 1)"}],
        "primary_metric": "loss",
        "max_total_runs": "${{parameters.trials}}",
    }
    trials = {"name": "trials", "type": "integer", "default": 5}
    made = parse_definition({"steps": [step], "parameters": [trials]})

    def told(values: dict[str, Any] | None) -> dict[Any, str]:
        return {problem.loc: problem.message for problem in problems_of(made, CATALOGUE, values)}

    assert ("steps", 0, "max_total_runs") not in told(None)
    assert ("parameters", "trials") not in told({"trials": 1000})
    assert (
        told({"trials": 1001})["parameters", "trials"]
        == "As the “Trials” of “tune”: Give a whole number from 1 to 1,000."
    )
