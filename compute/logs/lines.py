"""Two streams become one log in which no line holds bytes of both.

A line is passed on when it is complete, or when the caller says that its stream has been silent for long enough. If the
other stream speaks in the middle of such an unfinished line, a newline ends it first. A line longer than
`MAX_LINE_BYTES` is broken there by a newline, so that whoever reads a line knows how much memory that takes.
"""

from typing import Literal

Stream = Literal["o", "e", "s"]  # stdout, stderr, the studio's own words

MAX_LINE_BYTES = 64 * 1024


class Interleaver:
    """Collects pieces in order of arrival. Work and memory grow with bytes, never with lines."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._runs: list[tuple[int, Stream]] = []
        self._held: dict[Stream, bytes] = {}
        self._open: Stream | None = None  # whose unfinished line the log ends with
        self._open_bytes = 0  # how long that line is so far
        self.size_bytes = 0  # collected and not taken yet, held pieces included
        self.newlines = 0  # collected and not taken yet

    @property
    def is_open(self) -> bool:
        """Whether what was passed on so far ends in the middle of a line."""
        return self._open is not None

    @property
    def has_passed_on(self) -> bool:
        """Whether there is something to take."""
        return bool(self._pieces)

    @property
    def has_held(self) -> bool:
        """Whether a line's beginning waits for its end."""
        return bool(self._held)

    def feed(self, stream: Stream, data: bytes) -> None:
        """Take in what `stream` said."""
        if not data:
            return
        self.size_bytes += len(data)
        held = self._held.pop(stream, b"")
        cut = data.rfind(b"\n") + 1
        if cut:
            self._pass_on(stream, held + data[:cut] if held else (data if cut == len(data) else data[:cut]))
            rest = data[cut:]
        else:
            rest = held + data if held else data
        if not rest:
            return
        so_far = self._open_bytes if self._open == stream else 0
        if len(rest) + so_far > MAX_LINE_BYTES:
            whole = len(rest) - (len(rest) + so_far) % MAX_LINE_BYTES
            self._pass_on(stream, rest[:whole])
            rest = rest[whole:]
        if rest:
            self._held[stream] = rest

    def release(self) -> None:
        """Pass on unfinished lines: their streams have been silent for a while, or are over."""
        held, self._held = self._held, {}
        for stream, data in held.items():
            self._pass_on(stream, data)

    def close(self) -> None:
        """Nothing more will come: the last line gets its newline."""
        self.release()
        self._end_line()

    def take(self) -> tuple[bytes, list[tuple[int, Stream]], int]:
        """Everything passed on since the last call: bytes, runs of one stream, and the number of newlines."""
        data, runs, newlines = b"".join(self._pieces), self._runs, self.newlines
        self._pieces, self._runs, self.newlines = [], [], 0
        self.size_bytes = sum(len(held) for held in self._held.values())
        return data, runs, newlines

    def _pass_on(self, stream: Stream, data: bytes) -> None:
        if self._open is not None and self._open != stream:
            self._end_line()
        data = _broken(data, self._open_bytes)
        self._add(stream, data)
        tail = len(data) - (data.rfind(b"\n") + 1)
        if data.endswith(b"\n"):
            self._open, self._open_bytes = None, 0
        else:
            self._open_bytes = tail if tail < len(data) else self._open_bytes + tail
            self._open = stream

    def _end_line(self) -> None:
        if self._open is not None:
            self._add(self._open, b"\n")
            self.size_bytes += 1
            self._open, self._open_bytes = None, 0

    def _add(self, stream: Stream, data: bytes) -> None:
        self._pieces.append(data)
        self.newlines += data.count(b"\n")
        if self._runs and self._runs[-1][1] == stream:
            self._runs[-1] = (self._runs[-1][0] + len(data), stream)
        else:
            self._runs.append((len(data), stream))


def _broken(data: bytes, so_far: int) -> bytes:
    """`data` with a newline after every `MAX_LINE_BYTES` bytes without one; `so_far` of its first line went before."""
    if so_far + len(data) <= MAX_LINE_BYTES:
        return data
    pieces: list[bytes] = []
    start = position = 0
    room = MAX_LINE_BYTES - so_far
    while len(data) - position > room:
        # The last newline within reach: every line up to it is short enough, whatever their number.
        newline = data.rfind(b"\n", position, position + room + 1)
        if newline >= 0:
            position = newline + 1
        else:
            position += room
            pieces += [data[start:position], b"\n"]
            start = position
        room = MAX_LINE_BYTES
    return data if not pieces else b"".join([*pieces, data[start:]])
