"""One stream of a log apart: its lines in order with their numbers in the whole, from the end backwards."""

import random
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compute.logs import writer as writing
from compute.logs.archive import archive_log
from compute.logs.one_stream import read_stream, stream_bytes
from compute.logs.reading import LogLine, read_lines
from compute.models import Attempt
from tests.service.compute.test_log_store import Log

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_home(settings: LazySettings, tmp_path: Any) -> None:
    settings.STUDIO_HOME = tmp_path


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.setattr(writing, "CHUNK_BYTES", 64)  # so that lines go over the borders of chunks
    return Log()


def everything(attempt: Attempt, stream: Any, *, count: int) -> list[LogLine]:
    """Page after page, the earliest line first."""
    found: list[LogLine] = []
    before = None
    for _ in range(2000):
        page = read_stream(attempt, stream, before=before, count=count)
        assert len(page.lines) <= count
        found = [*page.lines, *found]
        if page.earlier is None:
            return found
        assert before is None or page.earlier < before, "each page goes on"
        before = page.earlier
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize("seed", range(3))
def test_each_stream_has_its_lines_however_they_came(log: Log, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(80):
        stream = chance.choice("ooooes")
        text = f"{stream}{number} {'x' * chance.choice((0, 3, 150))}"
        log.writer.feed(stream, (text + chance.choice(("\n", "\n", ""))).encode())
        if chance.random() < 0.3:
            log.writer.store()
    attempt = log.end()
    whole = read_lines(attempt, 0, 2000).lines
    for archived in (False, True):
        if archived:
            assert archive_log(attempt.pk)
            attempt.refresh_from_db()
        for stream in "oes":
            expected = [line for line in whole if line.stream == stream]
            assert everything(attempt, stream, count=chance.choice((1, 7, 1000))) == expected
            written = b"".join(stream_bytes(attempt, stream)).decode()
            assert written == "".join(f"{line.text}\n" for line in expected)


def test_a_live_log_and_one_without_the_stream(log: Log) -> None:
    assert read_stream(log.attempt, "o").lines == []
    log.writer.feed("o", b"one\ntwo")
    log.writer.end_lines()
    log.writer.store()
    page = read_stream(log.attempt, "o")
    assert ([line.text for line in page.lines], page.earlier, page.complete) == (["one", "two"], None, False)
    assert read_stream(log.attempt, "e").lines == []
    assert list(stream_bytes(log.attempt, "e")) == []


def test_what_holds_nothing_of_it_is_not_even_read(log: Log) -> None:
    log.writer.say("it begins")
    log.writer.store()
    for _ in range(40):
        log.writer.feed("o", b"x" * 60 + b"\n")
        log.writer.store()
    log.writer.say("it ends")
    attempt = log.end()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = read_stream(attempt, "s")
    assert [line.number for line in page.lines] == [0, 41]
    reading_data = [each for each in queries.captured_queries if '"data"' in each["sql"]]
    assert len(queries.captured_queries) < 12
    assert len(reading_data) <= 2, "the chunks of the two lines"


def test_a_search_that_takes_long_says_where_to_go_on(log: Log) -> None:
    log.writer.say("it begins")
    log.writer.store()
    for _ in range(40):
        log.writer.feed("o", b"x" * 60 + b"\n")
        log.writer.store()
    attempt = log.end()
    page = read_stream(attempt, "s", patience_s=0)
    assert page.lines == []
    assert page.earlier
    assert everything(attempt, "s", count=5)[0].number == 0
