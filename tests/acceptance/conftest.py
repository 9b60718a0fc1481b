import pytest
import redis


@pytest.fixture(autouse=True)
def _real_redis(redis_server: redis.Redis) -> None:
    """Messages and nudges go to a real one."""
