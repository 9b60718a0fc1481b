"""A log is read at any place, live, finished and archived, by whoever asks, and costs no more the longer it is."""

import gzip
import random

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compute.drivers.logs import log_bytes
from compute.logs import writer as writing
from compute.logs.archive import archive_log
from compute.logs.reading import (
    archive_file,
    read_bytes,
    read_lines,
    search,
    tail_text,
    total_lines,
)
from compute.logs.writer import LeaseLostError, LogFullError, LogWriter
from compute.models import Attempt, LogChunk
from compute.services.leases import Outcome, claim, finish
from compute.states import JobStatus
from tests.support.compute import Compute

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_home(settings: LazySettings, tmp_path) -> None:
    settings.STUDIO_HOME = tmp_path


class Log:
    """An attempt with a writer."""

    def __init__(self) -> None:
        compute = Compute()
        compute.job()
        self.lease = claim(compute.node())
        self.writer = LogWriter(job_id=self.lease.job_id, attempt_id=self.lease.attempt_id, attempt=1)

    @property
    def attempt(self) -> Attempt:
        return Attempt.objects.get(pk=self.lease.attempt_id)

    def end(self) -> Attempt:
        rows, columns = self.writer.last_rows()
        outcome = Outcome(JobStatus.COMPLETED)
        assert finish(self.lease, outcome, log=columns, log_bytes=self.writer.size_bytes)[0]
        LogChunk.objects.bulk_create(rows)
        return self.attempt


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "CHUNK_BYTES", 1000)


def _texts(attempt: Attempt, start: int, count: int) -> list[str]:
    return [line.text for line in read_lines(attempt, start, count).lines]


def test_lines_are_found_at_any_place(log: Log, small_chunks: None) -> None:
    said = [f"line {number} {'x' * (number % 90)}" for number in range(500)]
    for start in range(0, 500, 7):
        log.writer.feed("o", "".join(f"{text}\n" for text in said[start : start + 7]).encode())
        if start % 21 == 0:
            log.writer.store()
    attempt = log.end()
    assert attempt.chunks.count() > 20
    assert (attempt.log_lines, attempt.log_complete, attempt.log_open) == (500, True, False)
    for start in [0, 1, 2, 6, 7, 8, 250, 498, 499, *random.Random(1).sample(range(500), 30)]:
        assert _texts(attempt, start, 5) == said[start : start + 5], start
    assert _texts(attempt, -3, 10) == said[-3:]
    assert _texts(attempt, 500, 5) == []
    assert _texts(attempt, -900, 2) == said[:2]
    assert tail_text(attempt, 2) == said[-2:]
    whole = "".join(f"{text}\n" for text in said).encode()
    assert b"".join(log_bytes(attempt)) == whole
    for offset, limit in [(0, 10), (999, 3), (5000, 4000), (len(whole) - 5, 100), (len(whole), 10)]:
        assert read_bytes(attempt, offset, limit) == whole[offset : offset + limit]


def test_a_line_may_begin_in_one_chunk_and_end_in_another(log: Log, small_chunks: None) -> None:
    log.writer.feed("o", b"a" * 2500 + b"\nshort\n" + b"b" * 3100 + b"\nend\n")
    attempt = log.end()
    lines = read_lines(attempt, 0, 10).lines
    assert [(line.number, len(line.text)) for line in lines] == [(0, 2500), (1, 5), (2, 3100), (3, 3)]
    assert [len(text) for text in _texts(attempt, 2, 1)] == [3100]
    assert _texts(attempt, 3, 1) == ["end"]
    assert search(attempt, "short").lines == [1]
    assert search(attempt, "END", start_line=0).lines == [3]


def test_lines_know_their_stream(log: Log) -> None:
    log.writer.feed("o", b"out\n")
    log.writer.feed("e", b"err\nerr again\n")
    log.writer.say("hello")
    log.writer.feed("o", b"tail")
    attempt = log.end()
    lines = read_lines(attempt, 0, 10).lines
    assert [line.stream for line in lines] == ["o", "e", "e", "s", "o"]
    assert lines[4].text == "tail"
    assert [line.stream for line in read_lines(attempt, 2, 2).lines] == ["e", "s"]


def test_an_unfinished_line_is_shown_while_it_grows(log: Log) -> None:
    log.writer.feed("o", b"one\nprogress 10%")
    log.writer.end_lines()
    log.writer.store()
    assert total_lines(log.attempt) == 2
    assert _texts(log.attempt, -1, 1) == ["progress 10%"]
    log.writer.feed("o", b" 20%\n")
    log.writer.store()
    assert total_lines(log.attempt) == 2
    assert _texts(log.attempt, -1, 1) == ["progress 10% 20%"]


def test_any_bytes_are_kept_and_shown_somehow(log: Log) -> None:
    raw = b"nul \0 half \xc3\nagain \xff\xfe\r\n" + "grün".encode()[:3] + b"\n"
    log.writer.feed("o", raw)
    attempt = log.end()
    assert b"".join(log_bytes(attempt)) == raw
    assert _texts(attempt, 0, 3) == ["nul \0 half �", "again ��", "gr�"]


def test_a_very_long_line_is_cut_and_says_how_much_is_missing(log: Log) -> None:
    log.writer.feed("o", b"y" * 60_000 + b"\n")
    (line,) = read_lines(log.end(), 0, 1).lines
    assert len(line.text) == 10_000
    assert line.cut == 50_000


def test_an_empty_log_is_no_error(log: Log) -> None:
    attempt = log.end()
    assert read_lines(attempt, 0, 10).lines == []
    assert read_lines(attempt, -10, 10).as_json()["lines"] == []
    assert list(log_bytes(attempt)) == []
    assert search(attempt, "x").line is None


def test_search_goes_both_ways_whatever_the_case(log: Log, small_chunks: None) -> None:
    for number in range(300):
        log.writer.feed("o", f"{'Fehler: GRÜN' if number % 50 == 10 else 'fine'} {number}\n".encode())
    attempt = log.end()
    hits = [10, 60, 110, 160, 210, 260]
    found = search(attempt, "fehler: grün")
    assert (found.line, found.lines, found.more) == (10, hits, False)
    assert search(attempt, "fehler", start_line=11).line == 60
    assert search(attempt, "fehler", start_line=60).line == 60
    backward = search(attempt, "fehler", start_line=299, direction="backward")
    assert backward.lines == hits[::-1]
    assert search(attempt, "fehler", start_line=109, direction="backward").line == 60
    limited = search(attempt, "fine", limit=5)
    assert (limited.lines, limited.more, limited.next_line) == ([0, 1, 2, 3, 4], True, 5)
    assert search(attempt, "nothing like it").lines == []


def test_search_finds_every_line_once_wherever_chunks_end(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "CHUNK_BYTES", 37)
    log.writer.feed("o", "".join(f"needle {number:03d}\n" for number in range(150)).encode())
    attempt = log.end()
    assert search(attempt, "needle").lines == list(range(150))
    assert search(attempt, "needle", start_line=149, direction="backward").lines == list(range(149, -1, -1))
    assert search(attempt, "needle 077", start_line=149, direction="backward").lines == [77]


def test_search_gives_up_in_time_and_says_where_to_go_on(log: Log, monkeypatch, small_chunks: None) -> None:
    log.writer.feed("o", b"hay\n" * 1000 + b"needle\n")
    attempt = log.end()
    monkeypatch.setattr("compute.logs.reading.SEARCH_PATIENCE_S", -1.0)
    found = search(attempt, "needle")
    assert (found.line, found.more) == (None, True)
    for _ in range(20):
        if found.line is not None:
            break
        assert found.more
        found = search(attempt, "needle", start_line=found.next_line)
    assert found.line == 1000


def test_a_page_costs_the_same_in_a_long_log_and_in_a_short_one(log: Log, small_chunks: None) -> None:
    log.writer.feed("o", b"0123456789\n" * 20_000)
    attempt = log.end()
    for start in (0, 10_000, -50):
        with CaptureQueriesContext(connection) as queries:
            assert len(read_lines(attempt, start, 50).lines) == 50
        assert len(queries) <= 3


def test_a_log_beyond_its_limit_says_so_once(log: Log, settings: LazySettings) -> None:
    settings.LOG_LIMIT_BYTES = 100
    with pytest.raises(LogFullError):
        log.writer.feed("o", b"x" * 200)
    log.writer.feed("o", b"x" * 200)


def test_a_lost_attempt_can_say_no_more(log: Log) -> None:
    Attempt.objects.filter(pk=log.lease.attempt_id).update(log_complete=True)
    log.writer.feed("o", b"too late\n")
    with pytest.raises(LeaseLostError):
        log.writer.store()
    assert LogChunk.objects.count() == 0


def test_an_archived_log_reads_the_same(log: Log, small_chunks: None) -> None:
    said = "".join(f"line {number}\n" for number in range(1000)).encode()
    log.writer.feed("o", said)
    log.writer.store()
    assert not archive_log(log.lease.attempt_id), "it still grows"
    before = log.end()
    stale = list(LogChunk.objects.filter(attempt=before))
    assert archive_log(before.pk)
    attempt = log.attempt
    assert not LogChunk.objects.filter(attempt=attempt, data__isnull=False).exists()
    for reader in (attempt, before):  # one that was loaded before the move too
        assert b"".join(log_bytes(reader)) == said
        assert _texts(reader, 500, 2) == ["line 500", "line 501"]
    assert gzip.decompress(archive_file(attempt.log_archive).read_bytes()) == said
    assert stale[0].data is not None
    assert archive_log(attempt.pk), "twice is harmless"
    assert b"".join(log_bytes(log.attempt)) == said


def test_an_archive_that_was_broken_off_is_finished(log: Log, small_chunks: None) -> None:
    said = "".join(f"line {number}\n" for number in range(1000)).encode()
    log.writer.feed("o", said)
    attempt = log.end()
    packed = {chunk.pk: bytes(chunk.data) for chunk in LogChunk.objects.filter(attempt=attempt)}
    assert archive_log(attempt.pk)
    # As it would be had the control worker died between two batches.
    for chunk in LogChunk.objects.filter(attempt=attempt).order_by("-seq")[:4]:
        LogChunk.objects.filter(pk=chunk.pk).update(data=packed[chunk.pk], archive_start=None, archive_count=None)
    assert b"".join(log_bytes(log.attempt)) == said
    assert archive_log(attempt.pk)
    assert not LogChunk.objects.filter(attempt=attempt, data__isnull=False).exists()
    assert b"".join(log_bytes(log.attempt)) == said
