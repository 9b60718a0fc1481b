"""An earlier result is taken again where everything that made it is the same, and each step says why it was or not."""

import io
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from compute.services import create_environment
from compute.spec import EnvironmentSpec
from datastores import snapshots
from datastores.backends import get_backend
from datastores.models import DataPath
from datastores.services import create_dataset
from pipelines.models import Run, StepRun
from tests.service.pipelines.world import World, assert_no_gap, events


def _notes(run: Run) -> dict[str, str]:
    return dict(StepRun.objects.filter(run=run).values_list("name", "reuse_note"))


def test_a_second_run_of_the_same_takes_everything_again_without_a_job(world: World) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"), world.step("c", "a", "b"))
    first = world.submit(pipeline)
    world.drain()
    second = world.submit(pipeline)
    second.refresh_from_db()
    assert second.status == "completed"
    assert world.drain() == []
    same = f"Same code, arguments, inputs and environment as run {first.pk}."
    assert _notes(second) == {"a": same, "b": same, "c": same}
    step = StepRun.objects.get(run=second, name="b")
    assert step.outputs == StepRun.objects.get(run=first, name="b").outputs
    told = [event for event in events(second) if event["kind"] == "step"]
    assert [event["reused_from"] for event in told] == [first.pk] * 3
    assert_no_gap(second)


def test_what_changed_runs_and_says_what_it_was(world: World) -> None:
    parameters = [{"name": "c", "type": "integer", "default": 1}]
    b = world.step("b", "a") | {"arguments": "${{inputs.from_a}} ${{parameters.c}}"}
    pipeline = world.pipeline(world.step("a"), b, world.step("c", "b"), parameters=parameters)
    first = world.submit(pipeline)
    world.drain()
    second = world.submit(pipeline, parameters={"c": 2})
    lease = world.claim()
    world.complete(lease, content="something else")
    assert world.drain() == ["c"]
    assert _notes(second) == {
        "a": f"Same code, arguments, inputs and environment as run {first.pk}.",
        "b": f"Ran: the arguments changed since run {first.pk}.",
        "c": f"Ran: the data of input “from_b” changed since run {first.pk}.",
    }


def test_a_step_that_ran_again_to_the_same_result_stops_the_change_there(world: World) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"))
    world.submit(pipeline)
    world.drain()
    source = snapshots.edit(world.workspace, world.source, put={"note.txt": "a comment"})
    world.save(pipeline, world.step("a") | {"source": source.digest}, world.step("b", "a"))
    run = world.submit(pipeline)
    assert world.drain() == ["a"]
    run.refresh_from_db()
    assert run.status == "completed"
    assert "the code changed" in _notes(run)["a"]


def test_reuse_can_be_switched_off(world: World) -> None:
    pipeline = world.pipeline(world.step("a", allow_reuse=False), world.step("b", "a"))
    world.submit(pipeline)
    world.drain()
    run = world.submit(pipeline)
    assert world.drain() == ["a"]
    assert _notes(run)["a"] == "Ran: reuse is switched off for this step."


def test_an_output_that_is_required_from_now_on_is_made_again_once(world: World) -> None:
    """What was reused could be empty."""
    pipeline = world.pipeline(world.step("a"))
    first = world.submit(pipeline)
    world.drain()
    world.save(pipeline, world.step("a", outputs=[{"name": "out", "required": True}]))
    run = world.submit(pipeline)
    lease = world.claim()
    assert lease.spec.outputs["out"].required
    world.complete(lease)
    assert _notes(run)["a"] == f"Ran: the list of outputs or where they go changed since run {first.pk}."
    world.submit(pipeline)
    assert world.drain() == []


def test_outputs_that_are_gone_are_made_again(world: World) -> None:
    pipeline = world.pipeline(world.step("a"))
    first = world.submit(pipeline)
    world.drain()
    get_backend(world.datastore).delete(f"runs/{first.pk}")
    run = world.submit(pipeline)
    assert world.drain() == ["a"]
    assert "no longer there" in _notes(run)["a"]


def test_a_failed_result_is_not_taken_again(world: World) -> None:
    pipeline = world.pipeline(world.step("a"))
    first = world.submit(pipeline)
    world.fail(world.claim())
    run = world.submit(pipeline)
    assert world.drain() == ["a"]
    assert _notes(run)["a"] == f"Ran: run {first.pk} did the same, but this step did not complete there."


def test_data_that_changed_is_read_again(world: World) -> None:
    backend = get_backend(world.datastore)
    backend.write("data/a.csv", io.BytesIO(b"1"))
    path = DataPath(datastore_id=world.datastore.pk, path="data")
    create_dataset(world.workspace, name="numbers", paths=[path], actor=world.owner)
    step = world.step("a", inputs=[{"name": "x", "binding": {"kind": "dataset", "dataset": "numbers"}}])
    pipeline = world.pipeline(step)
    world.submit(pipeline)
    assert world.drain() == ["a"]
    world.submit(pipeline)
    assert world.drain() == []
    backend.write("data/b.csv", io.BytesIO(b"2"))
    run = world.submit(pipeline)
    assert world.drain() == ["a"]
    assert "the data of input “x” changed" in _notes(run)["a"]


def test_another_workspaces_results_are_not_taken(world: World) -> None:
    theirs = World.make("theirs")
    assert theirs.source == world.source, "equal folders have one digest, in each workspace its own"
    world.submit(world.pipeline(world.step("a")))
    world.drain()
    theirs.submit(theirs.pipeline(theirs.step("a")))
    assert theirs.drain() == ["a"]


def test_a_long_chain_of_reused_steps_and_a_diamond_count_down_rightly(world: World) -> None:
    pipeline = world.pipeline(
        world.step("a"),
        world.step("b", "a"),
        world.step("c", "a"),
        world.step("d", "b", "c"),
        world.step("e", "a", "d"),
    )
    world.submit(pipeline)
    world.drain()
    run = world.submit(pipeline)
    run.refresh_from_db()
    assert (run.status, run.steps_done) == ("completed", 5)
    assert not StepRun.objects.filter(run=run).exclude(waiting_for=0).exists()


def test_a_python_that_somebody_else_looks_after_may_have_changed(world: World) -> None:
    spec = EnvironmentSpec(interpreter="/usr/bin/python3")
    create_environment(workspace=world.workspace, name="cluster", spec=spec, created_by=None)
    pipeline = world.pipeline(world.step("a", environment="cluster"), world.step("b", "a"))
    world.submit(pipeline)
    world.drain()
    run = world.submit(pipeline)
    assert world.drain() == ["a"]
    assert _notes(run)["a"] == "Ran: nobody can tell whether cluster:1, a Python of the node, is the same."
    assert "Same code" in _notes(run)["b"]


def _chain(world: World, count: int) -> list[dict[str, Any]]:
    return [world.step(f"s{i}", *([f"s{i - 1}"] if i else [])) for i in range(count)]


def _statements_of_a_reused_chain(world: World, count: int) -> int:
    pipeline = world.pipeline(*_chain(world, count), name=f"chain of {count}")
    world.submit(pipeline)
    world.drain()
    with CaptureQueriesContext(connection) as captured:
        run = world.submit(pipeline)
    run.refresh_from_db()
    assert run.status == "completed"
    # Where many rows are written alike, it is one call of the driver.
    return len(captured)


def test_a_longer_chain_of_reused_steps_takes_no_more_statements(world: World) -> None:
    assert _statements_of_a_reused_chain(world, 30) == _statements_of_a_reused_chain(world, 10)


def test_what_waits_for_more_than_the_reused_steps_is_counted_down_in_the_database(world: World) -> None:
    steps = [world.step("a"), world.step("b", "a"), world.step("late", allow_reuse=False)]
    pipeline = world.pipeline(*steps, world.step("all", "a", "b", "late"), world.step("end", "all"))
    world.submit(pipeline)
    world.drain()
    run = world.submit(pipeline)
    waiting = dict(StepRun.objects.filter(run=run).values_list("name", "waiting_for"))
    assert waiting == {"a": 0, "b": 0, "late": 0, "all": 1, "end": 1}
    assert world.drain() == ["late"]
    assert world.statuses(run) == dict.fromkeys(waiting, "completed")
    assert_no_gap(run)


def test_results_of_several_runs_make_one_chain(world: World) -> None:
    """One step in the middle was changed, and with it the next one ran anew."""
    steps = _chain(world, 6)
    pipeline = world.pipeline(*steps)
    first = world.submit(pipeline)
    world.drain()
    steps[3] = steps[3] | {"arguments": "${{inputs.from_s2}} --changed"}
    world.save(pipeline, *steps)
    second = world.submit(pipeline)
    world.complete(world.claim(), content="changed")
    assert world.drain() == ["s4"], "it comes to what it came to before"
    third = world.submit(pipeline)
    assert world.statuses(third) == {f"s{i}": "completed" for i in range(6)}
    sources = StepRun.objects.filter(run=third).values_list("reused_from__run_id", flat=True)
    assert list(sources) == [*[first.pk] * 3, *[second.pk] * 2, first.pk]


def test_an_output_that_an_earlier_run_did_not_leave_fails_the_next_step(world: World) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"), world.step("c", "b"))
    first = world.submit(pipeline)
    world.drain()
    StepRun.objects.filter(run=first, name="a").update(outputs={"schema_version": 1, "outputs": {}})
    run = world.submit(pipeline)
    run.refresh_from_db()
    assert run.status == "failed"
    assert world.statuses(run) == {"a": "completed", "b": "failed", "c": "skipped"}
    assert "left no output “out”" in StepRun.objects.get(run=run, name="b").reason
    assert_no_gap(run)


def test_a_reused_step_says_so_as_azureml_does(world: World, client: Client) -> None:
    pipeline = world.pipeline(world.step("a"))
    first = world.submit(pipeline)
    world.drain()
    second = world.submit(pipeline)
    client.force_login(world.owner)
    for run, said in ((first, {}), (second, {"azureml.isreused": ("true", "the studio")})):
        path = f"/api/workspaces/ours/runs/{run.pk}/steps/a/"
        for told in (client.get(path).json()["tags"], client.get(f"{path}tags/").json()):
            found = {name: (row["value"], row["by"]) for name, row in told["properties"].items()}
            assert found == said
