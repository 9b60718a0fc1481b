"""The variables of a step: frozen at submission, given to its job, a part of what makes its result."""

from typing import Any

import pytest

from pipelines import queries
from pipelines.fingerprints import ingredients_of
from pipelines.models import Run, StepRun
from studio.lib.problems import UserError
from tests.service.pipelines.world import World

PARAMETERS = [
    {"name": "level", "default": "low"},
    {"name": "number", "type": "integer", "default": 0},
    {"name": "is_on", "type": "boolean", "default": False},
    {"name": "note", "optional": True},
]
VARIABLES = {
    "LEVEL": "${{parameters.level}}",
    "NUMBER": "${{parameters.number}}",
    "IS_ON": "${{parameters.is_on}}",
    "NOTE": "${{parameters.note}}",
    "OUT": "${{outputs.out}}/x",
}


def _note(run: Run) -> str:
    return StepRun.objects.get(run=run).reuse_note


def test_they_are_frozen_with_the_values_of_the_run(world: World) -> None:
    pipeline = world.pipeline(world.step("a", environment_variables=VARIABLES), parameters=PARAMETERS)
    run = world.submit(pipeline, parameters={"level": ""})
    lease = world.claim()
    wanted = {"LEVEL": "", "NUMBER": "0", "IS_ON": "false", "OUT": "${{outputs.out}}/x"}
    who = {"STUDIO_RUN_ID": f"{run.pk}:a", "STUDIO_STEP_NAME": "a", "STUDIO_EXPERIMENT": "digits"}
    assert lease.spec.environment_variables == {**wanted, **who}
    step = StepRun.objects.get(run=run)
    assert queries.step_detail(world.workspace, step)["environment_variables"] == wanted


def test_the_one_that_changed_is_named_with_what_it_was(world: World) -> None:
    def run(**parameters: Any) -> Run:
        run = world.submit(pipeline, parameters=parameters)
        world.drain()
        return run

    pipeline = world.pipeline(world.step("a", environment_variables=VARIABLES), parameters=PARAMETERS)
    first = run()
    assert _note(run()) == f"Same code, arguments, inputs and environment as run {first.pk}."
    high = run(level="high")
    assert _note(high) == f"Ran: the environment variable LEVEL changed from “low” to “high” since run {high.pk - 1}."
    empty = run(level="")
    assert _note(empty) == f"Ran: the environment variable LEVEL changed from “high” to “” since run {high.pk}."
    noted = run(level="", note="n" * 3000)
    assert _note(noted) == f"Ran: the environment variable NOTE was not set in run {empty.pk}."
    longer = run(level="", note="n" * 2999 + "m")
    assert _note(longer).startswith("Ran: the environment variable NOTE changed from “nnn")
    assert len(_note(longer)) < 300
    assert _note(run(level="", number=1)) == (
        f"Ran: the environment variable NUMBER changed from “0” to “1” since run {empty.pk}."
    )


def test_one_that_is_no_longer_set(world: World) -> None:
    pipeline = world.pipeline(world.step("a", environment_variables=[{"name": "A", "value": "1"}]))
    first = world.submit(pipeline)
    world.drain()
    world.save(pipeline, world.step("a", environment_variables=[]))
    second = world.submit(pipeline)
    world.drain()
    assert _note(second) == f"Ran: the environment variable A is no longer set, as it was in run {first.pk}."


def test_many_that_changed_cost_one_more_query(world: World, django_assert_max_num_queries: Any) -> None:
    steps = [world.step(f"s{n}", environment_variables={"LEVEL": "${{parameters.level}}"}) for n in range(12)]
    pipeline = world.pipeline(*steps, parameters=PARAMETERS)
    world.submit(pipeline)
    world.drain()
    with django_assert_max_num_queries(45):
        run = world.submit(pipeline, parameters={"level": "high"})
    notes = StepRun.objects.filter(run=run).values_list("reuse_note", flat=True)
    assert all("LEVEL changed from “low” to “high”" in note for note in notes)


def test_a_step_without_any_has_the_fingerprint_that_it_always_had(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    frozen = StepRun.objects.get(run=run).frozen
    assert sorted(ingredients_of(frozen, {}).digests) == ["arguments", "code", "environment", "outputs"]


def test_what_is_wrong_is_told_before_anything_runs(world: World) -> None:
    pipeline = world.pipeline(world.step("a", environment_variables={"PATH": "/x", "B": "${{parameters.gone}}"}))
    with pytest.raises(UserError) as raised:
        world.submit(pipeline)
    assert [problem.loc for problem in raised.value.problems] == [
        ("steps", 0, "environment_variables", 0, "name"),
        ("steps", 0, "environment_variables", 1, "value"),
    ]
    assert not Run.objects.exists()
