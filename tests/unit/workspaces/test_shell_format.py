"""Numbers and times on pages. The cases are those of `static/src/lib/format.test.js`: server and browser agree."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template
from django.test import RequestFactory

from studio.workspaces.templatetags import studio


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (184, "3 min 4 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (86400, "1 d"),
        (273600, "3 d 4 h"),
        (-3, "0.0 s"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float | None, words: str) -> None:
    assert studio.duration(seconds) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (None, "–"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (1536, "1.5 KB"),
        (99_950, "100 KB"),
        (999_600, "1.0 MB"),
        (240e6, "240 MB"),
        (1e18, "1000 PB"),
    ],
)
def test_a_size_counts_in_thousands(size: float | None, words: str) -> None:
    assert studio.filesize(size) == words


def test_a_time_is_told_relative_to_now(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    monkeypatch.setattr(studio.timezone, "now", lambda: now)
    told = [studio.relative(now - timedelta(seconds=s)) for s in (0, 4, 12, 300, 7200, 3 * 86400, -7200, 60 * 86400)]
    expected = ["just now", "just now", "12 s ago", "5 min ago", "2 h ago", "3 d ago", "in 2 h", "23 Sep 2026"]
    assert told == expected
    assert studio.relative(None) == "–"


def test_every_status_has_shape_and_word_and_an_unknown_one_its_name() -> None:
    template = Template("{% load studio %}{% status_badge 'failed' %}{% status_badge odd %}")
    badge = template.render(Context({"odd": "<b>"}))
    assert "tone-bad" in badge
    assert "#circle-x" in badge
    assert "Failed" in badge
    assert "&lt;b&gt;" in badge


def test_a_changed_filter_starts_at_the_first_page_and_keeps_the_others() -> None:
    request = RequestFactory().get("/?q=a+b&page=3&before=9&sort=name")
    context = Context({"request": request})
    shown = Template("{% load studio %}{% query sort='-name' %}|{% query q=None %}|{% query page=2 %}").render(context)
    assert shown.replace("&amp;", "&") == "?q=a+b&sort=-name|?sort=name|?q=a+b&sort=name&page=2"


def test_json_can_not_end_its_script() -> None:
    assert not re.search(r"[<>&]", studio.json_safe('{"a": "</script><!--&"}'))


@pytest.mark.parametrize(
    ("value", "text"), [("", '""'), (0, "0"), (False, "false"), (0.5, "0.5"), ("a b", "a b"), (True, "true")]
)
def test_a_default_is_shown_as_one_would_type_it(value: str | float, text: str) -> None:
    assert studio.as_written(value) == text


def test_what_was_done_reads_as_a_sentence() -> None:
    told = [studio.verb(each) for each in ("pipeline.create", "environment.delete", "run.cancel", "odd")]
    assert told == ["made a pipeline", "deleted an environment", "cancelled a run", "odd"]


def test_times_stand_within_a_sentence() -> None:
    sentence = Template("{% load studio %}It ended {% when at %}, after {% elapsed began at %}.")
    at = datetime(2026, 3, 1, 12, 5, tzinfo=UTC)
    shown = sentence.render(Context({"at": at, "began": at - timedelta(seconds=90)}))
    assert re.sub(r"<[^>]*>", "", shown) == "It ended 1 Mar 2026, after 1 min 30 s."
    assert 'title="1 Mar 2026, 12:05:00 UTC"' in shown
    assert re.sub(r"<[^>]*>", "", sentence.render(Context({"at": None}))) == "It ended –, after –."


def test_what_goes_on_ticks_in_the_browser() -> None:
    began = datetime(2026, 3, 1, 12, 5, tzinfo=UTC)
    shown = Template("{% load studio %}{% elapsed began %}").render(Context({"began": began}))
    assert 'data-since="2026-03-01T12:05:00+00:00"' in shown
