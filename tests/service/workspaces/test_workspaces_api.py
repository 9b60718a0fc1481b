from typing import Any

from knox.models import AuthToken
from rest_framework.test import APIClient

from studio.workspaces.models import User, Workspace
from tests.service.workspaces.conftest import Team


def api(user: User) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {AuthToken.objects.create(user)[1]}")
    return client


def names(answer: Any) -> list[str]:
    return [row["username"] for row in answer.json()["results"]]


def test_a_person_lists_their_own_workspaces_only(team: Team) -> None:
    assert [row["slug"] for row in api(team.reader).get("/api/workspaces/").json()["results"]] == ["team"]
    assert api(team.stranger).get("/api/workspaces/").json()["results"] == []
    assert APIClient().get("/api/workspaces/").status_code == 401


def test_a_workspace_says_what_you_may_do_in_it(team: Team) -> None:
    answer = api(team.reader).get("/api/workspaces/team/").json()
    assert (answer["role"], answer["permissions"]) == ("reader", ["view"])
    assert api(team.stranger).get("/api/workspaces/team/").status_code == 404


def test_a_workspace_is_made_and_its_mistakes_have_places(team: Team) -> None:
    client = api(team.stranger)
    assert client.post("/api/workspaces/", {"name": "Mine", "slug": "mine"}, format="json").status_code == 201
    refused = client.post("/api/workspaces/", {"name": "Mine", "slug": "mine"}, format="json")
    assert refused.status_code == 400
    assert refused.json()["problems"][0]["loc"] == ["slug"]
    assert Workspace.objects.filter(slug="mine").count() == 1


def test_a_field_that_a_new_workspace_does_not_have_is_refused(team: Team) -> None:
    given = {"name": "Mine", "slug": "mine", "nmae": "x", "created_at": "2020-01-01"}
    refused = api(team.stranger).post("/api/workspaces/", given, format="json")
    assert refused.status_code == 400
    assert {problem["loc"][0]: problem["message"] for problem in refused.json()["problems"]} == {
        "nmae": "There is no field “nmae” here. Did you mean “name”?",
        "created_at": "There is no field “created_at” here. There are: name, slug.",
    }
    assert not Workspace.objects.filter(slug="mine").exists()


def test_an_owner_manages_members(team: Team) -> None:
    client, base = api(team.owner), "/api/workspaces/team/members/"
    assert names(client.get(base)) == ["owner", "contributor", "reader"]
    added = client.post(base, {"who": "stranger", "role": "reader"}, format="json").json()
    assert client.post(base, {"who": "stranger", "role": "reader"}, format="json").status_code == 409
    changed = client.patch(f"{base}{added['id']}/", {"role": "contributor"}, format="json")
    assert changed.json()["role"] == "contributor"
    assert client.delete(f"{base}{added['id']}/").status_code == 204
    assert client.delete(f"{base}{added['id']}/").status_code == 404
    assert client.delete(f"{base}{team.membership(team.owner).pk}/").status_code == 400


def test_nobody_else_does(team: Team) -> None:
    base = "/api/workspaces/team/members/"
    own = f"{base}{team.membership(team.contributor).pk}/"
    for user, status in ((team.contributor, 403), (team.reader, 403), (team.stranger, 404)):
        client = api(user)
        assert client.post(base, {"who": "stranger", "role": "reader"}, format="json").status_code == status
        assert client.patch(own, {"role": "owner"}, format="json").status_code == status
        assert client.delete(own).status_code == status
        assert client.patch("/api/workspaces/team/", {"name": "x"}, format="json").status_code == status
