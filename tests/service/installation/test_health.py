"""/healthz names each part, and tells no more than that."""

from typing import Any

import pytest
import redis
from django.test import Client

from studio.installation import health
from studio.installation.tasks import heartbeat
from tests.support.servers.ports import free_port


@pytest.fixture(autouse=True)
def _fresh(redis_server: redis.Redis) -> None:
    redis_server.flushall()


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
