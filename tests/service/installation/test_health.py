"""/healthz names each part, and tells no more than that."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.db import connection
from django.test import Client

from studio.installation import health
from studio.installation.tasks import heartbeat
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_for


@pytest.fixture(autouse=True)
def _fresh(redis_server: redis.Redis) -> None:
    redis_server.flushall()


@pytest.fixture
def frozen_server() -> Iterator[int]:
    """The port of one that is connected to by the kernel alone, and says nothing: as a frozen one does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def ask() -> tuple[int, dict[str, Any]]:
    answer = Client().get("/healthz")
    return answer.status_code, answer.json()


@pytest.mark.django_db
def test_everything_answers() -> None:
    heartbeat()
    assert ask() == (200, {"status": "ok", "database": "ok", "redis": "ok", "control_worker": "ok"})


@pytest.mark.django_db
def test_a_silent_control_worker_is_named() -> None:
    status, parts = ask()
    assert status == 503
    assert parts["control_worker"].startswith("silent")
    assert (parts["database"], parts["redis"]) == ("ok", "ok")


def test_the_heartbeat_is_forgotten_by_itself(redis_server: redis.Redis) -> None:
    heartbeat()
    assert 0 < redis_server.ttl(health.CONTROL_KEY) <= health.CONTROL_EXPIRES_S


@pytest.mark.django_db
def test_a_redis_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    away = redis.Redis(port=1, socket_connect_timeout=1)
    monkeypatch.setattr(health, "redis_client", lambda: away)
    status, parts = ask()
    assert status == 503
    assert parts["redis"] == "does not answer"


@pytest.mark.django_db
def test_a_redis_that_is_frozen_is_named_in_time(
    monkeypatch: pytest.MonkeyPatch, settings: Any, frozen_server: int
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{frozen_server}/0"
    monkeypatch.setattr(health, "redis_client", health.redis_client.__wrapped__)
    began_s = time.monotonic()
    status, parts = ask()
    assert (status, parts["redis"], parts["control_worker"]) == (503, "does not answer", "unknown without redis")
    assert time.monotonic() - began_s < 2 * health.ANSWERS_WITHIN_S


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="a file is no server that could be frozen")
@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_frozen_is_named_in_time_and_its_pages_say_so(
    monkeypatch: pytest.MonkeyPatch, frozen_server: int
) -> None:
    heartbeat()
    connection.close()
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        away.setitem(connection.settings_dict, "PORT", str(frozen_server))
        for _ in range(6):  # more questions than may wait
            status, parts = ask()
            assert (status, parts["database"], parts["redis"]) == (503, "does not answer", "ok")
        # Nothing but its own patience ends this wait.
        client = Client(raise_request_exception=False)
        client.cookies["studio_session"] = "a-session-that-has-to-be-looked-up"
        assert client.get("/").status_code == 503
    connection.close()
    wait_for(lambda: ask()[1]["database"] == "ok", what="it is found again")


@pytest.mark.django_db
def test_a_broker_of_its_own_that_is_away_is_named(settings: Any) -> None:
    heartbeat()
    settings.CELERY_BROKER_URL = f"amqp://guest:guest@127.0.0.1:{free_port()}//"
    status, parts = ask()
    assert status == 503
    assert parts["broker"] == "does not answer"
    assert (parts["redis"], parts["control_worker"]) == ("ok", "ok")


@pytest.mark.django_db
def test_only_reading_is_allowed() -> None:
    assert Client().post("/healthz").status_code == 405
