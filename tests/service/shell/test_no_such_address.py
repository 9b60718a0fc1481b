"""Addresses that there are none of, and those that only lack the slash at their end."""

import pytest
from django.test import Client

from tests.service.shell.conftest import Room


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_programs_get_json_and_people_a_page(room: Room, method: str) -> None:
    answer = getattr(room.client(), method)("/api/workspaces/nothing/here/")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert "/api/ lists" in answer.json()["detail"]
    page = getattr(room.client(), method)("/nothing/here/")
    assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_a_stranger_learns_no_more(db: None) -> None:
    assert Client().get("/api/workspaces/nothing/here/").status_code == 404


def test_a_request_without_its_last_slash_stays_what_it_was(room: Room) -> None:
    address = f"/api/workspaces/{room.workspace.slug}/pipelines"
    sent_on = room.client().post(address, {"name": "a"}, content_type="application/json")
    assert (sent_on.status_code, sent_on["Location"]) == (308, f"{address}/")
    followed = room.client().post(address, {"name": "a"}, content_type="application/json", follow=True)
    assert followed.status_code == 201
    assert room.client().get(address, follow=True).json()["count"] == 1
