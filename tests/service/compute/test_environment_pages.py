"""The pages of environments: versions, what changed between them, and mistakes told by line."""

import html

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compute.models import Environment
from compute.services import create_environment
from compute.spec import EnvironmentSpec
from studio.workspaces.models import Role
from tests.service.compute.pages_world import World, make_world

pytestmark = pytest.mark.django_db

LIST = "/w/ours/environments/"


@pytest.fixture
def world() -> World:
    Environment.objects.create(workspace=None, name="python", version=1, spec=EnvironmentSpec())
    return make_world()


def version(world: World, *pip: str, name: str = "forecast", python: str = "3.11") -> Environment:
    spec = EnvironmentSpec(python_version=python, pip=list(pip))
    return create_environment(workspace=world.ours, name=name, spec=spec, created_by=None)


def test_the_list_has_the_newest_version_of_each_and_no_other_workspaces(world: World) -> None:
    version(world, "pandas")
    newest = version(world, "pandas", "numpy")
    create_environment(workspace=world.theirs, name="theirs-only", spec=EnvironmentSpec(), created_by=None)
    text = world.client(Role.READER).get(LIST).content.decode()
    assert f"{LIST}{newest.pk}/" in text
    assert text.count(">forecast<") == 1
    assert "python" in text
    assert "theirs-only" not in text


def test_the_list_is_searched_and_its_queries_do_not_grow(world: World) -> None:
    client = world.client()
    version(world, "pandas")
    client.get(LIST)
    with CaptureQueriesContext(connection) as few:
        client.get(LIST)
    for number in range(10):
        version(world, f"package{number}", name=f"other-{number}")
    with CaptureQueriesContext(connection) as many:
        client.get(LIST)
    assert len(many) == len(few)
    found = client.get(LIST, {"q": "FORE"}).content.decode()
    assert ">forecast<" in found
    assert "other-3" not in found


def test_a_version_is_shown_beside_the_one_before(world: World) -> None:
    version(world, "pandas>=2.2", "numpy<2", "Prophet==1.1.5")
    after = version(world, "pandas>=2.2", "prophet==1.1.6", "holidays")
    text = html.unescape(world.client().get(f"{LIST}{after.pk}/").content.decode())
    lines = [part.split("</li>")[0] for part in text.split('<li class="spec-')[1:]]
    order = [line.split('"')[0] for line in lines]
    assert order == ["same", "removed", "added", "added", "removed"]
    assert "Prophet==1.1.5" in lines[1]
    assert "numpy<2" in lines[4]


def test_mistakes_are_told_by_line(world: World) -> None:
    given = {"name": "mine", "python_version": "3.11", "requirements": "pandas\n\n# a comment\n-e .\nnumpy==\n"}
    answer = world.client().post(LIST + "new/", given)
    text = html.unescape(answer.content.decode())
    assert answer.status_code == 422
    assert "Line 4: “-e .” is an editable install" in text
    assert "Line 5: “numpy==”" in text
    assert "-e ." in text.split("<textarea")[1].split("</textarea>")[0]  # nothing that was typed is lost


def test_a_contributor_makes_one_and_a_version_of_it(world: World) -> None:
    client = world.client(Role.CONTRIBUTOR)
    first = {"name": "mine", "python_version": "3.11", "requirements": "pandas  # tables\n\nnumpy\n"}
    made = client.post(LIST + "new/", first)
    one = Environment.objects.get(workspace=world.ours, name="mine")
    assert made.headers["Location"] == f"{LIST}{one.pk}/"
    assert one.spec.pip == ["pandas", "numpy"]
    again = f"{LIST}new/?from={one.pk}"
    assert "pandas\nnumpy</textarea>" in client.get(again).content.decode()
    client.post(again, {"python_version": "3.11", "requirements": "pandas"})
    assert Environment.objects.get(workspace=world.ours, name="mine", version=2).spec.pip == ["pandas"]


def test_saving_what_is_there_makes_no_version(world: World) -> None:
    one = version(world, "pandas")
    answer = world.client().post(
        f"{LIST}new/?from={one.pk}", {"python_version": "3.11", "requirements": "pandas"}, follow=True
    )
    assert "Nothing changed" in answer.content.decode()
    assert Environment.objects.filter(name="forecast").count() == 1


def test_a_taken_name_is_told_where_a_new_one_was_meant(world: World) -> None:
    version(world, "pandas")
    for name, words in (("forecast", "open it to add a version"), ("python", "comes with the studio")):
        given = {"name": name, "python_version": "3.11", "requirements": ""}
        assert words in html.unescape(world.client().post(LIST + "new/", given).content.decode())


def test_readers_look_and_strangers_see_nothing(world: World) -> None:
    theirs = create_environment(workspace=world.theirs, name="hidden", spec=EnvironmentSpec(), created_by=None)
    reader = world.client(Role.READER)
    assert reader.get(LIST + "new/").status_code == 403
    assert reader.post(LIST + "new/", {"name": "x"}).status_code == 403
    assert reader.get(f"{LIST}{theirs.pk}/").status_code == 404
    assert world.client().get(f"{LIST}new/?from={theirs.pk}").status_code == 404
