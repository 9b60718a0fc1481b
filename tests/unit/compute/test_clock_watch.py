"""A clock that jumps is noticed, one that wanders or answers late is not taken for one."""

from datetime import UTC, datetime, timedelta

from compute.services.clock import ClockWatch

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEASE_S = 16.0


def _look(watch: ClockWatch, steady_s: float, clock_s: float, *, took_s: float = 0.0) -> bool:
    """`clock_s`: what the database's clock shows, in seconds after noon."""
    at = NOON + timedelta(seconds=clock_s)
    return watch.look(at, before_s=1000 + steady_s, after_s=1000 + steady_s + took_s, lease_s=LEASE_S)


def test_two_clocks_that_go_alike_are_believed() -> None:
    watch = ClockWatch()
    assert all(_look(watch, second, second + 0.01 * second) for second in range(0, 100, 2))


def test_after_a_jump_a_lease_s_length_is_waited_for() -> None:
    for jump_s in (3600, -3600):
        watch = ClockWatch()
        assert _look(watch, 0, 0)
        assert not _look(watch, 2, 2 + jump_s)
        assert not _look(watch, 17, 17 + jump_s)
        assert _look(watch, 18.5, 18.5 + jump_s)


def test_a_late_answer_is_no_jump() -> None:
    watch = ClockWatch()
    assert _look(watch, 0, 0)
    assert _look(watch, 2, 32, took_s=31)
    assert _look(watch, 40, 40)


def test_a_small_step_falls_into_the_room_of_a_lease() -> None:
    watch = ClockWatch()
    assert _look(watch, 0, 0)
    assert _look(watch, 2, 5)
