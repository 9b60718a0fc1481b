"""Two streams become one log: nothing is lost, and no line holds bytes of both."""

from hypothesis import given
from hypothesis import strategies as st

from compute.logs.lines import MAX_LINE_BYTES, Interleaver, Stream

PIECES = st.lists(
    st.tuples(st.sampled_from(["o", "e", "s"]), st.binary(max_size=12).map(lambda data: data.replace(b"\x07", b"\n"))),
    max_size=30,
)


def _lines(interleaver: Interleaver) -> list[tuple[set[str], bytes]]:
    """The log's lines with the streams that their bytes came from."""
    data, runs, newlines = interleaver.take()
    assert sum(count for count, _ in runs) == len(data)
    assert newlines == data.count(b"\n")
    streams = "".join(stream * count for count, stream in runs)
    lines, start = [], 0
    for piece in data.splitlines(keepends=True) if b"\r" not in data else _split(data):
        lines.append((set(streams[start : start + len(piece)]), piece))
        start += len(piece)
    return lines


def _split(data: bytes) -> list[bytes]:
    return [piece + b"\n" for piece in data.split(b"\n")[:-1]] + ([data.split(b"\n")[-1]] if data[-1:] != b"\n" else [])


@given(pieces=PIECES, pauses=st.sets(st.integers(0, 30)))
def test_each_stream_keeps_its_bytes_and_lines_are_of_one_stream(
    pieces: list[tuple[Stream, bytes]], pauses: set[int]
) -> None:
    log = Interleaver()
    for number, (stream, data) in enumerate(pieces):
        log.feed(stream, data)
        if number in pauses:
            log.release()
    log.close()
    data, runs, newlines = log.take()
    assert newlines == data.count(b"\n")
    assert sum(count for count, _ in runs) == len(data)
    position, said = 0, {"o": b"", "e": b"", "s": b""}
    for count, stream in runs:
        said[stream] += data[position : position + count]
        position += count
    for stream in "oes":
        fed = b"".join(piece for source, piece in pieces if source == stream)
        # Only newlines were added, and none was lost.
        assert said[stream].replace(b"\n", b"") == fed.replace(b"\n", b"")
        assert said[stream].count(b"\n") >= fed.count(b"\n")
    owners = "".join(stream * count for count, stream in runs)
    start = 0
    while start < len(data):
        end = data.index(b"\n", start) + 1  # closed: every line has its newline
        assert len(set(owners[start:end])) == 1
        start = end


def test_an_unfinished_line_waits_for_its_end() -> None:
    log = Interleaver()
    log.feed("o", b"half")
    assert log.take()[0] == b""
    log.feed("o", b" a line\nnext")
    assert _lines(log) == [({"o"}, b"half a line\n")]
    log.release()
    assert log.is_open
    assert _lines(log) == [({"o"}, b"next")]


def test_the_other_stream_ends_a_line_that_was_passed_on() -> None:
    log = Interleaver()
    log.feed("o", b"progress 10%")
    log.release()
    log.feed("e", b"warning\n")
    log.feed("o", b" 20%\n")
    assert _lines(log) == [({"o"}, b"progress 10%\n"), ({"e"}, b"warning\n"), ({"o"}, b" 20%\n")]


@given(
    sizes=st.lists(st.integers(1, 3 * MAX_LINE_BYTES), min_size=1, max_size=5),
    newline_at=st.integers(0, 3 * MAX_LINE_BYTES),
    release=st.booleans(),
)
def test_very_long_lines_are_broken_and_their_bytes_kept(sizes: list[int], newline_at: int, release: bool) -> None:
    log = Interleaver()
    whole = bytearray(b"x" * sum(sizes))
    if newline_at < len(whole):
        whole[newline_at] = ord("\n")
    start = 0
    for size in sizes:
        log.feed("o", bytes(whole[start : start + size]))
        start += size
        if release:
            log.release()
    log.close()
    data = log.take()[0]
    assert data.count(b"x") == whole.count(b"x")
    assert max(len(line) for line in data.split(b"\n")) <= MAX_LINE_BYTES


def test_memory_for_a_million_short_lines_is_what_was_fed() -> None:
    log = Interleaver()
    log.feed("o", b"x\n" * 1_000_000)
    assert log.size_bytes == 2_000_000
    data, runs, newlines = log.take()
    assert (len(data), runs, newlines) == (2_000_000, [(2_000_000, "o")], 1_000_000)
