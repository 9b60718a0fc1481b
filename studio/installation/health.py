"""Does the studio answer? One word for each part that it needs."""

from functools import cache
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread

import redis
from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.backoff import NoBackoff
from redis.retry import Retry

from studio.celery import app

CONTROL_KEY = "studio:alive:control"
CONTROL_EXPIRES_S = 15  # several beats of the scheduler
OK, SILENT = "ok", "does not answer"
# Whoever watches the studio is answered in time, whatever stands still.
ANSWERS_WITHIN_S = 2
_questions = BoundedSemaphore(4)  # to the database; each may wait for longer than anybody waits for it


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> JsonResponse:
    """200 where every part answers, else 503. Open to all, so it says no more than which part does not."""
    parts = {"database": _database(), "redis": _redis(), **_broker()}
    parts["control_worker"] = _control_worker() if parts["redis"] == OK else "unknown without redis"
    healthy = all(word == OK for word in parts.values())
    return JsonResponse({"status": OK if healthy else "unhealthy", **parts}, status=200 if healthy else 503)


def control_worker_lives() -> None:
    """Said by the control worker itself, in a task: it proves that broker, worker and its pool move."""
    redis_client().set(CONTROL_KEY, "1", ex=CONTROL_EXPIRES_S)


@cache
def redis_client() -> redis.Redis:
    # Asked once more where the connection broke, and never where nothing came in time.
    again = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=ANSWERS_WITHIN_S, socket_connect_timeout=ANSWERS_WITHIN_S, retry=again
    )


def _database() -> str:
    """Asked in a thread: a server that is frozen, or whose machine is gone, would be waited for until it is back."""
    if not _questions.acquire(blocking=False):
        return SILENT  # earlier questions wait still
    answers: SimpleQueue[str] = SimpleQueue()
    Thread(target=_ask_the_database, args=(answers,), name="healthz", daemon=True).start()
    try:
        return answers.get(timeout=ANSWERS_WITHIN_S)
    except Empty:
        return SILENT


def _ask_the_database(answers: "SimpleQueue[str]") -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")
        answers.put(OK)
    except Error:
        answers.put(SILENT)
    finally:
        connection.close()
        _questions.release()


def _redis() -> str:
    try:
        redis_client().ping()
    except redis.RedisError:
        return SILENT
    return OK


def _broker() -> dict[str, str]:
    """Named where it is another server than Redis."""
    url = settings.CELERY_BROKER_URL
    if url.replace("redis+socket://", "unix://") == settings.REDIS_URL:
        return {}
    try:
        with app.connection_for_write(url, connect_timeout=ANSWERS_WITHIN_S) as link:
            link.ensure_connection(max_retries=1, interval_start=0, timeout=ANSWERS_WITHIN_S)
    except Exception:  # noqa: BLE001 (each kind of broker has errors of its own)
        return {"broker": SILENT}
    return {"broker": OK}


def _control_worker() -> str:
    try:
        alive = redis_client().exists(CONTROL_KEY)
    except redis.RedisError:  # it went meanwhile
        return "unknown without redis"
    return OK if alive else f"silent for more than {CONTROL_EXPIRES_S} s"
