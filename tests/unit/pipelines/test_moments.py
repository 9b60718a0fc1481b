"""Durations and points in time, as people write them."""

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.moments import in_words, read_duration, read_moment

NOW = datetime(2026, 12, 24, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("0.5", 0.5), ("90 s", 90), ("5 min", 300), ("1.5h", 5400), ("1 h 30 min", 5400), (" 2d ", 172800)],
)
def test_durations(text: str, seconds: float) -> None:
    assert read_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "more than 0"),
        ("0 s", "more than 0"),
        ("soon", "no duration"),
        ("-5", "no duration"),
        ("5 weeks", "no duration"),
        ("1 h 30", "no duration"),
        ("nan", "no duration"),
        ("1e9", "no duration"),
        ("400 d", "more than 366 days"),
        ("9" * 1_000_000, "too long"),
    ],
)
def test_what_is_no_duration(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18:45", datetime(2026, 12, 24, 18, 45, tzinfo=UTC)),
        ("18:15", datetime(2026, 12, 25, 18, 15, tzinfo=UTC)),  # today's is over
        ("2026-12-24 20:00", datetime(2026, 12, 24, 20, 0, tzinfo=UTC)),
        ("2026-12-24T20:00+02:00", datetime(2026, 12, 24, 18, 0, tzinfo=UTC)),
        ("2020-01-01", datetime(2020, 1, 1, tzinfo=UTC)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert read_moment(text, now=NOW) == expected


@pytest.mark.parametrize("text", ["", "tomorrow", "25:00", "2026-02-30", "0001-01-01T00:00+23:59", "9" * 1_000_000])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        read_moment(text, now=NOW)


def test_a_moment_that_is_too_far() -> None:
    with pytest.raises(ValueError, match="more than 366 days away"):
        read_moment("2036-01-01", now=NOW)
    assert in_words(NOW) == "2026-12-24 18:30:00 UTC"
