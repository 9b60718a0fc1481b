"""Compute targets and environments over REST."""

import uuid
from typing import Any

import pytest
from rest_framework.test import APIClient

from compute.models import ComputeTarget, Environment
from compute.services import create_environment
from compute.spec import EnvironmentSpec
from compute.states import JobStatus
from studio.workspaces.models import Membership, Role, User
from tests.service.compute.pages_world import World, make_world

pytestmark = pytest.mark.django_db

OURS = "/api/workspaces/ours/"


@pytest.fixture
def world() -> World:
    return make_world()


def api(world: World, role: Role = Role.OWNER) -> APIClient:
    user = User.objects.create_user(f"{role}-{uuid.uuid4().hex[:6]}")
    Membership.objects.create(workspace=world.ours, user=user, role=role)
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_a_target_says_how_busy_it_is(world: World) -> None:
    node = world.node("atlas")
    world.job("runs", JobStatus.RUNNING, lease_node=node)
    world.job("waits", workspace=world.theirs)
    body = api(world, Role.READER).get(f"{OURS}compute/{world.shared.pk}/").json()
    assert (body["name"], body["shared"], body["slots_in_use"], body["queue_length"]) == ("local", True, 1, 1)
    assert body["nodes"][0]["state"] == "alive"
    assert body["nodes"][0]["slots_in_use"] == 1
    assert "waits" not in str(body)


def test_the_list_is_paginated(world: World) -> None:
    body = api(world).get(f"{OURS}compute/?page_size=1").json()
    assert body["count"] == 2
    assert [target["name"] for target in body["results"]] == ["local"]


def test_targets_are_made_changed_and_removed_by_owners_only(world: World) -> None:
    contributor, owner = api(world, Role.CONTRIBUTOR), api(world)
    wanted: dict[str, Any] = {"name": "night", "slots": 3}
    assert contributor.post(f"{OURS}compute/", wanted, format="json").status_code == 403
    made = owner.post(f"{OURS}compute/", wanted, format="json")
    assert made.status_code == 201
    address = f"{OURS}compute/{made.json()['id']}/"
    assert owner.patch(address, {"slots": 4}, format="json").json()["slots"] == 4
    assert contributor.delete(address).status_code == 403
    assert owner.delete(address).status_code == 204
    assert owner.get(address).status_code == 404


@pytest.mark.parametrize("kind", ["local", "pool"])
def test_a_target_can_be_made_paused(world: World, kind: str) -> None:
    wanted = {"name": "night", "kind": kind, "intake": "paused"}
    made = api(world).post(f"{OURS}compute/", wanted, format="json")
    assert made.status_code == 201, made.json()
    assert made.json()["intake"] == "paused"
    assert ComputeTarget.objects.get(name="night").intake == "paused"


def test_figures_of_no_node_that_could_be_are_refused(world: World) -> None:
    answer = api(world).get(f"{OURS}compute/{world.shared.pk}/figures/?node={2**63}")
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["loc"][0] == "node"


def test_mistakes_name_their_field(world: World) -> None:
    answer = api(world).post(f"{OURS}compute/", {"name": "local"}, format="json")
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["loc"] == ["name"]
    wanted = {"name": "mine", "pip": ["pandas", "-r other.txt"]}
    answer = api(world).post(f"{OURS}environments/", wanted, format="json")
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["loc"] == ["pip", 1]
    answer = api(world).post(f"{OURS}environments/", {"name": "mine", "pip": ["pandas"] * 5000}, format="json")
    assert answer.json()["problems"] == [
        {"loc": ["pip"], "message": "An environment takes at most 500 lines here.", "pointer": "#/pip"}
    ]


def test_an_unchanged_environment_is_not_made_twice(world: World) -> None:
    client = api(world, Role.CONTRIBUTOR)
    wanted = {"name": "mine", "python_version": "3.11", "pip": ["pandas"]}
    first = client.post(f"{OURS}environments/", wanted, format="json")
    again = client.post(f"{OURS}environments/", wanted, format="json")
    changed = client.post(f"{OURS}environments/", wanted | {"pip": []}, format="json")
    assert [answer.status_code for answer in (first, again, changed)] == [201, 200, 201]
    assert (again.json()["id"], changed.json()["version"]) == (first.json()["id"], 2)
    assert client.get(f"{OURS}environments/{first.json()['id']}/").json()["pip"] == ["pandas"]
    assert [row["version"] for row in client.get(f"{OURS}environments/").json()["results"]] == [2]


def test_another_workspaces_things_are_not_there(world: World) -> None:
    theirs = create_environment(workspace=world.theirs, name="hidden", spec=EnvironmentSpec(), created_by=None)
    client = api(world)
    for method in (client.get, client.patch, client.delete):
        assert method(f"{OURS}compute/{world.foreign.pk}/").status_code == 404
    assert client.get(f"{OURS}environments/{theirs.pk}/").status_code == 404
    assert client.get("/api/workspaces/theirs/compute/").status_code == 404
    assert ComputeTarget.objects.filter(pk=world.foreign.pk).exists()


def test_the_shared_target_is_refused_to_owners(world: World) -> None:
    assert api(world).delete(f"{OURS}compute/{world.shared.pk}/").status_code == 403
    assert api(world).patch(f"{OURS}compute/{world.shared.pk}/", {"slots": 9}, format="json").status_code == 403


def test_a_form_of_too_many_fields_is_refused_in_words(world: World) -> None:
    answer = api(world).post(f"{OURS}environments/", {"name": "mine", "pip": ["x"] * 1001})
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == "A form may have 1,000 fields. Send it as JSON, or fewer at once."


def test_signed_out_is_told_so() -> None:
    assert APIClient().get(f"{OURS}compute/").status_code == 401
    assert not Environment.objects.exists()
