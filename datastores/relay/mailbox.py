"""Where asks and answers lie in Redis. Each is gone after a minute, whether or not somebody came for it."""

import redis
from django.conf import settings

ASKS = "studio:folders:asks"  # a list of the names of asks that any server may answer
KEPT_S = 60
ANSWER_S = 30  # how long an answer is waited for
_CONNECT_S = _MARGIN_S = 5.0


def connected(*, waits_s: float) -> redis.Redis:
    """A connection of which each answer is waited for at most so long."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=waits_s + _MARGIN_S, socket_connect_timeout=_CONNECT_S
    )


def asks_of(server: str) -> str:
    """Of what one server alone can answer."""
    return f"{ASKS}:{server}"


def ask_key(name: str) -> str:
    return f"studio:folders:ask:{name}"


def answer_key(name: str) -> str:
    return f"studio:folders:answer:{name}"
