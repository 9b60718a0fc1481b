"""Steps that use a module: what they become when a run is made, and what keeps them from that."""

import itertools
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from compute.services import create_environment, create_target
from compute.spec import EnvironmentSpec
from datastores.models import DataPath
from datastores.services import create_dataset
from pipelines import queries, services
from pipelines.catalogue import catalogue_for
from pipelines.models import Run, StepRun
from pipelines.services.modules import delete_module, disable_version, enable_version, set_default_version
from pipelines.services.publishing import publish_module, read_module
from pipelines.step_editing import editable
from pipelines.validation import parse_definition, problems_of
from studio.lib.problems import UserError
from tests.service.pipelines.modules import RATE, fit, pipeline_with, publish_fit, typed, use
from tests.service.pipelines.world import World

_numbers = itertools.count(1)


def step_of(run: Run, name: str = "train") -> StepRun:
    return StepRun.objects.get(run=run, name=name)


def refused(world: World, *steps: dict[str, Any], parameters: Any = (), **values: Any) -> dict[tuple[Any, ...], str]:
    """What a submission says, by place."""
    pipeline = pipeline_with(world, *steps, parameters=parameters, name=f"p{next(_numbers)}")
    with pytest.raises(UserError) as error:
        world.submit(pipeline, parameters=values)
    return {problem.loc: problem.message for problem in error.value.problems}


class TestWhatItBecomes:
    def test_the_published_step_runs_with_the_values_that_are_given(self, world: World) -> None:
        publish_fit(world)
        run = world.submit(pipeline_with(world, use(parameters=[{"name": "rate", "value": 0.25}])))
        frozen = step_of(run).frozen
        assert (frozen.step.kind, frozen.step.name) == ("python_script", "train")
        assert frozen.command == ["python", "main.py", "${{inputs.data}}", "--rate", "0.25", "${{outputs.out}}"]
        assert frozen.module is not None
        assert (frozen.module.name, frozen.module.version, frozen.module.values) == ("fit", 1, {"rate": 0.25})
        assert world.drain() == ["load", "train"]
        run.refresh_from_db()
        assert run.status == "completed"

    def test_an_equal_step_written_by_hand_has_the_same_result(self, world: World) -> None:
        publish_fit(world)
        by_hand = world.pipeline(world.step("load"), fit(world), name="by hand", parameters=[RATE])
        first = world.submit(by_hand)
        assert world.drain() == ["load", "fit"]
        second = world.submit(pipeline_with(world))
        assert world.drain() == []
        assert step_of(second).reused_from == step_of(first, "fit")
        assert step_of(second).fingerprint == step_of(first, "fit").fingerprint

    def test_a_parameter_of_the_pipeline_feeds_one_of_the_module_and_keeps_its_type(self, world: World) -> None:
        publish_fit(world)
        step = use(parameters=[{"name": "rate", "value": "${{parameters.speed}}"}])
        speed = {"name": "speed", "type": "number"}
        run = world.submit(pipeline_with(world, step, parameters=[speed]), parameters={"speed": 0.75})
        assert step_of(run).frozen.module.values == {"rate": 0.75}

    def test_names_of_the_pipelines_own_parameters_mean_nothing_in_it(self, world: World) -> None:
        publish_fit(world)
        own = {**RATE, "default": 0.125}
        run = world.submit(pipeline_with(world, parameters=[own]))
        assert step_of(run).frozen.command[4] == "0.5"

    def test_settings_that_a_parameter_of_the_module_feeds(self, world: World) -> None:
        create_environment(
            workspace=world.workspace, name="own", description="", spec=EnvironmentSpec(), created_by=world.owner
        )
        named = {"name": "where", "type": "string", "default": "python"}
        publish_fit(world, step={"environment": "${{parameters.where}}"}, parameters=[RATE, named])
        run = world.submit(pipeline_with(world, use(parameters=[{"name": "where", "value": "own"}])))
        assert step_of(run).frozen.environment_name == "own:1"
        said = refused(world, use(parameters=[{"name": "where", "value": "nowhere"}]))
        assert list(said) == [("steps", 1, "parameters", 0, "value")]
        assert "As the environment" in said["steps", 1, "parameters", 0, "value"]

    def test_the_step_may_run_on_another_compute_target(self, world: World) -> None:
        target = create_target(workspace=world.workspace, name="big", created_by=world.owner)
        publish_fit(world)
        run = world.submit(pipeline_with(world, use(compute="big")))
        assert step_of(run).frozen.compute_id == target.pk
        said = refused(world, use(compute="small"))
        assert list(said) == [("steps", 1, "compute")]

    def test_outputs_go_where_the_step_says_and_are_what_the_module_says(self, world: World) -> None:
        one_file = {"outputs": [{"name": "out", "file": "model.pkl", "required": True}]}
        publish_fit(world, step=one_file)
        run = world.submit(pipeline_with(world, use(outputs=[{"name": "out", "path": "models/{run-id}"}])))
        (output,) = step_of(run).frozen.step.outputs
        assert (output.file, output.required, output.path) == ("model.pkl", True, "models/{run-id}")

    def test_outputs_that_the_step_does_not_name_are_written_all_the_same(self, world: World) -> None:
        publish_fit(world)
        run = world.submit(pipeline_with(world, use(outputs=[])))
        assert [output.name for output in step_of(run).frozen.step.outputs] == ["out"]

    def test_an_optional_input_may_be_left_out(self, world: World) -> None:
        step = {
            "arguments": "$[[${{inputs.data}}]] --rate ${{parameters.rate}}",
            "inputs": [{"name": "data", "optional": True}],
        }
        publish_fit(world, step=step)
        run = world.submit(pipeline_with(world, use(inputs=[])))
        assert step_of(run).frozen.command == ["python", "main.py", "--rate", "0.5"]

    def test_the_panel_of_the_step_says_which_module_it_is(self, world: World) -> None:
        version = publish_fit(world)
        run = world.submit(pipeline_with(world))
        said = queries.step_detail(world.workspace, queries.step_of(run, "train"))["module"]
        assert said == {
            "name": "fit",
            "version": 1,
            "url": f"/w/ours/modules/{version.module_id}/?version=1",
            "values": {"rate": 0.5},
        }

    def test_a_module_within_a_pipeline_that_a_map_runs(self, world: World) -> None:
        publish_fit(world, step={"inputs": [], "arguments": "--rate ${{parameters.rate}}"})
        inner = use(inputs=[], parameters=[{"name": "rate", "value": "${{parameters.rate}}"}])
        world.pipeline(inner, name="inner", parameters=[RATE])
        each = {"kind": "map", "name": "each", "pipeline": "inner", "items": "[0.1, 0.2]", "item_parameters": "rate"}
        run = world.submit(world.pipeline(each, name="outer"))
        services.tend(step_of(run, "each").pk)
        children = StepRun.objects.filter(run__parent_step__run=run).order_by("run__child_number")
        assert [child.frozen.module.values for child in children] == [{"rate": 0.1}, {"rate": 0.2}]


class TestVersions:
    def test_without_a_number_it_is_the_newest_that_is_not_disabled(self, world: World) -> None:
        publish_fit(world)
        second = publish_fit(world, base=1, step={"arguments": "${{inputs.data}} --rate ${{parameters.rate}} -v"})
        pipeline = pipeline_with(world)
        assert step_of(world.submit(pipeline)).frozen.module.version == 2
        disable_version(world.access, second)
        assert step_of(world.submit(pipeline)).frozen.module.version == 1
        enable_version(world.access, second)
        set_default_version(world.access, second.module, 1)
        assert step_of(world.submit(pipeline)).frozen.module.version == 1

    def test_a_disabled_version_goes_on_where_it_was_used_and_is_refused_elsewhere(self, world: World) -> None:
        first = publish_fit(world)
        publish_fit(world, base=1, step={"description": "newer"})
        before = pipeline_with(world, use(module_version=1))
        disable_version(world.access, first)
        assert step_of(world.submit(before)).frozen.module.version == 1
        said = refused(world, use(module_version=1))
        assert list(said) == [("steps", 1, "module_version")]
        assert "disabled" in said["steps", 1, "module_version"]
        # The pipeline that used it may be changed, and goes on.
        world.save(before, world.step("load"), use(module_version=1, description="other words"))
        assert step_of(world.submit(before)).frozen.module.version == 1

    def test_where_every_version_is_disabled_only_those_go_on_who_used_it(self, world: World) -> None:
        version = publish_fit(world)
        before = pipeline_with(world)
        disable_version(world.access, version)
        assert step_of(world.submit(before)).frozen.module.version == 1
        assert "Every version" in refused(world, use())["steps", 1, "module"]

    def test_versions_are_read_in_as_many_queries_for_one_step_as_for_many(
        self, world: World, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(6):
            publish_fit(world, name=f"fit{number}")
        steps = [use(f"s{number}", module=f"fit{number}") for number in range(6)]
        few = parse_definition({"steps": [world.step("load"), steps[0]]})
        many = parse_definition({"steps": [world.step("load"), *steps]})
        catalogue_for(world.workspace, many)  # sources that are seen for the first time are read once
        with django_assert_num_queries(_count(world, few)):
            found = catalogue_for(world.workspace, many)
        assert problems_of(many, found) == []


def _count(world: World, definition: Any) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as asked:
        catalogue_for(world.workspace, definition)
    return len(asked)


class TestBadInput:
    def test_a_module_or_a_version_that_is_not_there(self, world: World) -> None:
        publish_fit(world)
        assert "There is no module “fti”. Did you mean" in refused(world, use(module="fti"))["steps", 1, "module"]
        said = refused(world, use(module_version=7))
        assert said == {("steps", 1, "module_version"): "Module “fit” has no version 7."}
        assert "Choose the module" in refused(world, use(module=""))["steps", 1, "module"]

    def test_of_another_workspace_there_is_none(self, world: World) -> None:
        publish_fit(World.make("theirs"))
        assert ("steps", 1, "module") in refused(world, use())

    def test_ports_that_the_module_does_not_have(self, world: World) -> None:
        publish_fit(world)
        inputs = [{"name": "data", "binding": {"kind": "output", "step": "load", "output": "out"}}]
        gone = [*inputs, {"name": "mask", "binding": inputs[0]["binding"]}]
        said = refused(world, use(inputs=gone, outputs=[{"name": "out"}, {"name": "extra"}]))
        assert "has no input “mask”. It has: “data”." in said["steps", 1, "inputs", 1, "name"]
        assert "has no output “extra”" in said["steps", 1, "outputs", 1, "name"]
        assert len(said) == 2

    def test_a_required_input_that_is_not_bound(self, world: World) -> None:
        publish_fit(world)
        said = refused(world, use(inputs=[]))
        assert said == {("steps", 1, "module"): "“fit” wants the input “data”. Add and bind it."}
        assert list(refused(world, use(inputs=[{"name": "data"}]))) == [("steps", 1, "inputs", 0, "binding")]

    @pytest.mark.parametrize(
        ("rows", "place", "words"),
        [
            ([{"name": "rate", "value": "fast"}], (0, "value"), "must be a number"),
            ([{"name": "rate", "value": 3}], (0, "value"), "1"),
            ([{"name": "speed", "value": 1}], (0, "name"), "no parameter “speed”"),
            ([{"name": "rate", "value": 1}, {"name": "rate", "value": 1}], (1, "name"), "twice"),
            ([{"name": "rate", "value": "${{parameters.gone}}"}], (0, "value"), "no parameter “gone”"),
            ([{"name": "rate", "value": "${{inputs.data}}"}], (0, "value"), "by an input"),
        ],
    )
    def test_values(self, world: World, rows: Any, place: Any, words: str) -> None:
        publish_fit(world)
        said = refused(world, use(parameters=rows))
        assert words in said["steps", 1, "parameters", *place], said

    def test_a_value_that_only_the_run_has_is_told_where_it_is_passed(self, world: World) -> None:
        publish_fit(world)
        step = use(parameters=[{"name": "rate", "value": "${{parameters.speed}}"}])
        said = refused(world, step, parameters=[{"name": "speed", "type": "number"}], speed=9)
        assert list(said) == [("steps", 1, "parameters", 0, "value")]

    def test_a_parameter_without_a_default_must_be_given(self, world: World) -> None:
        publish_fit(world, parameters=[{**RATE, "default": None}])
        said = refused(world, use())
        assert said == {("steps", 1, "parameters"): "“fit” wants “rate”, which has no default. Give it a value here."}

    def test_one_that_a_parameter_without_a_value_was_to_feed_is_told_at_submission(self, world: World) -> None:
        publish_fit(world, parameters=[{**RATE, "default": None}])
        step = use(parameters=[{"name": "rate", "value": "${{parameters.speed}}"}])
        said = refused(world, step, parameters=[{"name": "speed", "type": "number", "optional": True}])
        assert said == {
            ("steps", 1, "parameters"): "“fit” wants “rate”, and nothing gives it a fit value. Give it one."
        }

    def test_what_the_module_says_is_not_said_here(self, world: World) -> None:
        publish_fit(world)
        step = use(source=world.source, environment="python", timeout_s=5, environment_variables={"A": "1"})
        said = refused(world, step)
        fields = {loc[2] for loc in said}
        assert fields == {"source", "environment", "timeout_s", "environment_variables"}

    def test_an_environment_or_a_compute_target_that_went(self, world: World) -> None:
        target = create_target(workspace=world.workspace, name="big", created_by=world.owner)
        publish_fit(world, step={"compute": "big"})
        target.delete()
        said = refused(world, use())
        assert list(said) == [("steps", 1, "module")]
        assert said["steps", 1, "module"].startswith("Module “fit”, version 1: There is no compute target “big”")

    @pytest.mark.parametrize(
        ("wanted", "is_wrong"), [("any", False), ("folder", False), ("file", True), ("table", True)]
    )
    def test_an_output_of_another_type(self, world: World, wanted: Any, is_wrong: bool) -> None:
        publish_fit(world, words=typed(wanted))
        definition = parse_definition({"steps": [world.step("load"), use()]})
        found = problems_of(definition, catalogue_for(world.workspace, definition))
        assert [problem.loc for problem in found] == ([("steps", 1, "inputs", 0, "binding")] if is_wrong else [])

    def test_a_dataset_of_files_is_no_table(self, world: World) -> None:
        paths = [DataPath(datastore_id=world.datastore.pk, path="a/")]
        create_dataset(world.workspace, name="files", paths=paths, actor=world.owner)
        publish_fit(world, words=typed("table"))
        bound = [{"name": "data", "binding": {"kind": "dataset", "dataset": "files"}}]
        assert "is files" in refused(world, use(inputs=bound))["steps", 1, "inputs", 0, "binding"]
        by_parameter = [{"name": "data", "binding": {"kind": "parameter", "parameter": "which"}}]
        said = refused(
            world, use(inputs=by_parameter), parameters=[{"name": "which", "type": "dataset"}], which="files"
        )
        assert "is files" in said["steps", 1, "inputs", 0, "binding"]

    def test_half_finished_it_can_be_saved(self, world: World) -> None:
        pipeline = pipeline_with(world, use(module="", inputs=[]), name="half")
        assert pipeline.latest_version == 1

    def test_markup_in_a_name_stays_text(self, world: World, client: Client) -> None:
        client.force_login(world.owner, backend="django.contrib.auth.backends.ModelBackend")
        pipeline = pipeline_with(world, use(module="<b>fit</b>"))
        page = client.get(f"/w/ours/pipelines/{pipeline.pk}/edit/").content.decode()
        assert "<b>fit</b>" not in page


class TestWaysOn:
    def test_an_edit_within_a_run_speaks_of_the_modules_parameters(self, world: World) -> None:
        publish_fit(world)
        run = world.submit(pipeline_with(world))
        world.complete(world.claim())
        world.fail(world.claim())
        form = editable(world.workspace, run, step_of(run))
        assert [parameter["name"] for parameter in form["parameters"]] == ["rate"]
        changes = services.StepChanges(settings={"arguments": "${{inputs.data}} -r ${{parameters.rate}}"})
        with pytest.raises(UserError) as error:
            services.edit_step(world.access, run, "train", changes, base_edit=0, save_to_pipeline=True)
        assert error.value.problems[0].loc == ("save_to_pipeline",)
        services.edit_step(world.access, run, "train", changes, base_edit=0)
        assert step_of(run).frozen.command == ["python", "main.py", "${{inputs.data}}", "-r", "0.5"]
        assert world.drain() == ["train"]
        # A clone has what ran: the edited step as one of its own.
        clone = services.clone_run(world.access, run)
        definition = clone.versions.get().definition
        assert definition.steps[1].kind == "python_script"
        assert [(each.name, each.default) for each in definition.parameters] == [("rate", 0.5)]
        again = world.submit(clone)
        assert step_of(again).frozen.command == step_of(run).frozen.command

    def test_a_clone_keeps_the_module_in_the_version_that_ran(self, world: World) -> None:
        publish_fit(world)
        run = world.submit(pipeline_with(world))
        publish_fit(world, base=1, step={"description": "newer"})
        step = services.clone_run(world.access, run).versions.get().definition.steps[1]
        assert (step.kind, step.module, step.module_version) == ("module", "fit", 1)

    def test_a_clone_has_the_step_itself_where_its_module_may_not_be_used(self, world: World) -> None:
        version = publish_fit(world)
        run = world.submit(pipeline_with(world))
        disable_version(world.access, version)
        clone = services.clone_run(world.access, run)
        assert clone.versions.get().definition.steps[1].kind == "python_script"
        assert step_of(world.submit(clone)).frozen.command == step_of(run).frozen.command

    def test_where_an_output_goes_each_step_says_and_never_the_module(self, world: World) -> None:
        document = publish_fit(world).definition.model_dump(mode="json")
        document["step"]["outputs"] = [{"name": "out", "datastore": "workspaceblobstore", "path": "shared"}]
        publish_module(world.access, name="hides", definition=read_module(document), base_version=0)
        run = world.submit(pipeline_with(world, use(module="hides", outputs=[])))
        (output,) = step_of(run).frozen.step.outputs
        assert (output.name, output.datastore, output.path) == ("out", None, None)

    def test_a_run_outlives_its_module(self, world: World) -> None:
        version = publish_fit(world)
        pipeline = pipeline_with(world)
        run = world.submit(pipeline)
        services.delete_pipeline(world.access, pipeline)
        delete_module(world.access, version.module)
        assert world.drain() == ["load", "train"]
        said = queries.step_detail(world.workspace, queries.step_of(run, "train"))["module"]
        assert (said["version"], said["url"]) == (1, None)

    def test_a_rerun_from_the_step_runs_the_same(self, world: World) -> None:
        publish_fit(world)
        run = world.submit(pipeline_with(world))
        world.drain()
        publish_fit(world, base=1, step={"description": "newer"})
        run.refresh_from_db()
        again = services.rerun_from(world.access, run, "train")
        assert step_of(again).frozen.module.version == 1
