"""Settings that parameters feed: resolved at submission, frozen as values, refused at the parameter."""

from typing import Any

import pytest

from compute.models import ComputeTarget
from compute.services import create_environment
from compute.spec import EnvironmentSpec
from pipelines import queries
from pipelines.models import PipelineVersion, Run, StepRun
from studio.lib.problems import UserError
from studio.workspaces.models import Role
from studio.workspaces.services import create_workspace
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
