"""Models over REST and on their pages: what is shown, refused, downloaded, and to whom."""

import io
import json
import zipfile
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from datastores.backends import get_backend
from pipelines.registered import ModelVersion, RegisteredModel
from pipelines.services import Left
from studio.workspaces.models import Role, User
from tests.service.pipelines.models import register, trained
from tests.service.pipelines.world import World

BACKEND = "django.contrib.auth.backends.ModelBackend"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


@pytest.fixture
def client(world: World) -> Client:
    return signed_in(world.owner)


def address(name: str, *args: Any, slug: str = "ours") -> str:
    return reverse(name, args=[slug, *args])


def send(client: Client, method: str, url: str, **body: Any) -> Any:
    return client.generic(method, url, json.dumps(body), content_type="application/json")


def test_registered_listed_changed_and_deleted_over_the_api(world: World, client: Client) -> None:
    step = trained(world, artifacts={"outputs/model.pkl": b"abc"})
    what = {"run": step.run_id, "step": "train", "name": "digits"}
    made = send(client, "POST", address("api-models"), **what, output="out", tags={"task": "x"}, stage="production")
    assert made.status_code == 201
    assert (made.json()["number"], made.json()["stage"], made.json()["archived_version"]) == (1, "production", None)
    again = send(client, "POST", address("api-models"), **what, artifact="outputs/model.pkl", stage="production")
    assert (again.json()["number"], again.json()["archived_version"]) == (2, 1)
    (row,) = client.get(address("api-models")).json()["results"]
    assert (row["name"], row["latest_version"], row["production_version"], row["version_count"]) == ("digits", 2, 2, 2)
    model = row["id"]
    assert client.get(address("api-models"), {"stage": "staging"}).json()["results"] == []
    numbers = [each["number"] for each in client.get(address("api-model-versions", model)).json()["results"]]
    assert numbers == [2, 1]
    changed = send(
        client, "PATCH", address("api-model-version", model, 1), stage="production", tags={}, description="d"
    )
    assert changed.status_code == 200
    assert (changed.json()["stage"], changed.json()["archived_version"], changed.json()["tags"]) == (
        "production",
        2,
        {},
    )
    said = send(client, "PATCH", address("api-model", model), description="Digits.", tags={"a": "b"})
    assert (said.json()["description"], said.json()["tags"]) == ("Digits.", {"a": "b"})
    assert client.delete(address("api-model-version", model, 2)).status_code == 204
    assert client.delete(address("api-model", model)).status_code == 204
    assert client.get(address("api-model", model)).status_code == 404


def test_what_the_api_refuses(world: World, client: Client) -> None:
    step = trained(world)
    good = {"run": step.run_id, "step": "train", "name": "digits", "output": "out"}

    def problems(**other: Any) -> Any:
        answer = send(client, "POST", address("api-models"), **{**good, **other})
        return answer.status_code, [tuple(each["loc"]) for each in answer.json().get("problems", [])]

    assert problems(name="<b>x</b>") == (400, [("name",)])
    assert problems(output="") == (400, [("output",)])
    assert problems(artifact="outputs") == (400, [("output",)])
    assert problems(output="none") == (400, [("output",)])
    assert problems(stage="gold") == (400, [("stage",)])
    assert problems(tags={"": "x"}) == (400, [("tags", "")])
    assert problems(run=10**9)[0] == 404
    assert problems(step="none")[0] == 404
    theirs = World.make("theirs")
    assert problems(run=trained(theirs).run_id)[0] == 404
    version = register(world, step)
    bad = send(client, "PATCH", address("api-model-version", version.model_id, 1), stage="gold", description="new")
    assert bad.status_code == 400
    version.refresh_from_db()
    assert version.description == "", "all of it or nothing"
    assert client.get(address("api-model", version.model_id, slug="theirs")).status_code == 404


def test_a_reader_sees_and_downloads_and_changes_nothing(world: World) -> None:
    version = register(world, trained(world))
    rea = signed_in(world.member("rea", Role.READER))
    page = rea.get(address("models:detail", version.model_id)).content.decode()
    assert "digits" in page
    assert "To production" not in page
    assert b"".join(rea.get(address("models:download", version.model_id, 1))) != b""
    assert send(rea, "PATCH", address("api-model-version", version.model_id, 1), stage="staging").status_code == 403
    assert rea.post(address("models:stage", version.model_id, 1), {"stage": "staging"}).status_code == 403


def test_who_may_not_delete_a_model_is_shown_no_way_to(world: World, client: Client) -> None:
    version = register(world, trained(world))
    other = signed_in(world.member("other", Role.CONTRIBUTOR))
    address = f"/w/ours/models/{version.model_id}/edit/"
    assert "Delete model" in client.get(address).content.decode()
    assert "Delete model" not in other.get(address).content.decode()
    said = other.post(f"/w/ours/models/{version.model_id}/delete/", follow=True).content.decode()
    assert "Somebody else registered this." in said
    assert RegisteredModel.objects.exists()


def test_downloads(world: World, client: Client) -> None:
    step = trained(world, artifacts={"outputs/model/a.bin": b"abc", "outputs/model/deep/b.bin": b"de"})
    folder = register(world, step, left=Left(artifact="outputs/model"))
    answer = client.get(address("api-model-download", folder.model_id, 1))
    assert 'filename="digits-1.zip"' in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(b"".join(answer))) as archive:
        assert sorted(archive.namelist()) == ["digits-1/a.bin", "digits-1/deep/b.bin"]
        assert archive.read("digits-1/a.bin") == b"abc"
    part = client.get(address("models:download", folder.model_id, 1), {"path": "deep/b.bin"})
    assert b"".join(part) == b"de"
    file = register(world, step, "one", left=Left(artifact="outputs/model/a.bin"))
    alone = client.get(address("api-model-download", file.model_id, 1))
    assert b"".join(alone) == b"abc"
    assert client.get(address("api-model-download", folder.model_id, 1), {"path": "../../logs"}).status_code in {
        400,
        404,
    }
    listed = client.get(address("api-model-files", folder.model_id, 1)).json()
    assert (listed["condition"], [each["name"] for each in listed["entries"]]) == ("there", ["deep", "a.bin"])


def test_the_pages_say_that_files_are_gone(world: World, client: Client) -> None:
    version = register(world, trained(world))
    there = client.get(address("models:files", version.model_id, 1)).content.decode()
    assert "data.txt" in there
    get_backend(world.datastore).delete(version.path)
    gone = client.get(address("models:files", version.model_id, 1)).content.decode()
    assert "The files are gone" in gone
    assert client.get(address("api-model-files", version.model_id, 1)).json()["condition"] == "gone"
    answer = client.get(address("models:download", version.model_id, 1))
    assert answer.status_code == 302


def test_the_form_registers_what_a_step_left(world: World, client: Client) -> None:
    step = trained(world)
    url = f"{address('models:register')}?run={step.run_id}&step=train&output=out"
    register(world, step, "older")
    assert '<option value="older">' in client.get(url).content.decode()
    refused = client.post(url, {"name": "a b", "tags": '"x', "stage": "none"})
    assert refused.status_code == 400
    assert "They come in pairs" in refused.content.decode()
    refused = client.post(url, {"name": "Older", "stage": "none"})
    assert "There is a model “older”" in refused.content.decode()
    done = client.post(url, {"name": "digits", "tags": "task=digits", "description": "x", "stage": "production"})
    version = ModelVersion.objects.get(model__name="digits")
    assert done.headers["Location"] == f"{address('models:detail', version.model_id)}?version=1"
    assert (version.stage, version.tags.tags) == ("production", {"task": "digits"})
    assert client.get(address("models:register")).status_code == 404
    assert client.get(f"{address('models:register')}?run=99999&step=train&output=out").status_code == 404


def test_the_stage_is_set_on_the_page(world: World, client: Client) -> None:
    step = trained(world)
    one, two = register(world, step, stage="production"), register(world, step)
    page = client.get(address("models:detail", two.model_id)).content.decode()
    assert "Version 1 is in production now." in page
    client.post(address("models:stage", two.model_id, 2), {"stage": "production", "replaces": "1"})
    one.refresh_from_db()
    assert one.stage == "archived"
    late = client.post(address("models:stage", two.model_id, 1), {"stage": "production", "replaces": ""}, follow=True)
    assert "Version 2 went into production meanwhile" in late.content.decode()


def test_a_tag_and_a_parameter_of_awkward_names(world: World, client: Client) -> None:
    version = register(world, trained(world), tags={"items": "<i>x</i>"})
    page = client.get(address("models:detail", version.model_id)).content.decode()
    assert "&lt;i&gt;x&lt;/i&gt;" in page


def test_a_model_without_versions_says_so(world: World, client: Client) -> None:
    version = register(world, trained(world))
    client.post(address("models:version_delete", version.model_id, 1))
    assert "No version is left" in client.get(address("models:detail", version.model_id)).content.decode()
    assert "every version was deleted" in client.get(address("models:list")).content.decode()
    client.post(address("models:delete", version.model_id))
    assert not RegisteredModel.objects.exists()
    assert "No models yet" in client.get(address("models:list")).content.decode()


@pytest.mark.parametrize("count", [1, 12])
def test_no_query_per_row(world: World, client: Client, count: int) -> None:
    step = trained(world)
    for number in range(count):
        version = register(world, step, f"m{number}")
        register(world, step, f"m{number}", stage="production")
    for url, most in (
        (address("models:list"), 8),
        (f"{address('models:detail', version.model_id)}?tab=versions", 13),
        (address("models:lineage", version.model_id, 1), 12),
        (address("api-models"), 7),
    ):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url).status_code == 200
        assert len(queries) <= most, f"{url}: {len(queries)}"
