"""Reads an attempt's log at any place, live or years later, touching only the chunks that it needs.

Lines count from 0. Bytes that are not UTF-8 are shown as replacement characters; the download has them as they came.
"""

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from django.conf import settings
from django.db.models import QuerySet

from compute.logs.lines import MAX_LINE_BYTES, Stream
from compute.models import Attempt, LogChunk

MAX_LINES = 2000
MAX_LINE_CHARACTERS = 10_000
SEARCH_PATIENCE_S = 2.0
SEARCH_LIMIT = 200
_BLOCK = 16 * 1024


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line without its newline. `cut` is the number of bytes left out of a very long one."""

    number: int
    stream: Stream
    text: str
    cut: int = 0

    def as_json(self) -> dict[str, Any]:
        line: dict[str, Any] = {"n": self.number, "s": self.stream, "t": self.text}
        if self.cut:
            line["cut"] = self.cut
        return line


@dataclass(frozen=True, slots=True)
class LogPage:
    """A stretch of a log."""

    attempt: int
    total_lines: int
    total_bytes: int
    complete: bool
    start: int
    lines: list[LogLine]

    def as_json(self) -> dict[str, Any]:
        """As the REST API shows it, but for the list of attempts."""
        return {
            "attempt": self.attempt,
            "total_lines": self.total_lines,
            "total_bytes": self.total_bytes,
            "complete": self.complete,
            "start": self.start,
            "lines": [line.as_json() for line in self.lines],
        }


@dataclass(frozen=True, slots=True)
class LogSearch:
    """What a search found. `more`: there may be further matches from `next_line` on (in the search's direction)."""

    line: int | None  # the first match in the search's direction
    lines: list[int]  # matches in that direction, at most as many as asked for
    more: bool
    next_line: int | None

    def as_json(self) -> dict[str, Any]:
        return {"line": self.line, "lines": self.lines, "more": self.more, "next_line": self.next_line}


def total_lines(attempt: Attempt) -> int:
    """How many lines the log has, an unfinished last one included."""
    return attempt.log_lines + (1 if attempt.log_open else 0)


def read_lines(attempt: Attempt, start: int, count: int) -> LogPage:
    """At most `count` (and 2,000) lines from `start` on; a negative `start` counts from the end."""
    total = total_lines(attempt)
    start = max(0, total + start) if start < 0 else start
    count = max(0, min(count, MAX_LINES, total - start))
    lines = list(_lines(attempt, start, count)) if count else []
    return LogPage(
        attempt=attempt.number,
        total_lines=total,
        total_bytes=attempt.log_bytes,
        complete=attempt.log_complete,
        start=start,
        lines=lines,
    )


def tail_text(attempt: Attempt, lines: int = 20) -> list[str]:
    """The last lines, for a summary."""
    return [line.text for line in read_lines(attempt, -lines, lines).lines]


def read_bytes(attempt: Attempt, offset: int, limit: int) -> bytes:
    """At most `limit` bytes from `offset` on, as the job wrote them."""
    pieces: list[bytes] = []
    for chunk in chunks_of(attempt, byte_start__lt=offset + limit, seq__gte=_seq_of_byte(attempt, offset)):
        data = content(attempt, chunk)
        pieces.append(data[max(0, offset - chunk.byte_start) : offset + limit - chunk.byte_start])
    return b"".join(pieces)


def search(
    attempt: Attempt,
    needle: str,
    *,
    start_line: int = 0,
    direction: Literal["forward", "backward"] = "forward",
    limit: int = SEARCH_LIMIT,
) -> LogSearch:
    """Lines that hold `needle`, upper and lower case alike, from `start_line` (itself included) in `direction`.

    Gives up after two seconds: `more` is true then, and `next_line` is where to go on.
    """
    needle = needle.lower()
    if not needle:
        return LogSearch(None, [], more=False, next_line=None)
    limit = max(1, min(limit, SEARCH_LIMIT))
    return (_search_forward if direction == "forward" else _search_backward)(attempt, needle, start_line, limit)


def content(attempt: Attempt, chunk: LogChunk) -> bytes:
    """The bytes of one chunk, wherever they lie."""
    if chunk.data is not None:
        return zlib.decompress(bytes(chunk.data), wbits=31, bufsize=chunk.byte_count or 1)
    if not attempt.log_archive:
        attempt.refresh_from_db(fields=["log_archive"])
    assert chunk.archive_start is not None, "a chunk is emptied in the commit that says where its bytes are now"
    assert chunk.archive_count is not None
    with archive_file(attempt.log_archive).open("rb") as archive:
        archive.seek(chunk.archive_start)
        packed = archive.read(chunk.archive_count)
    return zlib.decompress(packed, wbits=31, bufsize=chunk.byte_count or 1)


def archive_file(name: str) -> Path:
    """Where an archived log lies; `name` is `Attempt.log_archive`."""
    return Path(settings.STUDIO_HOME) / name


def lines_between(attempt: Attempt, start: int, end: int) -> Iterator[LogLine]:
    """The lines from `start` on and before `end`."""
    return _lines(attempt, start, end - start) if end > start else iter(())


def chunks_of(attempt: Attempt, **where: Any) -> Iterator[LogChunk]:
    """In order."""
    rows = LogChunk.objects.filter(attempt_id=attempt.pk, **where).order_by("seq")
    return _few_at_a_time(rows)


def _few_at_a_time(rows: QuerySet[LogChunk]) -> Iterator[LogChunk]:
    """Rows by number, in small helpings: a cursor held open over a long download would hold up the database."""
    seq = -1
    while True:
        helping = list(rows.filter(seq__gt=seq)[:8])
        yield from helping
        if len(helping) < 8:
            return
        seq = helping[-1].seq


def _seq_of_byte(attempt: Attempt, offset: int) -> int:
    rows = LogChunk.objects.filter(attempt_id=attempt.pk, byte_start__lte=offset).order_by("-seq")
    return rows.values_list("seq", flat=True).first() or 0


def _seq_of_line(attempt: Attempt, line: int) -> int:
    """The chunk where a line begins: it holds, or directly follows, the newline that ends the line before."""
    rows = LogChunk.objects.filter(attempt_id=attempt.pk, line_start__lte=max(0, line - 1))
    if line == 0:
        return 0
    return rows.order_by("-line_start", "-seq").values_list("seq", flat=True).first() or 0


def _lines(attempt: Attempt, start: int, count: int) -> Iterator[LogLine]:
    """Exactly the lines from `start` on, each cut to a bearable length, chunk after chunk."""
    number = start
    begun: tuple[Stream, bytes] | None = None  # a line that goes on in the next chunk
    # What begins behind the last line holds no byte of these.
    for chunk in chunks_of(attempt, seq__gte=_seq_of_line(attempt, start), line_start__lt=start + count):
        data = content(attempt, chunk)
        runs = _Runs(chunk.streams)
        position = _after_newlines(data, start - chunk.line_start) if begun is None and number == start else 0
        if position is None:
            continue
        while position < len(data):
            newline = data.find(b"\n", position)
            end = len(data) if newline < 0 else newline
            piece = data[position:end]
            stream, so_far = begun or (runs.at(position), b"")
            if newline < 0:
                begun = (stream, so_far + piece)
                break
            yield _line(number, stream, so_far + piece)
            begun = None
            number += 1
            position = newline + 1
            if number - start == count:
                return
    if begun is not None:
        yield _line(number, *begun)


def _line(number: int, stream: Stream, data: bytes) -> LogLine:
    text = data.decode(errors="replace")
    if len(text) <= MAX_LINE_CHARACTERS:
        return LogLine(number, stream, text.removesuffix("\r"))
    shown = text[:MAX_LINE_CHARACTERS]
    return LogLine(number, stream, shown, cut=max(1, len(data) - len(shown.encode())))


def _after_newlines(data: bytes, count: int) -> int | None:
    """The place right after the `count`-th newline; None where there are fewer. Skips whole blocks by counting."""
    position = 0
    while count > 0:
        block = data.count(b"\n", position, position + _BLOCK)
        if block < count:
            position += _BLOCK
            count -= block
            if position >= len(data):
                return None
            continue
        position = data.index(b"\n", position) + 1
        count -= 1
    return position


class _Runs:
    """Which stream a byte of a chunk came from, for places asked for in rising order."""

    def __init__(self, runs: list[tuple[int, Stream]]) -> None:
        self._left = iter(runs)
        self._end = 0
        self._stream: Stream = "o"

    def at(self, position: int) -> Stream:
        while position >= self._end:
            run = next(self._left, None)
            if run is None:
                break
            self._end += run[0]
            self._stream = run[1]
        return self._stream


def _search_forward(attempt: Attempt, needle: str, start_line: int, limit: int) -> LogSearch:
    deadline = time.monotonic() + SEARCH_PATIENCE_S
    found: list[int] = []
    carried = b""  # the beginning of a line that goes on in the next chunk
    number = start_line
    for chunk in chunks_of(attempt, seq__gte=_seq_of_line(attempt, start_line)):
        data = content(attempt, chunk)
        whole = carried + data
        cut = whole.rfind(b"\n") + 1
        first_line = chunk.line_start
        for line in _matches(whole[:cut], needle, first_line):
            if line < start_line:
                continue
            found.append(line)
            if len(found) == limit:
                return LogSearch(found[0], found, more=True, next_line=line + 1)
        carried = whole[cut:][: 2 * MAX_LINE_BYTES]
        number = chunk.line_start + chunk.newline_count
        if time.monotonic() > deadline and number > start_line:
            return LogSearch(found[0] if found else None, found, more=True, next_line=number)
    if carried and number >= start_line:
        found += list(_matches(carried, needle, number))[:1]
    return LogSearch(found[0] if found else None, found, more=False, next_line=None)


def _search_backward(attempt: Attempt, needle: str, start_line: int, limit: int) -> LogSearch:
    """From the last chunk that holds any of `start_line` back to the first.

    A line that began in an earlier chunk is looked at with that chunk, its end carried along.
    """
    deadline = time.monotonic() + SEARCH_PATIENCE_S
    found: list[int] = []
    rows = LogChunk.objects.filter(attempt_id=attempt.pk, line_start__lte=start_line).order_by("-seq")
    seqs = list(rows.values_list("seq", flat=True)[:1])
    carried = b""
    while seqs:
        chunk = LogChunk.objects.filter(attempt_id=attempt.pk, seq=seqs[0]).first()
        if chunk is None:
            break
        data = content(attempt, chunk)
        first_newline = data.find(b"\n")
        # What stands before the first newline belongs to a line that began earlier, unless nothing is earlier.
        cut = 0 if chunk.seq == 0 else (len(data) if first_newline < 0 else first_newline + 1)
        matches = _matches(data[cut:] + carried, needle, chunk.line_start + (1 if cut and first_newline >= 0 else 0))
        for line in reversed([line for line in matches if line <= start_line]):
            found.append(line)
            if len(found) == limit:
                return LogSearch(found[0], found, more=line > 0, next_line=line - 1 if line else None)
        carried = data[:cut] + (carried if first_newline < 0 and cut else b"")
        carried = carried[: 2 * MAX_LINE_BYTES]
        if chunk.seq and time.monotonic() > deadline and chunk.line_start < start_line:
            return LogSearch(found[0] if found else None, found, more=True, next_line=chunk.line_start)
        seqs = [chunk.seq - 1] if chunk.seq else []
    return LogSearch(found[0] if found else None, found, more=False, next_line=None)


def _matches(data: bytes, needle: str, first_line: int) -> Iterator[int]:
    """The numbers of the lines of `data` that hold `needle` (in lower case), rising, each once."""
    text = data.decode(errors="replace").lower()
    counted, line = 0, first_line
    position = text.find(needle)
    while position >= 0:
        line += text.count("\n", counted, position)
        yield line
        newline = text.find("\n", position)
        if newline < 0:
            return
        counted = newline
        position = text.find(needle, newline + 1)
