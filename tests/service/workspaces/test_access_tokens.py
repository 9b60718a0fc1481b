"""API tokens: each opens what it is for, and nothing else; its person sees it and can take it away."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from studio.workspaces import services, tokens
from studio.workspaces.models import AccessToken, AuditEvent, Role, User, Workspace
from tests.service.workspaces.conftest import Team

HERE, MEMBERS, TOKENS = "/api/workspaces/team/", "/api/workspaces/team/members/", "/api/tokens/"
ADDED = {"who": "stranger", "role": "reader"}


def bearer(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def made(user: User, **about: Any) -> APIClient:
    return bearer(tokens.make_token(user, **{"name": "a job", **about}).secret)


@pytest.fixture
def elsewhere(team: Team) -> Workspace:
    return services.create_workspace(name="Elsewhere", slug="elsewhere", owner=team.owner)


def test_a_token_for_one_workspace_opens_no_other(team: Team, elsewhere: Workspace) -> None:
    client = made(team.owner, workspace="team")
    assert client.get(HERE).json()["role"] == "owner"
    refused, none = client.get("/api/workspaces/elsewhere/"), client.get("/api/workspaces/nowhere/")
    assert (refused.status_code, refused.content) == (404, none.content.replace(b"nowhere", b"elsewhere"))
    assert [row["slug"] for row in client.get("/api/workspaces/").json()["results"]] == ["team"]
    assert made(team.owner).get("/api/workspaces/elsewhere/").status_code == 200


def test_a_token_opens_nothing_once_its_workspace_is_gone(team: Team, elsewhere: Workspace) -> None:
    client = made(team.owner, workspace="elsewhere")
    elsewhere.delete()
    assert client.get(HERE).status_code == 404
    assert client.get("/api/workspaces/").json()["results"] == []


def test_a_token_for_a_role_does_no_more_than_that_role(team: Team) -> None:
    client = made(team.owner, role=Role.READER)
    assert client.get(HERE).json()["permissions"] == ["view"]
    refused = client.post(MEMBERS, ADDED, format="json")
    assert refused.status_code == 403
    assert "This token may do no more than a reader may." in refused.json()["detail"]
    assert made(team.owner, role=Role.OWNER).post(MEMBERS, ADDED, format="json").status_code == 201


def test_a_token_for_a_role_lifts_nobody(team: Team) -> None:
    client = made(team.reader, role=Role.OWNER)
    assert client.get(HERE).json()["permissions"] == ["view"]
    assert "Your role in this workspace, reader" in client.post(MEMBERS, ADDED, format="json").json()["detail"]


@pytest.mark.parametrize("about", [{"workspace": "team"}, {"role": "reader"}, {"role": "owner"}])
def test_a_lesser_token_makes_no_other_and_takes_none_away(team: Team, about: dict[str, str]) -> None:
    whole = tokens.make_token(team.owner, name="whole").row
    client = made(team.owner, **about)
    assert client.post(TOKENS, {"name": "more"}, format="json").status_code == 403
    assert client.get(TOKENS).status_code == 403
    assert client.delete(f"{TOKENS}{whole.pk}/").status_code == 403
    assert client.post("/api/workspaces/", {"name": "New", "slug": "new"}, format="json").status_code == 403
    assert AccessToken.objects.filter(pk=whole.pk).exists()


def test_a_token_is_made_listed_used_and_taken_away(team: Team) -> None:
    client = made(team.owner)
    asked = {"name": "nightly", "workspace": "team", "role": "contributor", "days": 7}
    answer = client.post(TOKENS, asked, format="json")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    new = answer.json()
    assert {name: new[name] for name in ("name", "workspace", "role", "last_used_at")} == {
        "name": "nightly",
        "workspace": "team",
        "role": "contributor",
        "last_used_at": None,
    }
    assert bearer(new["token"]).get(HERE).status_code == 200
    rows = client.get(TOKENS).json()["results"]
    assert [row["name"] for row in rows] == ["nightly", "a job"]
    assert rows[0]["last_used_at"] is not None
    assert new["token"] not in client.get(TOKENS).content.decode()
    assert client.delete(f"{TOKENS}{new['id']}/").status_code == 204
    assert bearer(new["token"]).get(HERE).status_code == 401
    assert not AuthToken.objects.filter(token_key=new["starts_with"]).exists()
    verbs = AuditEvent.objects.filter(target="nightly").order_by("pk").values_list("verb", "workspace__slug")
    assert list(verbs) == [("api_token.create", "team"), ("api_token.revoke", "team")]


def test_nobody_takes_away_the_token_of_another(team: Team) -> None:
    row = tokens.make_token(team.owner, name="mine").row
    assert made(team.contributor).delete(f"{TOKENS}{row.pk}/").status_code == 404
    page = Client()
    page.force_login(team.contributor)
    assert page.post(f"/accounts/tokens/{row.pk}/revoke/").status_code == 404
    assert AccessToken.objects.filter(pk=row.pk).exists()


def test_an_expired_token_opens_nothing_and_is_not_listed(team: Team) -> None:
    new = tokens.make_token(team.owner, name="short", days=1)
    AuthToken.objects.filter(pk=new.row.token_id).update(expiry=timezone.now() - timedelta(seconds=1))
    assert list(tokens.tokens_of(team.owner)) == []
    assert bearer(new.secret).get(HERE).status_code == 401


def test_the_last_use_costs_one_write_a_minute(team: Team, django_assert_num_queries: Any) -> None:
    new = tokens.make_token(team.owner, name="busy")
    client = bearer(new.secret)
    client.get(HERE)
    first = AccessToken.objects.get(pk=new.row.pk).last_used_at
    client.get(HERE)
    assert AccessToken.objects.get(pk=new.row.pk).last_used_at == first
    AccessToken.objects.update(last_used_at=timezone.now() - timedelta(seconds=tokens.USED_TO_S + 1))
    client.get(HERE)
    assert AccessToken.objects.get(pk=new.row.pk).last_used_at > first


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "x", "workspace": "elsewhere"}, "workspace"),
        ({"name": "x", "workspace": "nowhere"}, "workspace"),
        ({"name": "x", "role": "king"}, "role"),
        ({"name": "x", "days": 0}, "days"),
        ({"name": "x", "days": 10**30}, "days"),
        ({"name": "x", "day": 5}, "day"),
    ],
)
def test_mistakes_are_told_at_their_fields(team: Team, elsewhere: Workspace, wrong: dict[str, Any], field: str) -> None:
    answer = made(team.contributor).post(TOKENS, wrong, format="json")
    assert answer.status_code == 400
    assert [problem["loc"] for problem in answer.json()["problems"]] == [[field]]


def test_nobody_has_more_than_a_hundred(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_TOKENS", 2)
    client = made(team.owner)
    assert client.post(TOKENS, {"name": "x"}, format="json").status_code == 201
    assert "You have 2 tokens." in client.post(TOKENS, {"name": "x"}, format="json").json()["detail"]


def test_the_page_shows_a_new_token_once(team: Team) -> None:
    page = Client()
    page.force_login(team.owner)
    answer = page.post("/accounts/tokens/", {"name": "<b>mine</b>", "workspace": "team", "role": "", "days": "90"})
    token = AccessToken.objects.get()
    said = answer.content.decode()
    assert "&lt;b&gt;mine&lt;/b&gt;" in said
    assert "<b>mine</b>" not in said
    secret = said.partition('id="new-token">')[2].partition("<")[0]
    assert bearer(secret).get(HERE).status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    again = page.get("/accounts/tokens/").content.decode()
    assert secret not in again
    assert "begins with" in again
    assert page.post("/accounts/tokens/", {"name": ""}).status_code == 400
    assert page.post(f"/accounts/tokens/{token.pk}/revoke/").status_code == 302
    assert bearer(secret).get(HERE).status_code == 401


def test_a_token_from_before_they_had_names_goes_on(team: Team) -> None:
    _row, secret = AuthToken.objects.create(team.owner)
    assert bearer(secret).get(HERE).json()["role"] == "owner"
