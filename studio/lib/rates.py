"""How often one caller may ask the REST API, counted in Redis by the minute, and told in headers."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from studio.lib.clock import clock, steady_s

logger = logging.getLogger(__name__)
WINDOW_S = 60
# Redis may be away: then nobody is counted, and one request in a while is all that waits for it.
_PATIENCE_S = 0.5
_AWAY_S = 5.0
_away = {"until": 0.0}  # on the steady clock


@dataclass(frozen=True, slots=True)
class Spent:
    """What a caller has left of this minute."""

    limit: int
    left: int
    reset_s: int


class ApiRate(BaseThrottle):
    """`API_RATE` requests a minute for each token, or each person who is signed in; none are counted where it is 0."""

    def allow_request(self, request: Request, view: Any) -> bool:  # noqa: ARG002 (DRF's)
        self._spent = spend(_caller(request)) if settings.API_RATE else None
        if self._spent is None:
            return True
        request._request.rate = self._spent  # type: ignore[attr-defined] # noqa: SLF001 (for the headers)
        return self._spent.left >= 0

    def wait(self) -> float | None:
        return self._spent.reset_s if self._spent else None


class RateHeaders:
    """Middleware: `RateLimit` and `RateLimit-Policy`, as the IETF's draft has them, with every counted answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self.get_response(request)
        spent: Spent | None = getattr(request, "rate", None)
        if spent is not None:
            answer.headers["RateLimit-Policy"] = f'"api";q={spent.limit};w={WINDOW_S}'
            answer.headers["RateLimit"] = f'"api";r={max(0, spent.left)};t={spent.reset_s}'
        return answer


def spend(caller: str) -> Spent | None:
    """Count one request. None where Redis is away."""
    if steady_s() < _away["until"]:
        return None
    now = int(clock.now().timestamp())
    key = f"studio:rate:{caller}:{now // WINDOW_S}"
    try:
        with _redis().pipeline(transaction=False) as together:
            together.incr(key)
            together.expire(key, 2 * WINDOW_S)
            count = int(together.execute()[0])
    except redis.RedisError:
        logger.debug("nobody counts requests while Redis is away")
        _away["until"] = steady_s() + _AWAY_S
        return None
    limit = int(settings.API_RATE)
    return Spent(limit, limit - count, WINDOW_S - now % WINDOW_S)


def _caller(request: Request) -> str:
    """By token, so that a program that runs wild stops itself and nothing else of its person."""
    token = getattr(request.auth, "pk", None)
    who = f"token {token}" if token else f"person {request.user.pk}"
    return sha256(who.encode()).hexdigest()[:32]


@cache
def _redis() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S, retry_on_timeout=False
    )
