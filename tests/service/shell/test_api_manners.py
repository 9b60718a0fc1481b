"""What every answer of the API has, whatever it is about: problem details, and how often one may ask."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from studio.lib import rates
from studio.lib.problems import Problem
from studio.workspaces.models import Role
from tests.service.pipelines.world import World

WS = "/api/workspaces/ours"


@pytest.fixture
def world(db: None) -> World:
    return World.make()


def owner_of(world: World) -> Client:
    client = Client()
    client.force_login(world.owner)
    return client


@pytest.mark.parametrize(
    ("loc", "pointer"),
    [((), "#"), (("steps", 2, "name"), "#/steps/2/name"), (("parameters", "a/b~c d%"), "#/parameters/a~1b~0c%20d%25")],
)
def test_a_field_has_a_pointer(loc: tuple[str | int, ...], pointer: str) -> None:
    assert Problem(loc, "wrong").pointer == pointer


def problem_of(answer: Any, status: int, title: str) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert (said["type"], said["title"], said["status"]) == ("about:blank", title, status)
    assert said["detail"]
    return said


def test_whatever_is_wrong_comes_as_problem_details(world: World) -> None:
    client, reader = owner_of(world), Client()
    reader.force_login(world.member("reader", Role.READER))
    wrong = client.post(f"{WS}/pipelines/", {"nmae": "x"}, content_type="application/json")
    rows = problem_of(wrong, 400, "Bad Request")["problems"]
    assert [row["pointer"] for row in rows] == ["#/name", "#/nmae"]
    problem_of(client.post(f"{WS}/pipelines/", "{", content_type="application/json"), 400, "Bad Request")
    problem_of(Client().get(f"{WS}/runs/"), 401, "Unauthorized")
    problem_of(reader.post(f"{WS}/pipelines/", {"name": "x"}, content_type="application/json"), 403, "Forbidden")
    problem_of(client.get(f"{WS}/runs/999999/"), 404, "Not Found")
    problem_of(client.get("/api/nowhere/"), 404, "Not Found")
    problem_of(client.delete(f"{WS}/runs/"), 405, "Method Not Allowed")
    problem_of(client.post(f"{WS}/pipelines/", "x", content_type="text/html"), 415, "Unsupported Media Type")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, settings: Any) -> dict[str, int]:
    spent: dict[str, int] = {}

    def spend(caller: str) -> rates.Spent:
        spent[caller] = spent.get(caller, 0) + 1
        return rates.Spent(settings.API_RATE, settings.API_RATE - spent[caller], 17)

    monkeypatch.setattr(rates, "spend", spend)
    settings.API_RATE = 2
    return spent


def test_who_asks_too_often_is_told_when_to_come_again(world: World, counted: dict[str, int]) -> None:
    client, other = owner_of(world), Client()
    other.force_login(world.member("reader", Role.READER))
    first = client.get(f"{WS}/runs/")
    assert (first.headers["RateLimit"], first.headers["RateLimit-Policy"]) == ('"api";r=1;t=17', '"api";q=2;w=60')
    assert client.get(f"{WS}/runs/").status_code == 200
    answer = client.get(f"{WS}/runs/")
    problem_of(answer, 429, "Too Many Requests")
    assert (answer.headers["Retry-After"], answer.headers["RateLimit"]) == ("17", '"api";r=0;t=17')
    assert other.get(f"{WS}/runs/").status_code == 200
    assert len(counted) == 2
    assert "RateLimit" not in client.get(reverse("help")).headers


def test_nobody_is_counted_where_there_is_no_limit(world: World, counted: dict[str, int], settings: Any) -> None:
    settings.API_RATE = 0
    assert "RateLimit" not in owner_of(world).get(f"{WS}/runs/").headers
    assert not counted


def test_without_redis_nobody_is_counted_and_few_wait(
    world: World, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    rates._redis.cache_clear()
    monkeypatch.setitem(rates._away, "until", 0.0)
    try:
        assert owner_of(world).get(f"{WS}/runs/").status_code == 200
        asked: list[int] = []
        monkeypatch.setattr(rates, "_redis", lambda: asked.append(1))
        assert owner_of(world).get(f"{WS}/runs/").status_code == 200
        assert asked == []
    finally:
        monkeypatch.undo()
        rates._redis.cache_clear()
        rates._away["until"] = 0.0
