"""Points of a series: packed for a chunk, summed up, thinned out. Pure.

Where many points share a pixel, the lowest and the highest of each stretch are drawn, in the order in which they came.
"""

import math
import struct
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

CHUNK_POINTS = 4096
BUCKET_POINTS = 256  # of a chunk's summary
MAX_STEP = 2**62
_BUCKET = struct.Struct("<4d")  # step and value of the first of its extremes, then of the other


@dataclass(slots=True)
class Points:
    """Columns of equal length."""

    steps: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.steps)

    def add(self, step: int, value: float) -> None:
        self.steps.append(step)
        self.values.append(value)

    def extend(self, more: "Points") -> None:
        self.steps.extend(more.steps)
        self.values.extend(more.values)

    def within(self, first: int | None, last: int | None) -> "Points":
        """Those of the steps from `first` to `last`, both included."""
        if first is None and last is None:
            return self
        low, high = -MAX_STEP if first is None else first, MAX_STEP if last is None else last
        kept = Points()
        for step, value in zip(self.steps, self.values, strict=True):
            if low <= step <= high:
                kept.add(step, value)
        return kept


def pack(points: Points) -> bytes:
    return zlib.compress(points.steps.tobytes() + points.values.tobytes(), 1)


def unpack(data: bytes) -> Points:
    plain = zlib.decompress(data)
    points = Points()
    points.steps.frombytes(plain[: len(plain) // 2])
    points.values.frombytes(plain[len(plain) // 2 :])
    return points


def summary(points: Points) -> bytes:
    """Two points for each `BUCKET_POINTS` of a chunk."""
    return b"".join(
        _BUCKET.pack(*_extremes(points.steps, points.values, start, min(start + BUCKET_POINTS, len(points))))
        for start in range(0, len(points), BUCKET_POINTS)
    )


def of_summary(data: bytes) -> Points:
    """The points that a summary holds; one for a stretch of which all are the same."""
    points = Points()
    for first, low, last, high in _BUCKET.iter_unpack(data):
        points.add(int(first), low)
        if (first, low) != (last, high) and not math.isnan(low):
            points.add(int(last), high)
    return points


def thinned(points: Points, most: int) -> Points:
    """All of them, where they are no more than `most`; else the extremes of `most // 2` stretches."""
    if len(points) <= most:
        return points
    buckets = max(1, most // 2)
    kept = Points()
    for number in range(buckets):
        start, end = len(points) * number // buckets, len(points) * (number + 1) // buckets
        first, low, last, high = _extremes(points.steps, points.values, start, end)
        kept.add(int(first), low)
        if (first, low) != (last, high) and not math.isnan(low):
            kept.add(int(last), high)
    return kept


def _extremes(steps: Sequence[int], values: Sequence[float], start: int, end: int) -> tuple[float, float, float, float]:
    """The lowest and the highest point, whichever came first leading; not a number where none is finite."""
    stretch = values[start:end]
    places: Sequence[int] = range(start, end)
    if not all(map(math.isfinite, stretch)):
        places = [place for place in places if math.isfinite(values[place])]
        if not places:
            return steps[start], math.nan, steps[start], math.nan
    low = min(places, key=values.__getitem__)
    high = max(places, key=values.__getitem__)
    first, last = min(low, high), max(low, high)
    return steps[first], values[first], steps[last], values[last]
