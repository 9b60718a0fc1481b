"""A pipeline once for each item of a list: where the list comes from, how many at once, and what becomes of it all."""

import io
import json
from typing import Any

import pytest

from datastores.backends import get_backend
from datastores.models import DataPath, Datastore
from datastores.services import create_dataset
from pipelines import services
from pipelines.catalogue import catalogue_for
from pipelines.models import Pipeline, Run, StepRun
from pipelines.queries import OutputFolder
from pipelines.validation import problems_of
from studio.lib.problems import UserError
from tests.service.pipelines.test_pipeline_steps import problems, step_of
from tests.service.pipelines.world import World, assert_no_gap

CITY = {"name": "city"}
SIZE = {"name": "size", "type": "integer", "default": 1}


@pytest.fixture(autouse=True)
def fit(world: World) -> Pipeline:
    """The pipeline that is run for each item."""
    step = {**world.step("fit"), "arguments": "${{parameters.city}} ${{parameters.size}}"}
    return world.pipeline(step, name="fit", parameters=[CITY, SIZE])


def mapped(items: str = '["a", "b", "c"]', **more: Any) -> dict[str, Any]:
    return {
        "kind": "map",
        "name": "each",
        "pipeline": "fit",
        "items": items,
        "item_parameters": "city",
        "outputs": [{"name": "models", "taken_from": "fit.out"}],
        **more,
    }


def over_file(**more: Any) -> dict[str, Any]:
    """It takes the list that the step `load` wrote."""
    given = {"name": "list", "binding": {"kind": "output", "step": "load", "output": "out"}}
    return mapped("${{inputs.list}}", inputs=[given], **more)


def outer(world: World, step: dict[str, Any], *, parameters: Any = ()) -> Pipeline:
    after = world.step("after")
    after["inputs"] = [{"name": "models", "binding": {"kind": "output", "step": "each", "output": "models"}}]
    after["arguments"] = "${{inputs.models}}"
    first = [world.step("load")] if step.get("inputs") else []
    return world.pipeline(*first, step, after, name="outer", parameters=parameters)


def tend(run: Run) -> None:
    services.tend(step_of(run, "each").pk)


def children(run: Run) -> list[Run]:
    return list(Run.objects.filter(parent_step__run=run).order_by("child_number"))


def written(world: World, run: Run, text: str) -> None:
    """The step `load` leaves one file with this text."""
    lease = world.claim()
    world.complete(lease)
    record = step_of(run, "load").outputs.outputs["out"]
    backend = get_backend(Datastore.objects.get(pk=record.datastore_id))
    backend.write(f"{record.path}/data.txt", io.BytesIO(text.encode()))


class TestTheList:
    def test_of_a_file_that_a_step_wrote_in_this_run(self, world: World) -> None:
        run = world.submit(outer(world, over_file()))
        written(world, run, "paris\nrome\n\n")
        tend(run)
        assert [(each.child_label, each.parameters.values) for each in children(run)] == [
            ("paris", {"city": "paris", "size": 1}),
            ("rome", {"city": "rome", "size": 1}),
        ]
        assert step_of(run, "each").reason == "0 of 2 runs are over."

    def test_of_a_parameter_with_objects_that_feed_several(self, world: World) -> None:
        step = mapped("${{parameters.list}}", item_parameters="city, size")
        pipeline = outer(world, step, parameters=[{"name": "list"}])
        text = json.dumps([{"city": "paris", "size": 2, "more": None}, {"city": "rome", "size": 3}])
        run = world.submit(pipeline, parameters={"list": text})
        tend(run)
        assert [(each.child_label, each.parameters.values["size"]) for each in children(run)] == [
            ("city=paris, size=2", 2),
            ("city=rome, size=3", 3),
        ]

    def test_it_stays_as_the_first_turn_found_it(self, world: World) -> None:
        run = world.submit(outer(world, over_file(at_once=1)))
        written(world, run, '["paris", "rome"]')
        tend(run)
        record = step_of(run, "load").outputs.outputs["out"]
        backend = get_backend(Datastore.objects.get(pk=record.datastore_id))
        backend.write(f"{record.path}/data.txt", io.BytesIO(b'["oslo"]'))
        world.drain()
        tend(run)
        assert [each.child_label for each in children(run)] == ["paris", "rome"]

    def test_without_items_it_completes_and_says_so(self, world: World) -> None:
        run = world.submit(outer(world, over_file()))
        written(world, run, "[]")
        tend(run)
        step = step_of(run, "each")
        assert (step.status, step.reason) == ("completed", "The list has no items.")
        assert world.drain() == ["after"], "what reads it finds an empty list"
        record = step.outputs.outputs["models"]
        backend = get_backend(Datastore.objects.get(pk=record.datastore_id))
        with backend.open_read(f"{record.path}/items.json") as file:
            assert json.load(file) == []

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (json.dumps(list(range(100_000))), "The list has 100,000 items, and a map makes at most 1,000 runs."),
            ("paris\nrome\nparis", "Items 1 and 3 of the list are the same, “paris”."),
            ("[1, 2", "It begins like a JSON list, and can't be read as one (line 1, column 6)."),
            ('[["paris"]]', "Item 1 of the list must be a text, a number, true or false."),
            ('[{"town": "paris"}]', "Item 1 of the list has no “city”. Give it one."),
        ],
    )
    def test_that_can_not_be_one(self, world: World, text: str, sentence: str) -> None:
        run = world.submit(outer(world, over_file()))
        written(world, run, text)
        tend(run)
        step = step_of(run, "each")
        assert step.status == "failed"
        assert sentence in step.reason
        assert children(run) == []

    def test_an_item_that_its_parameter_does_not_take(self, world: World) -> None:
        run = world.submit(outer(world, over_file(item_parameters="size", parameters=[{"name": "city", "value": "x"}])))
        written(world, run, '[1, "two"]')
        tend(run)
        assert step_of(run, "each").reason == (
            "Item 2 of the list, “two”, can't be “size”: This must be a whole number, as in 3."
        )

    def test_the_list_of_a_parameter_is_looked_at_before_anything_begins(self, world: World) -> None:
        pipeline = outer(world, mapped("${{parameters.list}}"), parameters=[{"name": "list"}])
        with pytest.raises(UserError) as refused:
            world.submit(pipeline, parameters={"list": "[1, 1]"})
        (problem,) = refused.value.problems
        assert (problem.loc, "are the same" in problem.message) == (("steps", 0, "items"), True)

    @pytest.mark.parametrize("optional", [False, True])
    @pytest.mark.parametrize("value", [7, "${{inputs.x}}", None])
    def test_a_value_that_its_parameter_can_not_have_is_told_once(
        self, world: World, value: Any, *, optional: bool
    ) -> None:
        listed = {"name": "list", "optional": optional}
        pipeline = outer(world, mapped("${{parameters.list}}"), parameters=[listed])
        with pytest.raises(UserError) as refused:
            world.submit(pipeline, parameters={"list": value})
        (problem,) = refused.value.problems
        is_left_out = optional and value is None  # nothing else says that then
        assert problem.loc == (("steps", 0, "items") if is_left_out else ("parameters", "list"))

    def test_a_list_that_comes_with_the_submission_is_nothing_to_mend_in_the_pipeline(self, world: World) -> None:
        pipeline = outer(world, mapped("${{parameters.list}}"), parameters=[{"name": "list"}])
        definition = pipeline.versions.get().definition
        assert problems_of(definition, catalogue_for(world.workspace, definition)) == []
        world.submit(pipeline, parameters={"list": "[]"})


class TestItsRuns:
    def test_no_more_at_once_than_it_says_and_its_output_has_a_folder_for_each(self, world: World) -> None:
        run = world.submit(outer(world, mapped(at_once=2)))
        tend(run)
        assert len(children(run)) == 2
        world.complete(world.claim())
        tend(run)
        assert len(children(run)) == 3
        assert step_of(run, "each").reason == "1 of 3 runs are over."
        world.drain()
        tend(run)
        step = step_of(run, "each")
        assert (step.status, step.reason) == ("completed", "All 3 runs completed.")
        record = step.outputs.outputs["models"]
        assert list(record.parts) == ["a", "b", "c"]
        assert record.file_count == 4
        first = StepRun.objects.get(run=children(run)[0], name="fit").outputs.outputs["out"]
        assert record.parts["a"] == first
        lease = world.claim()
        data = lease.spec.inputs["models"]
        assert (data.folders, data.paths[1].path) == (["", "a", "b", "c"], first.path)
        world.complete(lease)
        run.refresh_from_db()
        assert run.status == "completed"
        assert_no_gap(run)

    def test_the_output_is_looked_at_as_one_folder(self, world: World) -> None:
        run = world.submit(outer(world, mapped('["a/b", "c"]')))
        tend(run)
        world.drain()
        tend(run)
        folder = OutputFolder(world.workspace, step_of(run, "each"), "models")
        assert [(entry.name, entry.kind) for entry in folder.list("").entries] == [
            ("a_b", "folder"),
            ("c", "folder"),
            ("items.json", "file"),
        ]
        assert [entry.name for entry in folder.list("a_b").entries] == ["data.txt"]
        with folder.open("c/data.txt")[1] as file:
            assert file.read() == b"hello"
        with folder.open("items.json")[1] as file:
            about = json.load(file)
        assert [(each["item"], each["folder"]) for each in about] == [("a/b", "a_b"), ("c", "c")]

    def test_one_fails_the_others_are_made_and_continuing_tries_only_that(self, world: World) -> None:
        run = world.submit(outer(world, mapped(at_once=1)))
        tend(run)
        world.fail(world.claim())
        tend(run)
        world.drain()
        tend(run)
        world.drain()
        tend(run)
        first = children(run)[0]
        step = step_of(run, "each")
        assert (step.status, step.reason) == ("failed", f"1 of 3 runs came to nothing: “a” (run {first.pk}).")
        services.continue_run(world.access, run)
        tend(run)
        assert [each.status for each in children(run)] == ["queued", "completed", "completed"]
        assert world.drain() == ["fit"]
        tend(run)
        assert world.drain() == ["after"]
        run.refresh_from_db()
        assert run.status == "completed"

    def test_those_that_are_tried_again_keep_to_their_number_at_once(self, world: World) -> None:
        run = world.submit(outer(world, mapped(at_once=3)))
        tend(run)
        for _ in range(3):
            world.fail(world.claim())
        tend(run)
        StepRun.objects.filter(run=run, name="each").update(
            frozen=step_of(run, "each").frozen.model_copy(
                update={"step": step_of(run, "each").frozen.step.model_copy(update={"at_once": 1})}
            )
        )
        services.continue_run(world.access, run)
        tend(run)
        assert [each.status for each in children(run)] == ["queued", "failed", "failed"]
        world.complete(world.claim())
        tend(run)
        assert [each.status for each in children(run)] == ["completed", "queued", "failed"]
        assert step_of(run, "each").reason == "1 of 3 runs are over."

    def test_items_for_which_no_run_can_be_submitted_keep_nobody_from_the_others(self, world: World) -> None:
        there = create_dataset(
            world.workspace,
            name="there",
            paths=[DataPath(datastore_id=world.datastore.pk, path="a")],
            actor=world.owner,
        )
        reads = {"name": "data", "binding": {"kind": "parameter", "parameter": "data"}}
        step = {**world.step("read"), "inputs": [reads], "arguments": "${{inputs.data}}"}
        world.pipeline(step, name="reads", parameters=[{"name": "data", "type": "dataset"}])
        of_data = mapped('["gone", "away", "there"]', pipeline="reads", item_parameters="data", at_once=1)
        run = world.submit(outer(world, {**of_data, "outputs": [{"name": "models", "taken_from": "read.out"}]}))
        for _item in range(3):
            tend(run)
        assert [child.child_label for child in children(run)] == [there.dataset.name]
        assert step_of(run, "each").reason == "0 of 3 runs are over; 2 can't be submitted."
        world.drain()
        tend(run)
        sentence = "No run can be submitted for “gone”, nor for 1 more: There is no dataset “gone”."
        assert step_of(run, "each").reason.startswith(sentence)
        # Once they are there, they are tried again, and these alone.
        for name in ("gone", "away"):
            paths = [DataPath(datastore_id=world.datastore.pk, path=name)]
            create_dataset(world.workspace, name=name, paths=paths, actor=world.owner)
        services.continue_run(world.access, run)
        for _item in range(4):
            tend(run)
            world.drain()
        assert [child.child_label for child in children(run)] == ["gone", "away", "there"]
        run.refresh_from_db()
        assert run.status == "completed"

    def test_it_can_stop_at_the_first_that_fails(self, world: World) -> None:
        run = world.submit(outer(world, mapped(at_once=1, go_on=False)))
        tend(run)
        world.fail(world.claim())
        tend(run)
        first = children(run)[0]
        assert step_of(run, "each").reason == (
            f"1 of 3 runs came to nothing: “a” (run {first.pk}). 2 were not begun after that."
        )
        services.continue_run(world.access, run)
        for _ in range(4):
            tend(run)
            world.drain()
        assert step_of(run, "each").status == "completed"

    def test_equal_items_in_a_later_run_are_reused(self, world: World) -> None:
        pipeline = outer(world, over_file())
        run = world.submit(pipeline)
        written(world, run, "paris\nrome")
        tend(run)
        world.drain()
        again = world.submit(pipeline)
        tend(again)
        reused = StepRun.objects.filter(run__parent_step__run=again).values_list("reused_from", flat=True)
        assert len(reused) == 2
        assert None not in reused

    def test_its_outputs_are_no_path_for_another_pipeline(self, world: World) -> None:
        read = {
            **world.step("read"),
            "inputs": [{"name": "data", "binding": {"kind": "parameter", "parameter": "data"}}],
        }
        world.pipeline(read, name="read", parameters=[{"name": "data", "type": "data_path"}])
        nested = {
            "kind": "pipeline",
            "name": "nest",
            "pipeline": "read",
            "inputs": [{"name": "data", "binding": {"kind": "output", "step": "each", "output": "models"}}],
        }
        run = world.submit(world.pipeline(mapped(), nested, name="both"))
        tend(run)
        world.drain()
        tend(run)
        services.tend(step_of(run, "nest").pk)
        assert "is made of the outputs of several runs" in step_of(run, "nest").reason


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("change", "loc", "sentence"),
        [
            ({"items": " "}, "items", "Say which list, as in"),
            ({"items": "[1, 1]"}, "items", "Items 1 and 2 of the list are the same, “1”."),
            ({"items": "a ${{inputs.list}}"}, "items", "Let the list be the input alone"),
            ({"items": "${{inputs.lost}}"}, "items", "lost"),
            ({"item_parameters": ""}, "item_parameters", "Name the parameter of the pipeline that each item goes to."),
            ({"item_parameters": "town"}, "item_parameters", "“fit” has no parameter “town”."),
            ({"item_parameters": "city, city"}, "item_parameters", "A name stands here twice."),
            ({"at_once": 0}, "at_once", "Give a whole number from 1 to 100."),
        ],
    )
    def test_at_its_field(self, world: World, change: dict[str, Any], loc: str, sentence: str) -> None:
        assert sentence in problems(world, world.step("load"), {**over_file(), **change})["steps", 1, loc]

    def test_a_value_that_each_run_has_of_its_own(self, world: World) -> None:
        found = problems(world, mapped(parameters=[{"name": "city", "value": "x"}]))
        assert "gets a value of its own in each run" in found["steps", 0, "parameters", 0, "name"]
