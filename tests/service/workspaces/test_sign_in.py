import pytest
from django.test import Client

from studio.workspaces.models import User
from tests.service.workspaces.conftest import Team

PASSWORD = "a long passphrase"


def sign_in(client: Client, username: str, password: str, **values: str) -> int:
    return client.post("/accounts/login/", {"username": username, "password": password, **values}).status_code


def test_somebody_signs_in_and_lands_on_their_pipelines(team: Team) -> None:
    client = Client()
    answer = client.post("/accounts/login/", {"username": "reader", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0] == "/w/team/pipelines/"


def test_the_page_that_was_asked_for_comes_after_signing_in(team: Team) -> None:
    client = Client()
    asked = client.get("/w/team/members/")
    assert asked.headers["Location"] == "/accounts/login/?next=/w/team/members/"
    answer = client.post(
        asked.headers["Location"], {"username": "reader", "password": PASSWORD, "next": "/w/team/members/"}
    )
    assert answer.headers["Location"] == "/w/team/members/"


def test_nobody_is_led_to_another_site(team: Team) -> None:
    answer = Client().post(
        "/accounts/login/?next=https://elsewhere.example/",
        {"username": "reader", "password": PASSWORD, "next": "https://elsewhere.example/"},
    )
    assert answer.headers["Location"] == "/"


def test_a_wrong_password_is_told_without_saying_which_of_both_is_wrong(team: Team) -> None:
    known = Client().post("/accounts/login/", {"username": "reader", "password": "wrong"}).content.decode()
    unknown = Client().post("/accounts/login/", {"username": "nobody", "password": "wrong"}).content.decode()
    assert "Username and password do not fit." in known
    assert "Username and password do not fit." in unknown


def test_after_ten_wrong_passwords_the_door_is_locked_and_says_so(team: Team) -> None:
    client = Client()
    for _ in range(9):
        assert sign_in(client, "reader", "wrong") == 200
    locked = client.post("/accounts/login/", {"username": "reader", "password": "wrong"})
    assert locked.status_code == 429
    assert "15 minutes" in locked.content.decode()
    assert sign_in(client, "reader", PASSWORD) == 429
    assert sign_in(Client(), "owner", PASSWORD) == 302, "others still come in"


def test_signing_out_needs_a_post(team: Team) -> None:
    client = Client()
    sign_in(client, "reader", PASSWORD)
    assert client.get("/accounts/logout/").status_code == 405
    assert client.post("/accounts/logout/").headers["Location"] == "/accounts/login/"
    assert client.get("/w/team/pipelines/").status_code == 302


def test_somebody_changes_their_password_and_stays_signed_in(team: Team) -> None:
    client = Client()
    sign_in(client, "reader", PASSWORD)
    new = {"old_password": PASSWORD, "new_password1": "another long one 7", "new_password2": "another long one 7"}
    assert (
        "at least 10"
        in client.post("/accounts/password/", new | {"new_password1": "x", "new_password2": "x"}).content.decode()
    )
    answer = client.post("/accounts/password/", new, follow=True)
    assert "Your password is changed." in answer.content.decode()
    team.reader.refresh_from_db()
    assert team.reader.check_password("another long one 7")


def test_somebody_without_a_workspace_is_told_what_to_do(team: Team) -> None:
    client = Client()
    sign_in(client, "stranger", PASSWORD)
    page = client.get("/").content.decode()
    assert "Ask an owner of one to add you" in page
    assert "stranger" in page


def test_somebody_who_was_switched_off_stays_outside(team: Team) -> None:
    User.objects.filter(username="reader").update(is_active=False)
    assert sign_in(Client(), "reader", PASSWORD) == 200


@pytest.mark.parametrize(
    "path", ["/", "/help/", "/w/team/", "/w/team/runs/", "/workspaces/new/", "/accounts/password/"]
)
def test_signed_out_everything_leads_to_signing_in(team: Team, path: str) -> None:
    assert Client().get(path).headers["Location"] == f"/accounts/login/?next={path}"
