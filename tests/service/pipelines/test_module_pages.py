"""The pages and the API of modules: who sees what there, and what each says."""

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from pipelines.models import Module, ModuleVersion
from pipelines.services.modules import disable_version
from studio.workspaces.models import Role, User
from tests.service.pipelines.modules import RATE, fit, pipeline_with, publish_fit, typed, use
from tests.service.pipelines.world import World


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def call(client: Client, method: str, path: str, **body: Any) -> Any:
    sent = json.dumps(body) if method not in {"GET", "DELETE"} else ""
    answer = client.generic(method, f"/api/workspaces/ours/modules/{path}", sent, content_type="application/json")
    return answer.status_code, answer.json() if answer.content else None


@pytest.fixture
def owner(world: World) -> Client:
    return signed_in(world.owner)


@pytest.fixture
def reader(world: World) -> Client:
    return signed_in(world.member("rita", Role.READER))


def saved(world: World, **more: Any) -> int:
    """The number of a pipeline with the step `fit`."""
    return world.pipeline(world.step("load"), fit(world, **more), name="source", parameters=[RATE]).pk


class TestOverTheApi:
    def test_it_is_drafted_published_described_and_deleted(self, world: World, owner: Client) -> None:
        given = {
            "name": "fit",
            "pipeline": saved(world),
            "step": "fit",
            "ports": {"inputs": {"data": {"type": "folder"}}},
        }
        status, draft = call(owner, "POST", "draft/", **given)
        assert (status, draft["latest_version"], draft["problems"]) == (200, 0, [])
        assert draft["definition"]["inputs"][0]["type"] == "folder"
        assert not Module.objects.exists()
        status, made = call(owner, "POST", "", **given, base_version=0, description="Fits.", tags={"a": "b"})
        assert (status, made["number"], made["kind"], made["tags"]) == (201, 1, "python_script", {"a": "b"})
        assert call(owner, "POST", "", **given, base_version=1)[0] == 200, "nothing is new"
        path = f"{made['id']}/"
        assert call(owner, "GET", path)[1]["definition"]["parameters"][0]["name"] == "rate"
        status, changed = call(owner, "PATCH", path, description="Other words.", default_version=1)
        assert (status, changed["description"], changed["default_version"]) == (200, "Other words.", 1)
        assert call(owner, "PATCH", path, default_version=0)[1]["default_version"] is None
        assert call(owner, "PATCH", path, default_version=1, description="x" * 5001)[0] == 400
        assert call(owner, "GET", path)[1]["default_version"] is None, "all of it, or nothing"
        assert call(owner, "GET", f"{path}versions/")[1]["results"][0]["disabled"] is False
        status, version = call(owner, "PATCH", f"{path}versions/1/", disabled="true")
        assert (status, version["disabled"], version["disabled_by"]) == (200, True, "ours-owner")
        assert call(owner, "DELETE", path) == (204, None)
        assert call(owner, "GET", path)[0] == 404
        assert call(owner, "GET", "")[1]["results"] == []

    def test_a_whole_definition_may_be_sent(self, world: World, owner: Client) -> None:
        definition = publish_fit(world).definition.model_dump(mode="json")
        status, made = call(owner, "POST", "", name="copy", definition=definition, base_version=0)
        assert (status, made["number"]) == (201, 1)
        assert (
            ModuleVersion.objects.get(module__name="copy").definition
            == ModuleVersion.objects.get(module__name="fit").definition
        )

    def test_problems_come_at_their_fields(self, world: World, owner: Client) -> None:
        status, said = call(owner, "POST", "", name="a b", base_version=0, pipeline=saved(world), step="fit")
        assert (status, said["problems"][0]["loc"]) == (400, ["name"])
        assert call(owner, "POST", "", name="a", base_version=0)[1]["problems"][0]["loc"] == ["pipeline"]
        status, said = call(owner, "POST", "", name="a", base_version=0, pipeline=saved_again(world), step="gone")
        assert (status, said["problems"][0]["loc"]) == (400, ["step"])

    def test_who_comes_late_is_told(self, world: World, owner: Client) -> None:
        publish_fit(world)
        publish_fit(world, base=1, step={"description": "newer"})
        status, said = call(owner, "POST", "", name="fit", base_version=1, pipeline=saved(world), step="fit")
        assert (status, said["current"]["number"]) == (409, 2)

    def test_a_builder_asks_for_the_ports(self, world: World, reader: Client) -> None:
        first = publish_fit(world)
        publish_fit(world, base=1, step={"description": "newer"})
        said = call(reader, "GET", "interface/?name=fit")[1]
        assert (said["version"], said["versions"], said["default_version"]) == (2, [2, 1], 2)
        assert [port["name"] for port in said["inputs"]] == ["data"]
        disable_version(world.access, first)
        said = call(reader, "GET", "interface/?name=fit&version=1")[1]
        assert (said["version"], said["disabled"], said["versions"]) == (1, True, [2])
        for wrong in ("name=other", "name=fit&version=9", "name=%00", ""):
            assert call(reader, "GET", f"interface/?{wrong}")[0] == 404

    def test_who_uses_it(self, world: World, reader: Client) -> None:
        module = publish_fit(world).module
        pipeline = pipeline_with(world, use("a"), use("b", module_version=1))
        found = call(reader, "GET", f"{module.pk}/pipelines/")[1]
        named = {"id": pipeline.pk, "name": "uses"}
        assert found["results"] == [
            {"pipeline": named, "pipeline_version": 1, "module_version": None, "steps": 1},
            {"pipeline": named, "pipeline_version": 1, "module_version": 1, "steps": 1},
        ]
        assert call(reader, "GET", "")[1]["results"][0]["pipelines"] == 1
        status, said = call(signed_in(world.owner), "DELETE", f"{module.pk}/")
        assert (status, "“uses”" in said["problems"][0]["message"]) == (400, True)

    def test_readers_change_nothing(self, world: World, reader: Client) -> None:
        module = publish_fit(world).module
        assert call(reader, "POST", "", name="x", base_version=0)[0] == 403
        assert call(reader, "PATCH", f"{module.pk}/", description="x")[0] == 403
        assert call(reader, "DELETE", f"{module.pk}/")[0] == 403

    def test_another_workspaces_is_not_there(self, world: World, owner: Client) -> None:
        theirs = publish_fit(World.make("theirs")).module
        for path in (f"{theirs.pk}/", f"{theirs.pk}/versions/1/", f"{theirs.pk}/pipelines/"):
            assert call(owner, "GET", path)[0] == 404
        other = Module.objects.get(pk=theirs.pk).versions.get()
        assert other.disabled_at is None


def saved_again(world: World) -> int:
    return world.pipeline(world.step("load"), fit(world), name="source again", parameters=[RATE]).pk


class TestPages:
    def test_a_list_of_any_length_takes_as_many_queries(
        self, world: World, reader: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(12):
            publish_fit(world, name=f"fit{number}")
        pipeline_with(world, use(module="fit3"))
        with django_assert_max_num_queries(8):
            page = reader.get("/w/ours/modules/").content.decode()
        assert "fit11" in page
        assert "1 pipeline<" in page
        assert "Publish a step" not in page
        assert "No module fits" in reader.get("/w/ours/modules/?q=nothing").content.decode()

    def test_an_empty_list_says_what_to_do(self, world: World, owner: Client, reader: Client) -> None:
        assert "Publish your first module" in owner.get("/w/ours/modules/").content.decode()
        assert "No modules yet" in reader.get("/w/ours/modules/").content.decode()

    def test_a_module_shows_ports_settings_files_versions_and_uses(
        self, world: World, reader: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        version = publish_fit(world, description="Fits <b>models</b>.", tags={"stage": "gold"})
        for number in range(1, 6):
            publish_fit(world, base=number, step={"description": f"v{number}"}, note=f"note {number}")
        for number in range(5):
            pipeline_with(world, use(), name=f"pipeline {number}")
        reader.get(f"/w/ours/modules/{version.module_id}/")  # its sources are read once
        with django_assert_max_num_queries(14):
            page = reader.get(f"/w/ours/modules/{version.module_id}/?file=main.py").content.decode()
        for text in ("version 6", "note 5", "pipeline 4", "gold", "print(1)", "Fits &lt;b&gt;models", "rate", "0.5"):
            assert text in page, text
        assert "Disable" not in page
        old = reader.get(f"/w/ours/modules/{version.module_id}/?version=1").content.decode()
        assert "version 1<" in old
        for wrong in ("?version=9", "?version=x", "?file=none.py"):
            assert reader.get(f"/w/ours/modules/{version.module_id}/{wrong}").status_code == 404

    def test_publishing_from_a_step(self, world: World, owner: Client) -> None:
        pipeline = saved(world)
        assert "Choose the pipeline" in owner.get("/w/ours/modules/publish/").content.decode()
        assert "source" in owner.get("/w/ours/modules/publish/").content.decode()
        steps = owner.get(f"/w/ours/modules/publish/?pipeline={pipeline}").content.decode()
        assert "step=fit" in steps
        address = f"/w/ours/modules/publish/?pipeline={pipeline}&step=fit"
        form = owner.get(address)
        assert form.status_code == 200
        assert 'name="input-data-type"' in form.content.decode()
        given = {
            "name": "fit",
            "description": "Fits.",
            "tags": "stage=gold",
            "note": "First.",
            "input-data-type": "folder",
            "input-data-description": "what it learns from",
            "output-out-description": "the model",
            "parameter-rate-description": "how fast",
        }
        made = owner.post(address, given)
        version = ModuleVersion.objects.get()
        assert made.headers["Location"] == f"/w/ours/modules/{version.module_id}/"
        ports = version.definition
        assert (ports.inputs[0].type, ports.inputs[0].description) == ("folder", "what it learns from")
        assert (ports.outputs[0].description, ports.parameters[0].description) == ("the model", "how fast")
        assert version.module.tags.tags == {"stage": "gold"}

    def test_a_next_version_is_shown_before_it_is_published(self, world: World, owner: Client) -> None:
        publish_fit(world, step={"outputs": [{"name": "out"}, {"name": "log"}]})
        address = f"/w/ours/modules/publish/?pipeline={saved(world)}&step=fit"
        given = {"name": "fit", "input-data-type": "any"}
        shown = owner.post(address, given).content.decode()
        assert "The output “log” is gone." in shown
        assert 'name="seen" value="1 fit"' in shown
        assert ModuleVersion.objects.count() == 1
        unaccepted = owner.post(address, {**given, "seen": "1 fit"})
        assert unaccepted.status_code == 422
        assert ModuleVersion.objects.count() == 1
        assert owner.post(address, {**given, "seen": "1 fit", "accept_breaking": "yes"}).status_code == 302
        # What was seen is no longer so.
        again = owner.post(address, {**given, "seen": "1 fit", "note": "late", "input-data-type": "folder"})
        assert again.status_code == 200
        assert ModuleVersion.objects.count() == 2

    def test_a_next_version_begins_with_what_the_last_one_says(self, world: World, owner: Client) -> None:
        publish_fit(world, words=typed("folder", description="what it learns from"))
        pipeline = saved(world)
        assert "next version of “fit”" in owner.get("/w/ours/modules/publish/?module=fit").content.decode()
        steps = owner.get(f"/w/ours/modules/publish/?pipeline={pipeline}&module=fit").content.decode()
        assert "step=fit&amp;module=fit" in steps
        form = owner.get(f"/w/ours/modules/publish/?pipeline={pipeline}&step=fit&module=fit").content.decode()
        assert 'value="fit"' in form
        assert 'value="folder" selected' in form
        assert 'value="what it learns from"' in form

    def test_what_is_wrong_is_said_and_kept(self, world: World, owner: Client) -> None:
        address = f"/w/ours/modules/publish/?pipeline={saved(world)}&step=fit"
        answer = owner.post(address, {"name": "<b>x", "note": "n" * 501, "input-data-type": "any"})
        page = answer.content.decode()
        assert answer.status_code == 422
        assert "&lt;b&gt;x" in page
        assert "starting with a letter or digit" in page
        assert not Module.objects.exists()

    def test_steps_that_cant_be_published_say_why(self, world: World, owner: Client) -> None:
        pipeline = world.pipeline(
            world.step("load"), {"kind": "wait", "name": "rest", "duration": "5"}, name="mixed"
        ).pk
        page = owner.get(f"/w/ours/modules/publish/?pipeline={pipeline}&step=rest").content.decode()
        assert "can&#x27;t be a module" in page
        for wrong in ("pipeline=999999", "pipeline=x", f"pipeline={pipeline}&version=9"):
            assert owner.get(f"/w/ours/modules/publish/?{wrong}").status_code == 404
