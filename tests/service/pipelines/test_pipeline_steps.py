"""A pipeline as a step of another one: what it gets and gives, and how the two follow each other."""

from typing import Any

import pytest

from compute.models import Quota
from compute.services.leases import Outcome, claim
from compute.states import JobStatus
from pipelines import services
from pipelines.approval_queries import runs_waiting_for
from pipelines.list_queries import APPROVAL, RunFilters, runs_page
from pipelines.models import Pipeline, Run, StepRun
from pipelines.queries import runs_of
from studio.lib.problems import UserError
from studio.workspaces.access import Access
from studio.workspaces.models import Membership, Role
from tests.service.pipelines.world import World, assert_no_gap, events

DATA = {"name": "data", "type": "data_path"}
RATE = {"name": "rate", "type": "number", "default": 0.5}


def inner(world: World, *, name: str = "train", fails: bool = False) -> Pipeline:
    """It reads `data` and has the value `rate`."""
    first = {
        **world.step("fit"),
        "inputs": [{"name": "data", "binding": {"kind": "parameter", "parameter": "data"}}],
        "arguments": "${{inputs.data}} --rate ${{parameters.rate}}",
    }
    return world.pipeline(first, world.step("score", "fit"), name=name, parameters=[DATA, RATE])


def nested(name: str = "nest", pipeline: str = "train", **more: Any) -> dict[str, Any]:
    return {
        "kind": "pipeline",
        "name": name,
        "pipeline": pipeline,
        "inputs": [{"name": "data", "binding": {"kind": "output", "step": "load", "output": "out"}}],
        "outputs": [{"name": "model", "taken_from": "fit.out"}],
        **more,
    }


def outer(world: World, *steps: dict[str, Any], **more: Any) -> Pipeline:
    after = world.step("after")
    after["inputs"] = [{"name": "model", "binding": {"kind": "output", "step": "nest", "output": "model"}}]
    after["arguments"] = "${{inputs.model}}"
    return world.pipeline(world.step("load"), *(steps or (nested(),)), after, name="outer", **more)


def step_of(run: Run, name: str) -> StepRun:
    return StepRun.objects.get(run=run, name=name)


def tend(run: Run, name: str = "nest") -> None:
    services.tend(step_of(run, name).pk)


def child_of(run: Run, name: str = "nest") -> Run:
    return Run.objects.get(parent_step=step_of(run, name))


def begun(world: World, pipeline: Pipeline | None = None, **more: Any) -> Run:
    """A run whose nested one is submitted."""
    run = world.submit(pipeline or outer(world), **more)
    world.complete(world.claim())
    tend(run)
    return run


@pytest.fixture
def train(world: World) -> Pipeline:
    return inner(world)


@pytest.mark.usefixtures("train")
class TestWhatItDoes:
    def test_it_gets_data_and_values_and_gives_what_a_step_in_it_wrote(self, world: World) -> None:
        run = begun(world, outer(world, nested(parameters=[{"name": "rate", "value": "0.25"}])))
        child = child_of(run)
        loaded = step_of(run, "load").outputs.outputs["out"]
        assert child.parameters.values == {"data": f"{world.datastore.name}/{loaded.path}", "rate": 0.25}
        assert (child.submitted_by, child.experiment, child.priority) == (world.owner, run.experiment, 0)
        assert world.statuses(run) == {"load": "completed", "nest": "running", "after": "waiting"}
        assert world.drain() == ["fit", "score"]
        tend(run)
        nest = step_of(run, "nest")
        assert nest.outputs.outputs["model"] == step_of(child, "fit").outputs.outputs["out"]
        assert world.drain() == ["after"]
        run.refresh_from_db()
        assert run.status == "completed"
        assert_no_gap(run)
        assert_no_gap(child)

    def test_what_is_done_twice_is_done_once(self, world: World) -> None:
        run = begun(world)
        tend(run)
        tend(run)
        assert Run.objects.filter(parent_step__run=run).count() == 1
        world.drain()
        tend(run)
        before = len(events(run))
        tend(run)
        assert len(events(run)) == before

    def test_its_steps_are_reused_whatever_the_run_that_fed_it_is_called(self, world: World) -> None:
        pipeline = outer(world)
        run = begun(world, pipeline)
        world.drain()
        tend(run)
        world.drain()
        again = world.submit(pipeline)
        tend(again)
        child = child_of(again)
        assert child.parameters.values == child_of(run).parameters.values, "what was reused lies where it lay"
        assert list(StepRun.objects.filter(run=child, reused_from=None)) == []
        tend(again)
        again.refresh_from_db()
        assert again.status == "completed"
        # Where the first step runs anew and writes the same elsewhere, too.
        services.end_reuse(world.access, run, "load")
        anew = world.submit(pipeline)
        world.complete(world.claim())
        tend(anew)
        assert child_of(anew).parameters.values != child.parameters.values
        assert list(StepRun.objects.filter(run=child_of(anew), reused_from=None)) == []
        # But not where it is asked to run anew.
        tend(rerun := services.rerun_from(world.access, again, "nest"))
        assert world.statuses(child_of(rerun)) == {"fit": "queued", "score": "waiting"}

    def test_without_an_input_from_a_branch_that_was_not_taken(self, world: World) -> None:
        check = {"kind": "condition", "name": "check", "expression": "1 > 2"}
        load = world.step("load", only_if={"step": "check", "answer": True})
        given = {"name": "data", "binding": {"kind": "output", "step": "load", "output": "out"}, "optional": True}
        world.pipeline(world.step("alone"), name="tail", parameters=[{**DATA, "optional": True}])
        step = nested(pipeline="tail", inputs=[given], outputs=[], run_after=["check"])
        run = world.submit(world.pipeline(check, load, step, name="branching"))
        tend(run)
        assert child_of(run).parameters.values == {}
        assert world.drain() == ["alone"]
        tend(run)
        assert world.statuses(run) == {"check": "completed", "load": "not_taken", "nest": "completed"}

    def test_whoever_is_asked_by_an_inner_run_finds_it(self, world: World) -> None:
        asks = {"kind": "approval", "name": "ask", "message": "Shall it?"}
        world.pipeline(asks, name="asking")
        run = world.submit(world.pipeline({"kind": "pipeline", "name": "nest", "pipeline": "asking"}, name="outer"))
        tend(run)
        waiting = runs_waiting_for(world.access)
        assert waiting == [child_of(run).pk]
        found = runs_page(world.workspace, RunFilters(status=APPROVAL), waiting=waiting)
        assert [row.run.pk for row in found.rows] == waiting

    def test_lists_show_the_runs_that_somebody_submitted(self, world: World) -> None:
        run = begun(world)
        assert [row.run.pk for row in runs_page(world.workspace, RunFilters()).rows] == [run.pk]
        assert [each.pk for each in runs_of(world.workspace)] == [run.pk]

    def test_the_sweep_makes_good_every_message_that_was_lost(self, world: World) -> None:
        run = world.submit(outer(world))
        world.complete(world.claim())
        assert services.tend_all() == 1
        world.drain()
        assert services.tend_all() == 1
        world.drain()
        run.refresh_from_db()
        assert run.status == "completed"
        assert services.tend_all() == 0

    def test_nested_in_what_is_nested(self, world: World) -> None:
        middle = nested(outputs=[{"name": "model", "taken_from": "fit.out"}])
        middle["inputs"] = [{"name": "data", "binding": {"kind": "parameter", "parameter": "data"}}]
        world.pipeline(middle, name="middle", parameters=[DATA])
        run = begun(world, outer(world, nested(pipeline="middle", outputs=[{"name": "model"}])))
        child = child_of(run)
        tend(child)
        world.drain()
        tend(child)
        tend(run)
        assert world.statuses(run)["nest"] == "completed"
        grandchild = child_of(child)
        assert step_of(run, "nest").outputs.outputs["model"] == step_of(grandchild, "fit").outputs.outputs["out"]


@pytest.mark.usefixtures("train")
class TestWaysToEnd:
    def test_a_failure_says_which_run_and_why_and_continuing_continues_it(self, world: World) -> None:
        run = begun(world)
        world.complete(world.claim())
        world.fail(world.claim())
        tend(run)
        child = child_of(run)
        assert step_of(run, "nest").reason == (
            f"Run {child.pk} failed: “score” failed: The script ended with exit code 1."
        )
        run.refresh_from_db()
        assert (run.status, world.statuses(run)["after"]) == ("failed", "skipped")
        services.continue_run(world.access, run)
        tend(run)
        assert child_of(run).pk == child.pk, "no other run is made"
        assert world.statuses(child) == {"fit": "completed", "score": "queued"}
        assert world.drain() == ["score"]
        tend(run)
        assert world.drain() == ["after"]
        run.refresh_from_db()
        assert run.status == "completed"
        assert_no_gap(run)
        assert_no_gap(child)

    def test_what_somebody_mended_in_the_inner_run_is_taken(self, world: World) -> None:
        run = begun(world)
        world.fail(world.claim())
        tend(run)
        child = child_of(run)
        services.continue_run(world.access, child)
        services.tend_all()
        tend(run)
        child.refresh_from_db()
        assert child.cancel_requested_at is None, "the step that had it made is over, and lets it go its way"
        world.drain()
        services.continue_run(world.access, run)
        tend(run)
        assert world.drain() == ["after"]

    def test_cancelling_the_outer_run_ends_when_the_inner_one_has(self, world: World) -> None:
        run = begun(world)
        lease = world.claim()
        services.cancel_run(world.access, run)
        tend(run)
        assert world.statuses(run)["nest"] == "running"
        child = child_of(run)
        assert child.cancel_requested_at is not None
        world.end(lease, Outcome(JobStatus.CANCELLED, reason="Cancelled."))
        tend(run)
        run.refresh_from_db()
        child.refresh_from_db()
        assert (run.status, child.status, world.statuses(run)["nest"]) == ("cancelled", "cancelled", "cancelled")

    def test_cancelling_the_step_leaves_the_rest_of_its_run(self, world: World) -> None:
        run = begun(world, outer(world, nested(), world.step("beside", run_after=["load"])))
        services.cancel_step(world.access, run, "nest")
        tend(run)
        tend(run)
        assert world.statuses(run) == {
            "load": "completed",
            "nest": "cancelled",
            "beside": "queued",
            "after": "skipped",
        }
        assert child_of(run).status == "cancelled"

    def test_somebody_cancels_the_inner_run(self, world: World) -> None:
        run = begun(world)
        services.cancel_run(world.access, child_of(run))
        tend(run)
        assert step_of(run, "nest").reason == f"Run {child_of(run).pk} was cancelled."

    def test_both_pause_and_go_on_together(self, world: World) -> None:
        run = begun(world)
        services.pause_run(world.access, run)
        tend(run)
        assert child_of(run).paused_at is not None
        assert claim(world.node) is None
        services.resume_run(world.access, run)
        tend(run)
        assert child_of(run).paused_at is None
        assert world.drain() == ["fit", "score"]

    def test_one_that_somebody_paused_by_itself_stays_so(self, world: World) -> None:
        run = begun(world)
        services.pause_run(world.access, child_of(run))
        tend(run)
        services.pause_run(world.access, run)
        tend(run)
        services.resume_run(world.access, run)
        tend(run)
        assert child_of(run).paused_at is not None
        assert claim(world.node) is None
        services.resume_run(world.access, child_of(run))
        assert world.drain() == ["fit", "score"]

    def test_a_run_that_is_paused_before_makes_none(self, world: World) -> None:
        run = world.submit(outer(world))
        world.complete(world.claim())
        services.pause_run(world.access, run)
        tend(run)
        assert not Run.objects.filter(parent_step__run=run).exists()

    def test_a_member_who_left_has_no_runs_made(self, world: World) -> None:
        gone = world.member("gone", Role.CONTRIBUTOR)
        run = services.submit_run(Access(gone, world.workspace, Role.CONTRIBUTOR), outer(world))
        Membership.objects.filter(user=gone).delete()
        world.complete(world.claim())
        tend(run)
        assert step_of(run, "nest").reason == (
            "gone, in whose name it submits runs, may not do so in this workspace any more."
        )

    def test_a_pipeline_that_was_deleted_meanwhile(self, world: World, train: Pipeline) -> None:
        run = world.submit(outer(world))
        services.delete_pipeline(world.access, train)
        world.complete(world.claim())
        tend(run)
        assert "the pipeline “train” was deleted" in step_of(run, "nest").reason

    def test_a_quota_lets_what_is_continued_wait(self, world: World) -> None:
        run = begun(world)
        world.fail(world.claim())
        tend(run)
        services.continue_run(world.access, run)
        quota = Quota.objects.create(workspace=world.workspace, scope="workspace", queued_steps=1)
        tend(run)
        assert step_of(run, "nest").reason.startswith("Waits, for no further run is allowed now: ")
        quota.delete()
        tend(run)
        assert world.drain() == ["fit", "score"]

    def test_a_quota_lets_it_wait(self, world: World) -> None:
        run = world.submit(outer(world))
        world.complete(world.claim())
        quota = Quota.objects.create(workspace=world.workspace, scope="workspace", queued_steps=1)
        tend(run)
        assert step_of(run, "nest").status == "running"
        assert step_of(run, "nest").reason.startswith("Waits, for no further run is allowed now: ")
        quota.delete()
        tend(run)
        assert world.drain() == ["fit", "score"]


def problems(world: World, *steps: dict[str, Any], **more: Any) -> dict[tuple[Any, ...], str]:
    with pytest.raises(UserError) as refused:
        world.submit(world.pipeline(*steps, name="wrong", **more))
    return {problem.loc: problem.message for problem in refused.value.problems}


@pytest.mark.usefixtures("train")
class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("change", "loc", "sentence"),
        [
            ({"pipeline": ""}, ("pipeline",), "Choose the pipeline to run."),
            ({"pipeline": "trian"}, ("pipeline",), "There is no pipeline “trian”. Did you mean “train”?"),
            ({"pipeline_version": 7}, ("pipeline_version",), "“train” has no version 7."),
            ({"parameters": [{"name": "rote"}]}, ("parameters", 0, "name"), "“train” has no parameter “rote”."),
            ({"parameters": [{"name": "rate", "value": "x"}]}, ("parameters", 0, "value"), "This must be a number"),
            ({"inputs": []}, ("parameters",), "“train” wants “data”, which has no default. Add an input of that name."),
            ({"outputs": [{"name": "x"}]}, ("outputs", 0, "name"), "No step of “train” has an output “x”."),
            ({"outputs": [{"name": "out"}]}, ("outputs", 0, "taken_from"), "Several steps of “train” have an output"),
            (
                {"outputs": [{"name": "out", "taken_from": "fit.x"}]},
                ("outputs", 0, "taken_from"),
                "“train” has no “fit.x”: write STEP.OUTPUT.",
            ),
            (
                {"outputs": [{"name": "model", "taken_from": "fit.out", "path": "a"}]},
                ("outputs", 0, "name"),
                "Leave only its name here.",
            ),
            ({"timeout_s": 5}, ("timeout_s",), "The steps of the pipeline that it runs have settings of this kind."),
            (
                {"parameters": [{"name": "rate", "value": "${{inputs.data}}"}]},
                ("parameters", 0, "value"),
                "Data goes to the pipeline by an input",
            ),
        ],
    )
    def test_at_its_field(self, world: World, change: dict[str, Any], loc: tuple[Any, ...], sentence: str) -> None:
        found = problems(world, world.step("load"), {**nested(), **change})
        assert sentence in found["steps", 1, *loc]

    def test_an_input_that_feeds_no_parameter_of_data(self, world: World) -> None:
        step = nested()
        step["inputs"] = [{"name": "rate", "binding": {"kind": "output", "step": "load", "output": "out"}}]
        assert "It has these: “data”." in problems(world, world.step("load"), step)["steps", 1, "inputs", 0, "name"]

    def test_one_that_runs_itself(self, world: World) -> None:
        pipeline = world.pipeline(world.step("a"), name="round")
        world.save(pipeline, {"kind": "pipeline", "name": "again", "pipeline": "round"})
        with pytest.raises(UserError, match="This pipeline would run itself: “round” → “round”"):
            world.submit(pipeline)

    def test_one_that_runs_itself_by_another(self, world: World) -> None:
        there = world.pipeline(world.step("a"), name="there")
        world.pipeline({"kind": "pipeline", "name": "x", "pipeline": "there"}, name="back")
        world.save(there, {"kind": "pipeline", "name": "y", "pipeline": "back"})
        with pytest.raises(UserError, match="“there” → “back” → “there”"):
            world.submit(there)
        # An earlier version of itself, which does not, is no circle.
        world.save(there, {"kind": "pipeline", "name": "y", "pipeline": "there", "pipeline_version": 1})
        assert world.submit(there).pk

    def test_one_nested_too_deep(self, world: World) -> None:
        world.pipeline(world.step("a"), name="level 0")
        for level in range(1, 12):
            step = {"kind": "pipeline", "name": "x", "pipeline": f"level {level - 1}"}
            pipeline = world.pipeline(step, name=f"level {level}")
        with pytest.raises(UserError, match="more than 10 deep"):
            world.submit(pipeline)

    def test_of_another_workspace(self, world: World) -> None:
        other = World.make("theirs")
        with pytest.raises(UserError, match="There is no pipeline “train”"):
            other.submit(other.pipeline({"kind": "pipeline", "name": "x", "pipeline": "train"}))
