"""Which batches there are. Pure: the same items give the same batches, whoever works on them."""

import re
from typing import NamedTuple

_SIZE = re.compile(r"\s*(\d+)\s*([kmg]?b)?\s*", re.IGNORECASE)
_BYTES = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}


class Batch(NamedTuple):
    """Some items that one process works on at once."""

    number: int  # from 1 on
    items: int  # how many there are in it
    work: object  # which they are, as JSON
    label: str  # the same for people


class Size(NamedTuple):
    """How large a batch is: by the number of its items or by bytes, the other being None."""

    count: object
    size_bytes: object


def size_of(text):
    """`10` items or `10MB`. Raises ValueError for what is no size above 0."""
    match = _SIZE.fullmatch(text)
    number = int(match.group(1)) if match else 0
    if not number:
        raise ValueError(text)
    unit = match.group(2)
    return Size(None, number * _BYTES[unit.lower()]) if unit else Size(number, None)


def groups(items, size, bytes_of):
    """The items in lists, in their order. By bytes, a list has at least one and ends before it is too large."""
    group, weight = [], 0
    for item in items:
        more = 0 if size.size_bytes is None else bytes_of(item)
        full = len(group) == size.count if size.size_bytes is None else weight + more > size.size_bytes
        if group and full:
            yield group
            group, weight = [], 0
        group.append(item)
        weight += more
    if group:
        yield group


def slices(parts, rows):
    """Rows in stretches of `rows`, as lists of `(place, start, stop)`; `parts` are pairs of a place and its rows."""
    group, room = [], rows
    for place, count in parts:
        start = 0
        while start < count:
            stop = min(count, start + room)
            group.append((place, start, stop))
            room -= stop - start
            start = stop
            if not room:
                yield group
                group, room = [], rows
    if group:
        yield group
