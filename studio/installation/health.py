"""Does the studio answer? One word for each part that it needs."""

from functools import cache

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from studio.celery import app

CONTROL_KEY = "studio:alive:control"
CONTROL_EXPIRES_S = 15  # several beats of the scheduler
OK = "ok"


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> JsonResponse:
    """200 where every part answers, else 503. Open to all, so it says no more than which part does not."""
    parts = {"database": _database(), "redis": _redis(), **_broker(), "control_worker": _control_worker()}
    healthy = all(word == OK for word in parts.values())
    return JsonResponse({"status": OK if healthy else "unhealthy", **parts}, status=200 if healthy else 503)


def control_worker_lives() -> None:
    """Said by the control worker itself, in a task: it proves that broker, worker and its pool move."""
    redis_client().set(CONTROL_KEY, "1", ex=CONTROL_EXPIRES_S)


@cache
def redis_client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")
    except DatabaseError:
        return "does not answer"
    return OK


def _redis() -> str:
    try:
        redis_client().ping()
    except redis.RedisError:
        return "does not answer"
    return OK


def _broker() -> dict[str, str]:
    """Named where it is another server than Redis."""
    url = settings.CELERY_BROKER_URL
    if url.replace("redis+socket://", "unix://") == settings.REDIS_URL:
        return {}
    try:
        with app.connection_for_write(url, connect_timeout=2) as link:
            link.ensure_connection(max_retries=1, interval_start=0, timeout=2)
    except Exception:  # noqa: BLE001 (each kind of broker has errors of its own)
        return {"broker": "does not answer"}
    return {"broker": OK}


def _control_worker() -> str:
    try:
        alive = redis_client().exists(CONTROL_KEY)
    except redis.RedisError:
        return "unknown without redis"
    return OK if alive else f"silent for more than {CONTROL_EXPIRES_S} s"
