"""Locks and builds of environments on pages and over REST: seen, asked for ahead, rebuilt against the newest."""

import html
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compute.models import Environment, EnvironmentBuild, SpecificationLock
from compute.services import create_environment, ensure_curated, rebuild_environment
from compute.services.builds import end_lost_builds, next_wish
from compute.spec import EnvironmentLock, EnvironmentSpec, LockedPackage
from compute.states import BuildStatus
from studio.workspaces.models import AuditEvent, Role, User
from tests.service.compute.pages_world import World, make_world

pytestmark = pytest.mark.django_db

LIST = "/w/ours/environments/"
API = "/api/workspaces/ours/environments/"


@pytest.fixture
def world() -> World:
    return make_world()


def environment(world: World, *pip: str, name: str = "forecast", **more: Any) -> Environment:
    spec = EnvironmentSpec(pip=list(pip), **more)
    return create_environment(workspace=world.ours, name=name, spec=spec, created_by=None)


def lock(of: Environment, **versions: str) -> None:
    packages = [LockedPackage(name=name, version=version) for name, version in versions.items()]
    document = EnvironmentLock(python="3.11.7", platform="linux-64", packages=packages)
    SpecificationLock.objects.create(digest=of.digest, document=document, node_name="one")


def build(world: World, of: Environment, status: BuildStatus = BuildStatus.READY, **values: Any) -> EnvironmentBuild:
    node = values.pop("node", None)
    now = timezone.now()
    row = {"target": world.own, "node": node, "node_name": "one", "hostname": "machine-a", "place": uuid.uuid4().hex}
    row |= {"started_at": now, "finished_at": now, "size_bytes": 1_500_000, "log": " + toy==1.0"}
    return EnvironmentBuild.objects.create(digest=of.digest, spec=of.spec, status=status, **row | values)


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def test_a_version_shows_its_lock_and_what_changed_since_the_one_before(world: World) -> None:
    first = environment(world, "pandas")
    lock(first, pandas="3.0", numpy="2.0", pytz="2025.1")
    second = rebuild_environment(first, rebuilt_by=User.objects.create_user("olga"))
    client = world.client(Role.READER)
    assert "by its first build" in text_of(client, f"{LIST}{second.pk}/")
    lock(second, pandas="3.1", numpy="2.0", tzdata="2026.1")
    text = text_of(client, f"{LIST}{second.pk}/")
    assert "3 changed since version 1" in text
    rows = [part.split("</tr>")[0] for part in text.split('<tr class="change-')[1:]]
    assert [row.split('"')[0] for row in rows] == ["changed", "removed", "added"]
    assert "3.0" in rows[0]
    assert "3.1" in rows[0]
    assert "locked anew" in text
    assert "3 changed" not in text_of(client, f"{LIST}{first.pk}/")
    # What asks for something else goes back to no earlier lock, and was not rebuilt.
    third = environment(world, "polars")
    assert third.spec.generation != second.spec.generation
    text = text_of(client, f"{LIST}{third.pk}/")
    assert "polars" in text
    assert "locked anew" not in text


def test_a_rebuild_says_the_same_and_takes_no_lock_that_is_there(world: World) -> None:
    olga = User.objects.create_user("olga")
    first = environment(world, "pandas")
    lock(first, pandas="3.0")
    # Strangers locked the same requirements a year ago, and locked them anew since.
    theirs = create_environment(workspace=world.theirs, name="theirs", spec=first.spec, created_by=None)
    assert theirs.digest != first.digest
    lock(theirs, pandas="2.9")
    second = rebuild_environment(first, rebuilt_by=olga)
    assert (second.version, second.spec.pip) == (2, ["pandas"])
    assert not SpecificationLock.objects.filter(digest=second.digest).exists()
    assert (
        create_environment(workspace=world.ours, name="forecast", spec=EnvironmentSpec(pip=["pandas"]), created_by=None)
        == second
    )
    assert AuditEvent.objects.filter(verb="environment.rebuild", target="forecast:2").exists()


def test_curated_ones_are_rebuilt_by_an_administrator_alone(world: World) -> None:
    ensure_curated()
    sklearn = Environment.objects.get(name="sklearn")
    client = world.client()
    assert client.post(f"{LIST}{sklearn.pk}/rebuild/", {"target": world.own.pk}).status_code == 403
    assert "Rebuild against newest" not in text_of(client, f"{LIST}{sklearn.pk}/")
    answer = client.post(f"{API}{sklearn.pk}/rebuild/")
    assert answer.status_code == 400
    assert "an administrator rebuilds it" in answer.json()["detail"]
    root = User.objects.create_superuser("root")
    assert rebuild_environment(sklearn, rebuilt_by=root).workspace is None


def test_there_is_nothing_to_build_or_rebuild_of_a_nodes_own_python(world: World) -> None:
    inherits = environment(world, interpreter="/usr/bin/python3")
    client = world.client()
    world.node("one", target=world.own)
    for action in ("build", "rebuild"):
        answer = client.post(f"{LIST}{inherits.pk}/{action}/", {"target": world.own.pk}, follow=True)
        assert "names an interpreter on the node" in answer.content.decode()
    assert "Build ahead" not in text_of(client, f"{LIST}{inherits.pk}/")


def test_it_is_asked_of_each_machine_once(world: World) -> None:
    target = environment(world, "pandas")
    client = world.client(Role.CONTRIBUTOR)
    answer = client.post(f"{LIST}{target.pk}/build/", {"target": world.own.pk}, follow=True)
    assert "No node of “training” is alive" in html.unescape(answer.content.decode())
    one = world.node("one", target=world.own)
    world.node("one-b", target=world.own)
    world.node("two", target=world.own)
    type(one).objects.filter(name="two").update(hostname="machine-b")
    for _ in range(2):
        client.post(f"{LIST}{target.pk}/build/", {"target": world.own.pk})
    assert list(EnvironmentBuild.objects.values_list("node_name", "status").order_by("id")) == [
        ("one", "queued"),
        ("two", "queued"),
    ]
    wish = next_wish(one)
    assert wish is not None
    assert wish.spec.pip == ["pandas"]
    assert AuditEvent.objects.filter(verb="environment.build", target="forecast:1 on training").exists()
    assert client.post(f"{LIST}{target.pk}/build/", {"target": world.foreign.pk}, follow=True).status_code == 200
    assert EnvironmentBuild.objects.count() == 2


def test_a_target_that_has_a_living_node_is_offered_first(world: World) -> None:
    made = environment(world, "pandas")
    world.node("atlas", target=world.shared)

    def offered() -> list[str]:
        text = text_of(world.client(), f"{LIST}{made.pk}/")
        options = text.rpartition("Build on</span>")[2].partition("</select>")[0]
        return [part.partition("</option>")[0] for part in options.split('">')[2:]]

    assert offered() == [f"on {world.shared.name}", f"on {world.own.name} (no node lives)"]
    world.node("titan", target=world.own)
    assert offered() == [f"on {name}" for name in sorted([world.own.name, world.shared.name])]


def test_a_wish_or_build_whose_node_is_gone_ends_with_a_sentence(world: World) -> None:
    of = environment(world, "pandas")
    dead = world.node("dead", target=world.own, silent_s=3600)
    alive = world.node("alive", target=world.own)
    lost = build(world, of, BuildStatus.BUILDING, node=dead, finished_at=None)
    wish = build(world, of, BuildStatus.QUEUED, node=dead, started_at=None, finished_at=None)
    EnvironmentBuild.objects.filter(pk=wish.pk).update(created_at=timezone.now() - timedelta(minutes=5))
    going_on = build(world, of, BuildStatus.BUILDING, node=alive, finished_at=None)
    assert end_lost_builds() == 2
    for row in (lost, wish, going_on):
        row.refresh_from_db()
    assert (lost.status, wish.status, going_on.status) == ("failed", "failed", "building")
    assert "lost during the build" in lost.reason
    assert "Ask again" in wish.reason


def test_builds_are_listed_by_status_with_a_count_of_queries_that_does_not_grow(world: World) -> None:
    client = world.client(Role.READER)
    assert "No builds yet" in text_of(client, f"{LIST}builds/")
    of = environment(world, "pandas")
    build(world, of)
    text_of(client, f"{LIST}builds/")
    with CaptureQueriesContext(connection) as few:
        text_of(client, f"{LIST}builds/")
    for number in range(8):
        other = environment(world, f"package{number}", name=f"other-{number}")
        build(world, other, BuildStatus.FAILED, reason="There is no package “package1”.")
    with CaptureQueriesContext(connection) as many:
        text = text_of(client, f"{LIST}builds/")
    assert len(many) == len(few)
    assert "There is no package “package1”." in text
    assert "1.5 MB" in text
    ready = text_of(client, f"{LIST}builds/?status=ready")
    assert "forecast:1" in ready
    assert "other-3" not in ready
    assert "No build has that status" in text_of(client, f"{LIST}builds/?status=building")


def test_a_build_shows_its_log_and_why_it_failed(world: World) -> None:
    failed = build(
        world, environment(world, "pandas"), BuildStatus.FAILED, reason="Look <b>here</b>", log="<i>said</i>"
    )
    page = world.client().get(f"{LIST}builds/{failed.pk}/").content.decode()
    assert "Look &lt;b&gt;here" in page
    assert "&lt;i&gt;said" in page
    answer = world.client().get(f"{API}builds/{failed.pk}/").json()
    assert (answer["status"], answer["log"]) == ("failed", "<i>said</i>")


def test_nobody_sees_builds_of_strangers(world: World) -> None:
    hidden = create_environment(
        workspace=world.theirs, name="hidden", spec=EnvironmentSpec(pip=["secret-sauce"]), created_by=None
    )
    of = environment(world, "pandas")
    rows = [build(world, hidden, target=world.shared), build(world, of, target=world.foreign)]
    client = world.client()
    assert "No builds yet" in text_of(client, f"{LIST}builds/")
    for row in rows:
        assert client.get(f"{LIST}builds/{row.pk}/").status_code == 404
        assert client.get(f"{API}builds/{row.pk}/").status_code == 404
    assert client.get(f"{API}{of.pk}/builds/").json()["results"] == []


def test_the_api_makes_shows_locks_builds_and_rebuilds(world: World) -> None:
    client = world.client()
    file = "channels: [conda-forge]\ndependencies: [python=3.12, numpy=1.26, {pip: [toy]}]\nvariables: {TONE: blue}\n"
    wanted = {"name": "mine", "conda_file": file, "pip": ["pandas"], "setup_script": "true\n"}
    answer = client.post(API, wanted, content_type="application/json")
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["python_version"], made["pip"], made["conda"]) == ("3.12", ["pandas", "toy"], ["numpy=1.26"])
    assert (made["channels"], made["variables"]) == (["conda-forge"], {"TONE": "blue"})
    assert client.get(f"{API}{made['id']}/lock/").status_code == 404
    lock(Environment.objects.get(pk=made["id"]), pandas="3.0")
    assert client.get(f"{API}{made['id']}/lock/").json()["packages"] == [
        {"name": "pandas", "version": "3.0", "installed_by": "pip"}
    ]
    world.node("one", target=world.own)
    asked = client.post(f"{API}{made['id']}/builds/", {"target": world.own.pk}, content_type="application/json")
    assert (asked.status_code, [row["status"] for row in asked.json()]) == (202, ["queued"])
    rebuilt = client.post(f"{API}{made['id']}/rebuild/")
    assert (rebuilt.status_code, rebuilt.json()["version"]) == (201, 2)
    assert [row["version"] for row in client.get(f"{API}{made['id']}/versions/").json()["results"]] == [2, 1]


@pytest.mark.parametrize(
    ("given", "loc"),
    [
        ({"conda": ["numpy", "-e ../x"]}, ["conda", 1]),
        ({"conda": ["python=3.11"]}, ["conda", 0]),
        ({"conda": ["numpy"], "channels": ["https://u:p@example.org/c"]}, ["channels", 0]),
        ({"conda_file": "dependencies: numpy"}, ["conda_file"]),
        ({"indexes": ["nowhere"]}, ["indexes", 0]),
        ({"variables": {"API_TOKEN": "x"}}, ["variables", "API_TOKEN"]),
        ({"variables": {"PATH": "x"}}, ["variables", "PATH"]),
        ({"variables": {"a b": "x"}}, ["variables", "a b"]),
        ({"interpreter": "python3"}, ["interpreter"]),
        ({"interpreter": "/usr/bin/python3", "pip": ["numpy"]}, ["interpreter"]),
        ({"setup_script": "x" * 100_001}, ["setup_script"]),
        ({"pip": ["numpy"] * 501}, ["pip"]),
        ({"python_version": "2.7"}, ["python_version"]),
    ],
)
def test_what_is_wrong_is_told_at_its_place(world: World, given: dict[str, Any], loc: list[Any]) -> None:
    answer = world.client().post(API, {"name": "mine", **given}, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["loc"] == loc
    assert "u:p" not in answer.content.decode()


def test_the_form_takes_a_whole_conda_file_apart(world: World) -> None:
    client = world.client(Role.CONTRIBUTOR)
    file = "dependencies:\n  - python=3.11\n  - numpy=1.26\n  - pip:\n      - toy\nvariables:\n  TONE: blue\n"
    given = {"name": "mine", "python_version": "3.11", "conda": file, "requirements": "pandas", "variables": "N=4"}
    assert client.post(LIST + "new/", given).status_code == 302
    spec = Environment.objects.get(name="mine").spec
    assert (spec.conda, spec.pip, spec.variables) == (["numpy=1.26"], ["pandas", "toy"], {"TONE": "blue", "N": "4"})
    wrong = {**given, "name": "other", "conda": file.replace("- toy", "- -e ../toy"), "variables": "N=4\nnothing"}
    text = html.unescape(client.post(LIST + "new/", wrong).content.decode())
    assert "Line 2: “nothing” is not of the form NAME=value." in text
    text = html.unescape(client.post(LIST + "new/", {**wrong, "variables": ""}).content.decode())
    assert "“-e ../toy” is an editable install" in text
    assert "numpy=1.26" in text.split('name="conda"')[1].split("</textarea>")[0]


def test_a_new_version_begins_with_all_of_the_old_one(world: World) -> None:
    first = environment(world, "pandas", variables={"N": "4"}, setup_script="true\n", conda=["numpy=1.26"])
    client = world.client()
    address = f"{LIST}new/?from={first.pk}"
    page = client.get(address)
    form = page.context["form"]
    given = {name: form[name].value() or "" for name in form.fields if name != "indexes"}
    answer = client.post(address, given, follow=True)
    assert "Nothing changed" in answer.content.decode()
