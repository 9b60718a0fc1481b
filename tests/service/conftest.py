import pytest
import redis

from compute.services.use import is_ours


@pytest.fixture(autouse=True)
def _real_redis(redis_server: redis.Redis) -> None:
    """Messages and nudges go to a real one."""


@pytest.fixture(autouse=True)
def _forgotten_datastores() -> None:
    """What a test rolls back gives its ids to the next one."""
    is_ours.cache_clear()
