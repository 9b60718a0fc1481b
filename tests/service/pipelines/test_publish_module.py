"""Publishing modules, and what becomes of them: who may, what is refused, and the loser of every race."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from pipelines.models import Module, ModuleUse, ModuleVersion
from pipelines.modules.definition import ModuleDefinition
from pipelines.services.modules import (
    delete_module,
    describe_module,
    disable_version,
    enable_version,
    set_default_version,
)
from pipelines.services.publishing import draft_module, module_from_step, publish_module, read_module
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.access import Access
from studio.workspaces.models import AuditEvent, Role
from tests.service.pipelines.modules import RATE, fit, pipeline_with, publish_fit, typed, use
from tests.service.pipelines.world import World


def member(world: World, name: str, role: Role) -> Access:
    return Access(world.member(name, role), world.workspace, role)


def problems(error: pytest.ExceptionInfo[UserError]) -> dict[tuple[Any, ...], str]:
    return {problem.loc: problem.message for problem in error.value.problems}


class TestPublishing:
    def test_a_step_of_a_pipeline_becomes_a_module_with_its_ports(self, world: World) -> None:
        other = {"name": "other", "type": "string", "default": "x"}
        pipeline = world.pipeline(world.step("load"), fit(world), parameters=[RATE, other])
        definition = module_from_step(pipeline, "fit", words=typed("folder", description="what it learns from"))
        published = publish_module(
            world.access,
            name="fit",
            definition=definition,
            base_version=0,
            description="Fits a model.",
            tags={"stage": "gold"},
            note="The first one.",
        )
        version = ModuleVersion.objects.get(module=published.module)
        assert (version.number, version.kind, version.note) == (1, "python_script", "The first one.")
        (port,) = version.definition.inputs
        assert (port.name, port.type, port.optional, port.description) == (
            "data",
            "folder",
            False,
            "what it learns from",
        )
        assert [each.name for each in version.definition.parameters] == ["rate"], "those that the step speaks of"
        assert version.definition.step.inputs[0].binding is None
        assert (published.module.description, published.module.tags.tags) == ("Fits a model.", {"stage": "gold"})
        assert AuditEvent.objects.filter(verb="module.publish", target="fit, version 1").exists()

    def test_the_next_version_and_nothing_new(self, world: World) -> None:
        first = publish_fit(world)
        again = publish_fit(world, base=1)
        assert again == first
        second = publish_fit(world, base=1, step={"description": "other"})
        assert (second.number, Module.objects.get().latest_version) == (2, 2)

    def test_two_at_once_make_one_version(self, world: World) -> None:
        publish_fit(world)
        publish_fit(world, base=1, step={"description": "theirs"})
        with pytest.raises(ConflictError, match="published version 2 of “fit” since you looked"):
            publish_fit(world, base=1, step={"description": "mine"})
        assert ModuleVersion.objects.count() == 2

    def test_a_name_that_is_taken(self, world: World) -> None:
        publish_fit(world)
        with pytest.raises(UserError) as error:
            publish_fit(world, step={"description": "another"})
        assert "already, in version 1" in problems(error)["name",]

    @pytest.mark.parametrize("name", ["", " ", "<b>fit</b>", "a b", "x" * 101, "ü"])
    def test_a_name_that_none_can_have(self, world: World, name: str) -> None:
        with pytest.raises(UserError) as error:
            publish_fit(world, name=name)
        assert ("name",) in problems(error)

    def test_changes_that_break_steps_must_be_accepted(self, world: World) -> None:
        publish_fit(world)
        less: dict[str, Any] = {"inputs": [], "arguments": "--rate ${{parameters.rate}}"}
        with pytest.raises(UserError) as error:
            publish_fit(world, base=1, step=less)
        assert "The input “data” is gone." in problems(error)["accept_breaking",]
        assert publish_fit(world, base=1, step=less, accept_breaking=True).number == 2

    def test_a_draft_says_what_would_change_and_publishes_nothing(self, world: World) -> None:
        publish_fit(world)
        pipeline = world.pipeline(
            world.step("load"), fit(world, outputs=[{"name": "out"}, {"name": "log"}]), parameters=[RATE]
        )
        draft = draft_module(world.workspace, name="fit", definition=module_from_step(pipeline, "fit"))
        assert [(change.words, change.breaks) for change in draft.changes] == [("Output “log” is new.", False)]
        assert (draft.latest, draft.problems) == (1, [])
        assert ModuleVersion.objects.count() == 1

    @pytest.mark.parametrize(
        ("step", "words"),
        [
            ({"kind": "module", "name": "fit", "module": "fit"}, "can't contain a module"),
            ({"kind": "pipeline", "name": "fit", "pipeline": "x"}, "can't be a module"),
            ({"kind": "wait", "name": "fit"}, "can't be a module"),
        ],
    )
    def test_a_module_holds_no_module_and_nothing_without_a_job(self, world: World, step: Any, words: str) -> None:
        pipeline = world.pipeline(step)
        with pytest.raises(UserError, match=words) as error:
            module_from_step(pipeline, "fit")
        assert ("step",) in problems(error)
        with pytest.raises(UserError, match=words) as error:
            publish_module(world.access, name="fit", definition=read_module({"step": step}), base_version=0)
        assert ("definition", "step", "kind") in problems(error)

    def test_what_keeps_its_step_from_being_submitted_keeps_it_from_being_published(self, world: World) -> None:
        wrong = {"environment": "nowhere", "compute": "nowhere", "arguments": "${{inputs.data}} ${{parameters.gone}}"}
        with pytest.raises(UserError) as error:
            publish_fit(world, step=wrong)
        said = problems(error)
        assert {loc[2] for loc in said} == {"environment", "compute", "arguments"}
        assert all(loc[:2] == ("definition", "step") for loc in said)

    def test_a_port_that_becomes_optional_must_be_optional_in_its_texts(self, world: World) -> None:
        with pytest.raises(UserError, match="may be absent"):
            publish_fit(world, words=typed("any", optional=True))

    def test_ports_and_step_must_agree(self, world: World) -> None:
        written = publish_fit(world).definition.model_dump(mode="json")
        written["inputs"] = [{"name": "other"}]
        with pytest.raises(UserError) as error:
            publish_module(world.access, name="next", definition=read_module(written), base_version=0)
        said = problems(error)
        assert "has no input “other”" in said["definition", "inputs", 0, "name"]
        assert "which is no port" in said["definition", "inputs"]

    def test_data_is_no_parameter_of_a_module(self, world: World) -> None:
        step = {"arguments": "${{inputs.data}} ${{parameters.which}}"}
        with pytest.raises(UserError) as error:
            publish_fit(world, step=step, parameters=[{"name": "which", "type": "dataset"}])
        assert ("definition", "parameters", 0, "type") in problems(error)

    def test_shapes_that_cant_be_read(self, world: World) -> None:
        for wrong in (
            {},
            {"step": 3},
            {"step": {"kind": "none"}},
            {"step": fit(world), "more": 1},
            {"step": {"name": "a\0"}},
        ):
            with pytest.raises(UserError) as error:
                read_module(wrong)
            assert all(loc[0] == "definition" for loc in problems(error))

    def test_long_words_are_refused_at_their_fields(self, world: World) -> None:
        with pytest.raises(UserError) as error:
            publish_fit(world, description="x" * 5001, note="x" * 501, tags={"": "x"})
        assert {loc[0] for loc in problems(error)} == {"description", "note", "tags"}

    def test_what_was_published_never_changes(self, world: World) -> None:
        version = publish_fit(world)
        before: ModuleDefinition = version.definition
        publish_fit(world, base=1, step={"description": "other"})
        assert ModuleVersion.objects.get(number=1).definition == before


class TestWhoMay:
    def test_readers_look_contributors_publish(self, world: World) -> None:
        with pytest.raises(PermissionDenied):
            publish_fit(world, access=member(world, "rita", Role.READER))
        assert publish_fit(world, access=member(world, "cora", Role.CONTRIBUTOR)).created_by.username == "cora"

    def test_only_who_published_it_and_owners_disable_and_delete(self, world: World) -> None:
        cora, carl = member(world, "cora", Role.CONTRIBUTOR), member(world, "carl", Role.CONTRIBUTOR)
        version = publish_fit(world, access=cora)
        for act in (
            lambda by: disable_version(by, version),
            lambda by: enable_version(by, version),
            lambda by: set_default_version(by, version.module, 1),
            lambda by: delete_module(by, version.module),
        ):
            with pytest.raises(PermissionDenied):
                act(carl)
            act(world.access)
            Module.objects.update(deleted_at=None, default_version=None)
        disable_version(cora, version)
        assert AuditEvent.objects.filter(verb="module.disable").count() == 2
        describe_module(carl, version.module, description="Anybody who edits may say what it is.")


class TestAfterwards:
    def test_disabling_twice_is_once_and_the_default_stays(self, world: World) -> None:
        version = publish_fit(world)
        set_default_version(world.access, version.module, 1)
        with pytest.raises(UserError, match="Choose another default"):
            disable_version(world.access, version)
        set_default_version(world.access, version.module, None)
        assert disable_version(world.access, version).disabled_at == disable_version(world.access, version).disabled_at
        with pytest.raises(UserError, match="Enable it first"):
            set_default_version(world.access, version.module, 1)
        with pytest.raises(UserError, match="no version 9"):
            set_default_version(world.access, version.module, 9)

    def test_one_that_pipelines_use_is_not_deleted(self, world: World) -> None:
        version = publish_fit(world)
        pipeline = pipeline_with(world, name="first")
        with pytest.raises(UserError, match="Pipelines use this module: “first”"):
            delete_module(world.access, version.module)
        assert Module.objects.get().deleted_at is None
        world.save(pipeline, world.step("load"))
        delete_module(world.access, version.module)
        with pytest.raises(ConflictError):
            delete_module(world.access, version.module)

    def test_its_name_brings_it_back_and_numbers_go_on(self, world: World) -> None:
        version = publish_fit(world)
        set_default_version(world.access, version.module, 1)
        delete_module(world.access, version.module)
        back = publish_fit(world)
        assert (back.module_id, back.number) == (version.module_id, 2)
        module = Module.objects.get()
        assert (module.deleted_at, module.default_version) == (None, None), "it is another one now"

    def test_uses_are_noted_with_the_version_that_says_them(self, world: World) -> None:
        pipeline = pipeline_with(world, use("a"), use("b"), use("c", module_version=3), use("d", module="<b>"))
        rows = ModuleUse.objects.filter(version__pipeline=pipeline).values_list("module", "number", "steps")
        assert sorted(rows) == [("fit", 0, 2), ("fit", 3, 1)]

    def test_a_deleted_module_changes_no_more(self, world: World) -> None:
        module = publish_fit(world).module
        Module.objects.update(deleted_at=timezone.now())
        with pytest.raises(ConflictError):
            describe_module(world.access, module, description="x")
        with pytest.raises(ConflictError):
            publish_fit(world, base=1, step={"description": "x"})

    def test_a_deleted_workspace_takes_its_modules(self, world: World) -> None:
        publish_fit(world)
        pipeline_with(world)
        world.workspace.delete()
        assert not Module.objects.exists()
