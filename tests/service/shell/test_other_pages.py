import pytest
from django.test import Client, RequestFactory
from django.views.defaults import server_error

from pipelines.help_texts import PERMISSION_WORDS, RUN_STATE_WORDS, STATE_WORDS, Picture, run_picture, step_picture
from pipelines.states import RUN_TRANSITIONS, STEP_TRANSITIONS, RunStatus, StepStatus
from studio.lib.transitions import Transitions
from studio.workspaces.models import Role
from studio.workspaces.permissions import Permission
from tests.service.shell.conftest import Room


def test_help_has_a_word_for_everything_there_is() -> None:
    assert set(PERMISSION_WORDS) == set(Permission)
    assert set(STATE_WORDS) == set(StepStatus)
    assert set(RUN_STATE_WORDS) == set(RunStatus)


@pytest.mark.parametrize(
    ("picture", "transitions"), [(run_picture(), RUN_TRANSITIONS), (step_picture(), STEP_TRANSITIONS)]
)
def test_the_pictures_show_every_state_and_every_transition(picture: Picture, transitions: Transitions) -> None:
    assert {box.status for box in picture.boxes} == set(transitions)
    assert len(picture.paths) == sum(len(targets) for targets in transitions.values())
    assert len({(box.x, box.y) for box in picture.boxes}) == len(picture.boxes)


def test_help_shows_roles_and_states(room: Room) -> None:
    page = room.client().get("/help/").content.decode()
    for words in ("Submit and cancel runs", "Preparing", "${{inputs.NAME}}", ".amlignore", "/api/schema/"):
        assert words in page


def test_the_first_page_is_the_first_workspaces(room: Room) -> None:
    assert room.client().get("/").headers["Location"] == room.url("pipelines/")
    assert room.client().get(room.url()).headers["Location"] == room.url("pipelines/")


def test_a_workspace_is_made_on_its_page(room: Room) -> None:
    client = room.client()
    answer = client.post("/workspaces/new/", {"name": "Second", "slug": "second"}, follow=True)
    assert answer.redirect_chain[-1][0] == "/w/second/pipelines/"
    assert "You are its owner." in answer.content.decode()
    refused = client.post("/workspaces/new/", {"name": "Third", "slug": "second"})
    assert refused.status_code == 400
    assert "exists already" in refused.content.decode()
    assert 'value="Third"' in refused.content.decode()


def test_the_switcher_lists_my_workspaces_only(room: Room, other_room: Room) -> None:
    page = room.client().get(room.url("pipelines/")).content.decode()
    assert "Ours" in page
    assert "Theirs" not in page


def test_pages_that_are_not_there_say_what_to_do(room: Room, other_room: Room) -> None:
    client = room.client()
    for path in ("/nowhere/", other_room.url("pipelines/"), "/w/no-such/pipelines/", room.url("pipelines/999/")):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "There is nothing here" in answer.content.decode()
    assert Client().get("/nowhere/").status_code == 404


def test_what_a_role_may_not_says_who_helps(room: Room) -> None:
    reader = room.member(Role.READER)
    answer = room.client(reader).post(room.url("members/rename/"), {"name": "x"})
    assert answer.status_code == 403
    assert "Ask an owner of it." in answer.content.decode()


def test_a_form_without_its_token_changes_nothing(room: Room) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(room.owner, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post("/workspaces/new/", {"name": "x", "slug": "x"})
    assert answer.status_code == 403
    assert "This form was too old" in answer.content.decode()


def test_our_own_failure_has_a_page_that_needs_nothing() -> None:
    answer = server_error(RequestFactory().get("/"))
    assert answer.status_code == 500
    assert "What is running goes on running" in answer.content.decode()


@pytest.mark.django_db
def test_every_page_forbids_scripts_of_others(room: Room) -> None:
    for path in ("/help/", room.url("pipelines/"), "/nowhere/", "/admin/"):
        policy = room.client().get(path).headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe-eval" not in policy


def test_no_template_holds_a_script_or_a_handler_of_its_own() -> None:
    import re

    from django.conf import settings

    inline = re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)|\son[a-z]+=|hx-on|javascript:")
    found = [
        str(path.relative_to(settings.BASE_DIR))
        for path in (settings.BASE_DIR / "templates").rglob("*.html")
        if inline.search(path.read_text())
    ]
    assert found == []
