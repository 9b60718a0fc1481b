"""A run as bars over time."""

from datetime import UTC, datetime, timedelta

from pipelines.timeline_chart import Span, timeline

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW - timedelta(seconds=100 - seconds)


def test_each_phase_of_a_step_is_a_bar_from_where_the_last_one_ended() -> None:
    span = Span("train", "completed", queued_at=at(0), claimed_at=at(2), process_at=at(5), finished_at=at(9))
    data = timeline([span], now=NOW)["data"]
    assert [(trace["base"], trace["x"]) for trace in data] == [([0], [2]), ([2], [3]), ([5], [4])]
    assert [trace["name"] for trace in data] == ["Waited for a slot", "Prepared", "Ran"]
    assert data[2]["meta"]["status"] == "completed"


def test_what_goes_on_reaches_to_now() -> None:
    spans = [
        Span("a", "running", queued_at=at(0), claimed_at=at(10), process_at=at(20)),
        Span("b", "preparing", queued_at=at(0), claimed_at=at(60)),
        Span("c", "queued", queued_at=at(50)),
    ]
    waited, prepared, ran = timeline(spans, now=NOW)["data"]
    assert ran["x"] == [80]
    assert ran["name"] == "Running"
    assert prepared["x"] == [10, 40]
    assert waited["x"] == [10, 60, 50]


def test_a_step_that_failed_before_its_process_was_there_shows_that_it_was_prepared() -> None:
    span = Span("train", "failed", queued_at=at(0), claimed_at=at(2), finished_at=at(9))
    _waited, prepared = timeline([span], now=NOW)["data"]
    assert prepared["x"] == [7]


def test_nothing_queued_says_so() -> None:
    assert "nothing to draw" in timeline([Span("a", "waiting")], now=NOW)["empty"]


def test_long_runs_count_in_minutes_and_hours() -> None:
    span = Span("a", "completed", queued_at=NOW - timedelta(hours=3), finished_at=NOW)
    assert timeline([span], now=NOW)["layout"]["xaxis"]["ticksuffix"] == " h"


def test_a_step_s_name_is_text() -> None:
    figure = timeline([Span("<b>x</b>&", "queued", queued_at=at(0))], now=NOW)
    assert figure["data"][0]["y"] == ["&lt;b&gt;x&lt;/b&gt;&amp;"]
