"""What a step writes to its spool: read as what it says, whatever it is."""

import base64
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.metrics import book as books
from compute.metrics import said as saying
from compute.metrics.book import Book
from compute.metrics.points import CHUNK_POINTS, unpack
from compute.metrics.said import NO_SENSE, Dropped, Entries, Image, Label, Scalar, read
from compute.metrics.spool import PIECE_BYTES, SpoolFile

PNG = b"\x89PNG\r\n\x1a\n"


def line(*parts: Any) -> bytes:
    return json.dumps(parts).encode()


def one(*parts: Any) -> Any:
    (found,) = read([line(*parts)])
    return found


@pytest.fixture
def spool(tmp_path: Path) -> Any:
    made = SpoolFile(tmp_path / ".spool")
    yield made
    made.close()


def test_each_kind_is_read() -> None:
    assert one("s", "loss", 0.5, 3, 0) == Scalar("loss", 0.5, 3)
    assert one("s", "loss", True, None, 0) == Scalar("loss", 1.0, None)
    assert math.isinf(next(read([b'["s","x",Infinity,null]'])).value)  # type: ignore[union-attr]
    assert one("l", "names", ["a", 1]).entries == ["a", 1]
    assert one("r", "rows", {"a": 1}).entries == [{"a": 1}]
    assert one("t", "rows", {"a": [1, 2], "b": [3], "c": "x"}).entries == [{"a": 1, "b": 3, "c": "x"}, {"a": 2}]
    assert one("i", "dot", base64.b64encode(PNG).decode()) == Image("dot", PNG)
    assert one("tag", "stage", "x", 0) == Label("stage", "x", is_property=False)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        (("s", "x", "1", None), "no number"),
        (("s", "x", 1, 1.5), "no whole number"),
        (("s", "x", 1, 2**63), "no whole number"),
        (("s", "", 1, None), "no name"),
        (("s", "x" * 251, 1, None), "at most 250"),
        (("i", "x", base64.b64encode(b"<svg onload=alert(1)>").decode()), "no PNG"),
        (("l", "x", ["y" * 300_000]), "256 KB"),
        (("t", "x", {"k" * 5000: [1] * 1000}), "1 MB"),
        (("l", "x", [[[[[[[[[[1]]]]]]]]]]), "nested"),
        (("z", "x", 1), "doesn't know"),
        (("tag", "x", "y" * 1001), "1,000 characters"),
    ],
)
def test_what_is_dropped_says_why(parts: tuple[Any, ...], why: str) -> None:
    found = one(*parts)
    assert isinstance(found, Dropped)
    assert why in found.why


def test_huge_numbers_and_half_characters_are_no_error() -> None:
    assert one("s", "x", 10**400, None).value == math.inf
    assert next(read([b'["s","x",' + b"9" * 5000 + b",null]"])) == NO_SENSE
    assert one("s", "a\ud800\x00b", 1, None).name == "a\ufffd\ufffdb"


@given(st.lists(st.binary(max_size=60)))
def test_whatever_is_written_is_read_without_an_error(lines: list[bytes]) -> None:
    good = line("s", "kept", 1, None)
    found = list(read([good, *lines, good]))
    assert sum(isinstance(each, Scalar) and each.name == "kept" for each in found) >= 2


def test_a_list_is_as_long_as_its_own_line() -> None:
    """Two lines that are none, and two documents together: the second would count as two bytes."""
    long = b'["l","y",[' + b"1," * 200_000 + b"1"
    assert list(read([b'["l","x",[1]],' + long, b"1]]"])) == [NO_SENSE, NO_SENSE]
    assert list(read([b'["l","x",[1]]', b'["s","y",2,0]'])) == [Entries("x", "list", [1], 13), Scalar("y", 2.0, 0)]


def test_lines_come_whole_over_pieces_and_the_last_one_without_its_end(spool: SpoolFile) -> None:
    lines = [line("s", "x", number, number) for number in range(20_000)]
    assert len(b"\n".join(lines)) > PIECE_BYTES
    spool.place.write_bytes(b"\n".join(lines))
    found: list[bytes] = []
    while spool.has_more:
        found += spool.read()
    assert [*found, *spool.last_line()] == lines
    assert spool.read() == []


def test_a_line_without_end_is_skipped(spool: SpoolFile) -> None:
    spool.place.write_bytes(b"x" * (saying.MAX_LINE_BYTES + 3 * PIECE_BYTES) + b"\n" + line("s", "x", 1, 1) + b"\n")
    found: list[bytes] = []
    while spool.has_more:
        found += spool.read()
    assert (found, spool.overlong) == ([line("s", "x", 1, 1)], 1)


def test_no_more_is_read_than_there_may_be(spool: SpoolFile) -> None:
    os.truncate(spool.place, 10 * 1024**3)  # sparse
    spool._offset = 256 * 1024**2 - 10
    spool.read()
    assert (spool.is_full, spool.has_more) == (True, False)


def test_what_takes_its_place_is_not_read(spool: SpoolFile) -> None:
    spool.place.unlink()
    spool.place.symlink_to("/dev/zero")
    assert (spool.has_more, spool.read()) == (False, [])


def test_a_link_that_waits_there_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".spool").symlink_to("elsewhere")
    with pytest.raises(FileExistsError):
        SpoolFile(tmp_path / ".spool")


def test_chunks_are_closed_when_full_and_the_open_one_is_stored_again() -> None:
    book = Book()
    for number in range(CHUNK_POINTS + 2):
        book.add(Scalar("loss", float(number), None))
    metric = book.metrics["loss"]
    assert [(chunk.seq, chunk.start, chunk.count) for chunk in metric.chunks()] == [
        (0, 0, CHUNK_POINTS),
        (1, CHUNK_POINTS, 2),
    ]
    book.stored()
    book.add(Scalar("loss", -1.0, None))
    (chunk,) = metric.chunks()
    assert (chunk.seq, chunk.count, chunk.step_max) == (1, 3, CHUNK_POINTS + 2)
    assert list(unpack(chunk.data).values)[-1] == -1.0
    assert (metric.low, metric.high, metric.last) == (-1.0, CHUNK_POINTS + 1, -1.0)


def test_limits_say_once_what_they_drop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "MAX_METRICS", 2)
    monkeypatch.setattr(books, "MAX_POINTS", 3)
    monkeypatch.setattr(books, "MAX_REST_BYTES", 100)
    book = Book()
    told = [book.add(Scalar(name, 1.0, None)) for name in ("a", "b", "c", "d", "a", "a", "b")]
    assert [each.why if each else None for each in told] == [
        None, None, "a step may have at most 2 metrics", None, None, "a step may log 3 points", None,
    ]  # fmt: skip
    book = Book()
    assert book.add(Entries("rows", "table", [{}], 90)) is None
    assert "64 MB" in (book.add(Entries("rows", "table", [{}], 90)) or NO_SENSE).why
    assert (book.add(Scalar("rows", 1.0, None)) or NO_SENSE).why == "it is a table already, and no scalar"


def test_a_property_stays_and_a_tag_changes() -> None:
    book = Book()
    for value in ("1", "2"):
        book.add(Label("tag", value, is_property=False))
        book.add(Label("property", value, is_property=True))
    assert {label.name: label.value for label in book.labels.values()} == {"tag": "2", "property": "1"}
