"""Which failures are followed by another attempt, and how long it waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.retrying import exit_codes, may_follow, wait_s
from compute.spec import Retry


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("", []),
        (" , ", []),
        ("3", [(3, 3)]),
        ("3, 10-20", [(3, 3), (10, 20)]),
        ("3 4;5", [(3, 3), (4, 4), (5, 5)]),
        ("10 – 20", [(10, 20)]),
        ("1..255", [(1, 255)]),
    ],
)
def test_codes_and_ranges(text: str, ranges: list[tuple[int, int]]) -> None:
    assert exit_codes(text) == ranges


@pytest.mark.parametrize("text", ["0", "256", "-3", "2-1", "x", "3,,x", "1-2-3", "999999", "1e2", "٣"])
def test_what_is_no_exit_code_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"exit code"):
        exit_codes(text)


def test_the_cause_decides() -> None:
    always = Retry(max_attempts=2)
    assert may_follow(always, "exit", exit_code=1)
    assert may_follow(always, "timeout", exit_code=-15)
    assert may_follow(always, "memory", exit_code=-9)
    only_timeouts = Retry(max_attempts=2, on=["timeout"])
    assert not may_follow(only_timeouts, "exit", exit_code=1)
    assert not may_follow(only_timeouts, "memory", exit_code=-9)
    assert may_follow(only_timeouts, "timeout", exit_code=-15)
    # A broken connection is nobody's fault.
    assert may_follow(only_timeouts, "passing", exit_code=None)


def test_exit_codes_narrow_only_exits() -> None:
    retry = Retry(max_attempts=2, exit_codes="3, 130-140")
    assert may_follow(retry, "exit", exit_code=3)
    assert not may_follow(retry, "exit", exit_code=4)
    assert may_follow(retry, "exit", exit_code=-11), "SIGSEGV is 139, as a shell writes it"
    assert not may_follow(retry, "exit", exit_code=-1)
    assert may_follow(retry, "timeout", exit_code=-15)


def test_waits_grow_up_to_the_longest() -> None:
    retry = Retry(backoff_s=10, backoff_factor=3, max_backoff_s=100)
    assert [wait_s(retry, failures) for failures in (1, 2, 3, 4)] == [10, 30, 90, 100]
    assert wait_s(Retry(), 1) == 0
    assert wait_s(Retry(backoff_s=1, backoff_factor=100, max_backoff_s=60), 400) == 60


@given(
    st.floats(0, 604_800),
    st.floats(1, 100),
    st.floats(0, 604_800),
    st.integers(1, 100),
)
def test_no_wait_is_longer_than_the_longest(first_s: float, factor: float, longest_s: float, failures: int) -> None:
    retry = Retry(backoff_s=first_s, backoff_factor=factor, max_backoff_s=longest_s)
    assert 0 <= wait_s(retry, failures) <= longest_s
