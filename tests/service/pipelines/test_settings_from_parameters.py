"""Settings that parameters feed: resolved at submission, frozen as values, refused at the parameter."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from compute.models import ComputeTarget
from compute.services import create_environment
from compute.spec import EnvironmentSpec
from datastores.backends import get_backend
from datastores.services import register_datastore
from pipelines import queries, services
from pipelines.models import PipelineVersion, Run, StepRun
from studio.lib.problems import UserError
from studio.workspaces.models import Role
from studio.workspaces.services import create_workspace
from tests.service.pipelines.test_parallel_runs import split
from tests.service.pipelines.world import World

PARAMETERS = [
    {"name": "target", "default": "local"},
    {"name": "env", "default": "python"},
    {"name": "tries", "type": "integer", "default": 1},
    {"name": "limit", "type": "number", "optional": True},
    {"name": "memory", "type": "integer", "optional": True},
    {"name": "losses", "type": "integer", "default": 2},
]
FED = {
    "compute": "${{parameters.target}}",
    "environment": "${{parameters.env}}",
    "timeout_s": "${{parameters.limit}}",
    "retry": {"max_attempts": "${{parameters.tries}}", "max_node_losses": "${{parameters.losses}}"},
    "limits": {"memory_bytes": "${{parameters.memory}}"},
}


def _problems(world: World, pipeline: Any, **parameters: Any) -> dict[tuple[Any, ...], str]:
    with pytest.raises(UserError) as raised:
        world.submit(pipeline, parameters=parameters)
    assert not Run.objects.exists()
    return {problem.loc: problem.message for problem in raised.value.problems}


def test_the_values_of_a_run_are_its_settings(world: World) -> None:
    create_environment(workspace=world.workspace, name="other", spec=EnvironmentSpec(pip=["six"]), created_by=None)
    pipeline = world.pipeline(world.step("a", **FED), parameters=PARAMETERS)
    values = {"env": "other:1", "tries": 3, "limit": 1.5, "memory": 10**9, "losses": 0}
    run = world.submit(pipeline, parameters=values)
    spec = world.claim().spec
    assert (spec.timeout_s, spec.retry.max_attempts, spec.retry.max_node_losses) == (1.5, 3, 0)
    assert (spec.limits.memory_bytes, spec.environment.pip) == (10**9, ["six"])
    detail = queries.step_detail(world.workspace, StepRun.objects.get(run=run))
    assert (detail["environment_name"], detail["compute"]["name"]) == ("other:1", "local")
    assert (detail["timeout_s"], detail["retry"]["max_attempts"], detail["limits"]["memory_bytes"]) == (1.5, 3, 10**9)
    frozen = StepRun.objects.get(run=run).frozen
    assert "parameters" not in str(frozen.step.model_dump(mode="json"))


def test_without_values_the_defaults_and_the_usual(world: World) -> None:
    pipeline = world.pipeline(world.step("a", **FED), parameters=PARAMETERS)
    run = world.submit(pipeline)
    spec = world.claim().spec
    assert (spec.timeout_s, spec.retry.max_attempts, spec.limits.memory_bytes) == (None, 1, None)
    assert StepRun.objects.get(run=run).frozen.environment_name.startswith("python:")


def test_a_version_keeps_what_was_written(world: World) -> None:
    pipeline = world.pipeline(world.step("a", **FED), parameters=PARAMETERS)
    plain = PipelineVersion.objects.values_list("definition", flat=True).get(pipeline=pipeline)
    (step,) = plain.model_dump(mode="json")["steps"]
    assert step["compute"] == "${{parameters.target}}"
    assert step["retry"]["max_attempts"] == "${{parameters.tries}}"
    (again,) = PipelineVersion.objects.get(pipeline=pipeline).definition.steps
    assert again.references["environment"] == "env"


def test_a_value_that_is_no_such_setting_is_told_at_the_parameter(world: World) -> None:
    steps = [world.step(name, **FED) for name in "abc"]
    pipeline = world.pipeline(*steps, parameters=PARAMETERS)
    problems = _problems(world, pipeline, target="big", env="nothing:9", tries=0, limit=0)
    assert problems == {
        ("parameters", "target"): "As the compute target of “a”: There is no compute target “big”.",
        ("parameters", "env"): "As the environment of “a”: There is no environment “nothing”.",
        ("parameters", "tries"): "As the number of attempts of “a”: Attempts can be 1 (no further one) to 100.",
        ("parameters", "limit"): (
            "As the time limit of “a”: A time limit is a number of seconds above 0. Leave it empty for none."
        ),
    }


def test_a_target_of_another_workspace_can_not_be_named(world: World) -> None:
    theirs = create_workspace(name="Theirs", slug="theirs", owner=world.member("somebody", Role.READER))
    ComputeTarget.objects.create(workspace=theirs, name="secret", kind="local")
    pipeline = world.pipeline(world.step("a", **FED), parameters=PARAMETERS)
    problems = _problems(world, pipeline, target="secret")
    assert problems == {("parameters", "target"): "As the compute target of “a”: There is no compute target “secret”."}


def test_the_same_with_other_settings_is_taken_again(world: World) -> None:
    pipeline = world.pipeline(world.step("a", **FED), parameters=PARAMETERS)
    first = world.submit(pipeline)
    assert world.drain() == ["a"]
    second = world.submit(pipeline, parameters={"tries": 5, "limit": 60})
    assert world.drain() == []
    assert StepRun.objects.get(run=second).reuse_note.startswith(
        f"Same code, arguments, inputs and environment as run {first.pk}"
    )


def test_a_run_has_as_many_parts_as_its_parameter_says(world: World) -> None:
    parameters = [
        {"name": "nodes", "type": "integer", "default": 1},
        {"name": "size", "type": "integer", "default": 10},
        {"name": "processes", "type": "integer", "default": 2},
    ]
    fed = {
        "nodes": "${{parameters.nodes}}",
        "mini_batch_size": "${{parameters.size}}",
        "processes": "${{parameters.processes}}",
    }
    pipeline = world.pipeline(world.step("first"), split(world, **fed), parameters=parameters)
    three = world.submit(pipeline, parameters={"nodes": 3, "size": 25})
    names = ["first", "split", "split.1of3", "split.2of3", "split.3of3"]
    assert list(StepRun.objects.filter(run=three).order_by("position").values_list("name", flat=True)) == names
    for row in StepRun.objects.filter(run=three).exclude(name="first"):
        step = row.frozen.step.model_dump(mode="json")
        assert (step["nodes"], step["mini_batch_size"], step["processes"]) == (3, "25", 2)
    one = world.submit(pipeline)
    assert StepRun.objects.filter(run=one).count() == 2
    problems = _refused(world, pipeline, nodes=0)
    assert problems[("parameters", "nodes")].startswith("As the “Nodes” of “split”: ")


def _refused(world: World, pipeline: Any, **parameters: Any) -> dict[tuple[Any, ...], str]:
    with pytest.raises(UserError) as raised:
        world.submit(pipeline, parameters=parameters)
    return {problem.loc: problem.message for problem in raised.value.problems}


def test_what_a_parameter_says_and_what_is_written_take_each_other_s_results(world: World) -> None:
    step = split(world, nodes=1)
    written = world.pipeline(world.step("first"), step, name="written")
    world.submit(written)
    world.drain()
    trials = {"name": "tries", "type": "integer", "default": 9}
    fed = {**step, "error_threshold": "${{parameters.tries}}"}
    pipeline = world.pipeline(world.step("first"), fed, name="fed", parameters=[trials])
    same = world.submit(pipeline, parameters={"tries": step.get("error_threshold", 0)})
    assert StepRun.objects.get(run=same, name="split").reused_from is not None
    other = world.submit(pipeline, parameters={"tries": 7})
    assert StepRun.objects.get(run=other, name="split").reused_from is None


def test_a_sweep_has_as_many_trials_as_its_parameter_says(world: World) -> None:
    rate = {"name": "rate", "type": "number", "default": 0.5}
    world.pipeline({**world.step("fit"), "arguments": "${{parameters.rate}}"}, name="train", parameters=[rate])
    tune = {
        "kind": "sweep",
        "name": "tune",
        "pipeline": "train",
        "search_space": [{"name": "rate", "value": "uniform(0, 1)"}],
        "primary_metric": "accuracy",
        "max_total_runs": "${{parameters.trials}}",
        "max_concurrent_runs": "${{parameters.trials}}",
    }
    pipeline = world.pipeline(tune, name="outer", parameters=[{"name": "trials", "type": "integer", "default": 2}])
    run = world.submit(pipeline, parameters={"trials": 5})
    services.tend(StepRun.objects.get(run=run).pk)
    assert Run.objects.filter(pipeline__name="train").count() == 5


def test_a_database_is_named_by_a_parameter(world: World) -> None:
    folder = get_backend(world.datastore).local_path("")
    assert folder is not None
    with closing(sqlite3.connect(folder / "shop.db")) as tables:
        tables.execute("CREATE TABLE sales (day TEXT)")
    config = {"path": f"{world.datastore.name}/shop.db"}
    database = register_datastore(world.workspace, kind="sqlite", name="numbers", config=config, actor=world.owner)
    sql = {"kind": "sql", "name": "ask", "datastore": "${{parameters.where}}", "statements": "SELECT 1 AS one"}
    pipeline = world.pipeline(sql, parameters=[{"name": "where"}])
    assert "There is no datastore" in _refused(world, pipeline, where="nothing")["parameters", "where"]
    run = world.submit(pipeline, parameters={"where": database.name})
    assert StepRun.objects.get(run=run).frozen.step.model_dump()["datastore"] == "numbers"
