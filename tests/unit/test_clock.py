"""The clock that a process writes its rows by: the machine's own, or one that it follows."""

from datetime import UTC, datetime, timedelta

import pytest

from studio.lib import clock as module
from studio.lib.clock import Clock

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds = [1000.0]
    monkeypatch.setattr(module, "steady_s", lambda: seconds[0])
    return seconds


def test_alone_it_trusts_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.timezone, "now", lambda: NOON)
    assert Clock().now() == NOON


def test_one_that_follows_another_goes_on_by_the_steady_clock(
    monkeypatch: pytest.MonkeyPatch, steady: list[float]
) -> None:
    clock = Clock()
    clock.follow(NOON, before_s=999.0, after_s=1001.0)
    monkeypatch.setattr(module.timezone, "now", lambda: NOON + timedelta(hours=1))  # somebody sets the machine's clock
    steady[0] += 5
    assert clock.now() == NOON + timedelta(seconds=5)


def test_a_followed_clock_that_was_set_is_followed_again(steady: list[float]) -> None:
    clock = Clock()
    clock.follow(NOON, before_s=1000.0, after_s=1000.0)
    clock.follow(NOON - timedelta(hours=1), before_s=1000.0, after_s=1000.0)
    assert clock.now() == NOON - timedelta(hours=1)
