"""What a page says while the database is away, and that it says so of nothing else."""

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from studio.installation import health
from tests.service.shell.conftest import Room


def _ask(client: Client, address: str) -> HttpResponse:
    """In a thread of its own, which has to connect."""

    def ask() -> HttpResponse:
        client.raise_request_exception = False
        answer = client.get(address)
        connection.close()
        return answer

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(ask).result()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["pipelines/", "runs/", "compute/"])
def test_it_says_that_it_is_the_database(
    room: Room, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = room.client()
    assert _ask(client, room.url(path)).status_code == 200
    monkeypatch.setitem(connection.settings_dict, "NAME", "/nowhere/studio.sqlite3")
    with caplog.at_level(logging.ERROR):
        answer = _ask(client, room.url(path))
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "The database does not answer now" in answer.content.decode()
    said = [record for record in caplog.records if record.name == "studio.lib.database_away"]
    assert [record.exc_info for record in said] == [None], "one line, no trace: nothing is wrong with the studio"


@pytest.mark.django_db
def test_another_failure_stays_one_of_ours(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> str:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(health, "_redis", breaks)
    answer = Client(raise_request_exception=False).get("/healthz")
    assert answer.status_code == 500
    assert "It is our fault" in answer.content.decode()
