"""One part of the batches, of several nodes that have one each: which they are, and what is handed on to the joining.

A part leaves the lines of its batches in one file, in their order, and beside it a list: how many bytes of it belong to
which batch, what failed, and a digest by which parts see that they split the same input in the same way.
"""

import hashlib
import json
import os
from typing import NamedTuple

from .joining import Rows, alike, copy
from .refusal import Refused

LIST, LINES = "batches.json", "lines"
VERSION = 1
_WHY_CHARS = 500


class Part(NamedTuple):
    """Which of how many, from 1 on."""

    number: int
    count: int

    def mine(self, batches):
        """Every so manieth: neighbours, which are often alike, go to different nodes."""
        return [batch for batch in batches if (batch.number - 1) % self.count == self.number - 1]

    @property
    def words(self):
        return "part {} of {}".format(self.number, self.count)


class Left(NamedTuple):
    """What a part handed on."""

    plan: str
    batches: int  # of all parts
    done: int
    failed: int
    items_failed: int
    why: str  # the last failure
    rows: object  # `Rows` by the numbers of batches that have some


def part_of(text):
    """`2/3` as a part; None for an empty text. Raises ValueError."""
    if not text:
        return None
    number, count = map(int, text.split("/"))
    if not 1 <= number <= count:
        raise ValueError(text)
    return Part(number, count)


def plan_of(batches, top):
    """A digest of which batches there are. Paths count from the input on: on another node it lies elsewhere."""
    digest = hashlib.sha256()
    for batch in batches:
        of_files = isinstance(batch.work, list)
        what = [os.path.relpath(path, top) for path in batch.work] if of_files else batch.label
        digest.update(json.dumps([batch.number, batch.items, what]).encode() + b"\n")
    return digest.hexdigest()


def hand_on(folder, part, *, batches, plan, progress, rows):
    """Writes what the part comes to; `batches` is how many there are of all parts, `rows` its own `Rows` by number.

    The list comes last: where it is, all is there. Raises Refused where columns differ, OSError.
    """
    os.makedirs(folder, exist_ok=True)
    numbers = sorted(rows)
    with open(os.path.join(folder, LINES), "wb") as whole:
        for each in alike(rows[number] for number in numbers):
            copy(each, whole)
    about = {
        "version": VERSION,
        "part": part.number,
        "of": part.count,
        "plan": plan,
        "batches": batches,
        "done": progress.done,
        "failed": progress.failed,
        "items_failed": progress.items_failed,
        "why": progress.last_why[:_WHY_CHARS],
        "columns": rows[numbers[0]].columns if numbers else None,
        "bytes": [[number, rows[number].length] for number in numbers],
    }
    with open(os.path.join(folder, LIST), "w", encoding="utf-8") as file:
        json.dump(about, file)


def handed_on(folder, part):
    """A `Left`. Raises Refused where it isn't whole, or isn't of this part."""
    try:
        with open(os.path.join(folder, LIST), encoding="utf-8") as file:
            return read(json.load(file), part, os.path.join(folder, LINES))
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise Refused("What {} handed on can't be used: {}. Run it again.".format(part.words, why))


def read(about, part, lines):
    """Raises ValueError with what is wrong, OSError."""
    if not isinstance(about, dict) or about.get("version") != VERSION:
        raise ValueError("it is no list of batches that this version of the studio reads")
    if (about.get("part"), about.get("of")) != (part.number, part.count):
        raise ValueError("it is of another part")
    total, done, failed, items_failed = (
        whole(about.get(name)) for name in ("batches", "done", "failed", "items_failed")
    )
    if done + failed != len(range(part.number, total + 1, part.count)):
        raise ValueError("some of its batches are missing")
    columns = about.get("columns")
    if columns is not None and not (isinstance(columns, list) and all(isinstance(each, str) for each in columns)):
        raise ValueError("its columns are no names")
    rows, at, before = {}, 0, 0
    for number, length in pairs(about.get("bytes")):
        if not before < number <= total or (number - part.number) % part.count:
            raise ValueError("a batch of it belongs to another part, or stands in the wrong place")
        rows[number] = Rows(lines, at, length, columns)
        at, before = at + length, number
    if len(rows) > done or os.path.getsize(lines) != at:
        raise ValueError("its lines are not those of its batches")
    return Left(str(about.get("plan")), total, done, failed, items_failed, str(about.get("why", "")), rows)


def pairs(value):
    if not isinstance(value, list) or not all(isinstance(each, list) and len(each) == 2 for each in value):
        raise ValueError("it does not say which lines belong to which batch")
    return ((whole(number), whole(length)) for number, length in value)


def whole(value):
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a number of it is none")
    return value
