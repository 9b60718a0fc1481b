"""Two versions side by side: which columns came, went or changed their type, and two distributions on common bins.

Pure: nothing here looks at data.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from datastores.sources import Column
from datastores.tabular.column_profiles import ColumnProfile, Histogram

MOST_COMMON_BINS = 60
MOST_COMMON_VALUES = 12

Change = Literal["added", "removed", "retyped", "same"]


@dataclass(frozen=True, slots=True)
class ColumnPair:
    """A column of the one version and its namesake of the other, with their positions."""

    name: str
    before: Column | None
    after: Column | None
    before_at: int | None
    after_at: int | None

    @property
    def change(self) -> Change:
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "same" if self.before.type == self.after.type else "retyped"


@dataclass(frozen=True, slots=True)
class Overlaid:
    """Shares (0 to 1) of what is present in each, on the same bins or of the same values."""

    before: list[float]
    after: list[float]
    edges: list[float] | None = None  # of bins
    values: list[str] | None = None  # or the values themselves


def paired(before: Sequence[Column], after: Sequence[Column]) -> list[ColumnPair]:
    """Columns by name, changes first. Of columns with one name the first belongs to the first, and so on."""
    old, new = _named(before), _named(after)
    pairs = [
        ColumnPair(key[0], *(_column(old, before, key), _column(new, after, key)), old.get(key), new.get(key))
        for key in dict.fromkeys([*new, *old])
    ]
    order: dict[Change, int] = {"added": 0, "removed": 1, "retyped": 2, "same": 3}
    return sorted(pairs, key=lambda pair: order[pair.change])


def overlaid(before: ColumnProfile, after: ColumnProfile) -> Overlaid | None:
    """Both distributions so that they can be laid over each other; None where they can't."""
    if before.kind == after.kind and before.histogram and after.histogram:
        if (before.type == "time") != (after.type == "time"):  # since midnight, and since 1970
            return None
        edges = common_edges(before.histogram, after.histogram)
        return Overlaid(_shares(before.histogram, edges), _shares(after.histogram, edges), edges=edges)
    if before.top and after.top:
        return _values(before, after)
    return None


def common_edges(one: Histogram, other: Histogram) -> list[float]:
    """Bins over the range of both, as wide as the narrower ones where that are not too many."""
    low, high = min(one.edges[0], other.edges[0]), max(one.edges[-1], other.edges[-1])
    widths = [(each.edges[-1] - each.edges[0]) / len(each.counts) for each in (one, other)]
    width = min(width for width in widths if width > 0) if any(width > 0 for width in widths) else 1.0
    many = (high / width - low / width) if width else 1.0
    bins = max(1, min(MOST_COMMON_BINS, round(many) if many < 1e6 else MOST_COMMON_BINS))
    step = high / bins - low / bins
    return [low + step * number for number in range(bins)] + [high]


def rebinned(histogram: Histogram, edges: Sequence[float]) -> list[float]:
    """The counts on other bins: within a bin, values are taken to lie evenly."""
    counts = [0.0] * (len(edges) - 1)
    for start, end, count in zip(histogram.edges, histogram.edges[1:], histogram.counts, strict=False):
        if not count:
            continue
        parts = [max(0.0, min(end, high) - max(start, low)) for low, high in pairwise(edges)]
        whole = sum(parts)
        if whole > 0:
            for number, part in enumerate(parts):
                counts[number] += count * (part / whole)
        else:  # a bin without any width
            counts[next((at for at, high in enumerate(edges[1:]) if start < high), len(counts) - 1)] += count
    return counts


def _shares(histogram: Histogram, edges: Sequence[float]) -> list[float]:
    counts = rebinned(histogram, edges)
    total = sum(counts) or 1.0
    return [count / total for count in counts]


def _values(before: ColumnProfile, after: ColumnProfile) -> Overlaid:
    """The most frequent values of both. One that is frequent in one alone is rare in the other: shown as none there."""
    shares = [
        {top.value: top.count / max(1, profile.count - profile.missing) for top in profile.top}
        for profile in (before, after)
    ]
    sums: Counter[str] = Counter()
    for each in shares:
        sums.update(each)
    values = [value for value, _ in sums.most_common(MOST_COMMON_VALUES)]
    one, other = ([each.get(value, 0.0) for value in values] for each in shares)
    return Overlaid(one, other, values=values)


def _named(columns: Sequence[Column]) -> dict[tuple[str, int], int]:
    seen: Counter[str] = Counter()
    found: dict[tuple[str, int], int] = {}
    for position, column in enumerate(columns):
        found[(column.name, seen[column.name])] = position
        seen[column.name] += 1
    return found


def _column(positions: dict[tuple[str, int], int], columns: Sequence[Column], key: tuple[str, int]) -> Column | None:
    return columns[positions[key]] if key in positions else None
