"""Requests are counted in a real Redis, for each caller of his own, and forgotten with their minute."""

from datetime import timedelta
from typing import Any

import pytest
import redis

from studio.lib import rates
from studio.lib.clock import clock


@pytest.fixture
def redis_there(redis_server: redis.Redis, settings: Any, monkeypatch: pytest.MonkeyPatch) -> redis.Redis:
    monkeypatch.setitem(rates._away, "until", 0.0)
    settings.API_RATE = 3
    return redis_server


def test_each_caller_has_a_minute_of_his_own(redis_there: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    began = clock.now().replace(second=20, microsecond=0)
    monkeypatch.setattr(rates.clock, "now", lambda: began)
    left = [spent.left for spent in (rates.spend("a"), rates.spend("a"), rates.spend("b"), rates.spend("a")) if spent]
    assert left == [2, 1, 2, 0]
    over = rates.spend("a")
    assert over == rates.Spent(3, -1, 40)
    keys = redis_there.keys("studio:rate:a:*")
    assert [0 < redis_there.ttl(key) <= 2 * rates.WINDOW_S for key in keys] == [True]
    monkeypatch.setattr(rates.clock, "now", lambda: began + timedelta(seconds=40))
    assert rates.spend("a") == rates.Spent(3, 2, 60)
