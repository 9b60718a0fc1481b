"""The lines of a spool, read as what they say. Pure: whatever a step writes there, this neither fails nor waits.

A line is `[KIND, NAME, VALUE, …]` in JSON: see `studio_sdk._spool`.
"""

import base64
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from compute.metrics.points import MAX_STEP

MetricKind = Literal[
    "scalar", "list", "table", "image", "confusion_matrix", "residuals", "accuracy_table", "predictions"
]

MAX_NAME = 250
MAX_VALUE = 1000  # characters of a tag's or property's value
MAX_ENTRY_BYTES = 256 * 1024  # of a list, a row, a document
MAX_IMAGE_BYTES = 4 * 1024**2
MAX_LINE_BYTES = MAX_IMAGE_BYTES * 4 // 3 + 4096
_MAX_DEPTH = 8
_DOCUMENTS: dict[str, MetricKind] = {
    "c": "confusion_matrix",
    "e": "residuals",
    "a": "accuracy_table",
    "p": "predictions",
}
IMAGES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif"}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A point. Without a step: the one after the last."""

    name: str
    value: float
    step: int | None


@dataclass(frozen=True, slots=True)
class Entries:
    """What is added to a metric that is no series: values of a list, rows of a table, one document."""

    name: str
    kind: MetricKind
    entries: list[Any]  # as JSON has them
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Image:
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Label:
    """A tag, or a property, which is said once."""

    name: str
    value: str
    is_property: bool


@dataclass(frozen=True, slots=True)
class Dropped:
    """A line that is not kept, and why: `why` ends the sentence “…: ”."""

    why: str
    name: str = ""


Said = Scalar | Entries | Image | Label | Dropped
NO_SENSE = Dropped("what was written makes no sense here")


def read(lines: Sequence[bytes]) -> Iterator[Said]:
    """What the lines say, in their order. Thousands of good ones are read at once.

    Lines that are none by themselves may be as many documents together, so that a short line seems to be a long list:
    only points, whose length is bounded by what they are, are taken from what was read at once.
    """
    lines = [line for line in lines if line and not line.isspace()]
    try:
        documents = json.loads(b"[" + b",".join(lines) + b"]")
    except (ValueError, RecursionError):
        documents = None
    if documents is not None and len(documents) == len(lines):
        for line, document in zip(lines, documents, strict=True):
            is_point = isinstance(document, list) and document[:1] == ["s"]
            yield _meant(document, len(line)) if is_point else _meant_alone(line)
        return
    for line in lines:
        yield _meant_alone(line)


def _meant_alone(line: bytes) -> Said:
    try:
        return _meant(json.loads(line), len(line))
    except (ValueError, RecursionError):
        return NO_SENSE


def _meant(document: Any, size_bytes: int) -> Said:
    if not isinstance(document, list) or len(document) < 3 or not isinstance(document[1], str):
        return NO_SENSE
    kind, name, value = document[:3]
    if kind == "s":
        return _scalar(name, value, document[3] if len(document) > 3 else None)
    name = printable(name)
    if problem := name_problem(name):
        return Dropped(problem, name[:80])
    if kind in {"tag", "property"} and isinstance(value, str):
        if len(value) > MAX_VALUE:
            return Dropped(f"a value may have at most {MAX_VALUE:,} characters", name)
        return Label(name, printable(value), is_property=kind == "property")
    if kind == "i" and isinstance(value, str):
        return _image(name, value)
    if size_bytes > MAX_ENTRY_BYTES:
        return Dropped("a list, row or table may have at most 256 KB in one call", name)
    return _entries(kind, name, value, size_bytes)


def _scalar(name: str, value: Any, step: Any) -> Said:
    if len(name) > MAX_NAME or not name.isprintable() or not name:
        name = printable(name)
        if problem := name_problem(name):
            return Dropped(problem, name[:80])
    try:
        number = float(value) if isinstance(value, int | float) else None
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    if number is None:
        return Dropped("its value is no number", name)
    if step is not None and (type(step) is not int or not -MAX_STEP < step < MAX_STEP):
        return Dropped("its step is no whole number, or too large", name)
    return Scalar(name, number, step)


def _image(name: str, encoded: str) -> Said:
    try:
        content = base64.b64decode(encoded, validate=True)
    except ValueError:
        return NO_SENSE
    if len(content) > MAX_IMAGE_BYTES:
        return Dropped("a picture may have at most 4 MB", name)
    if image_ending(content) is None:
        return Dropped("it is no PNG, JPEG, GIF or WebP", name)
    return Image(name, content)


def _entries(kind: Any, name: str, value: Any, size_bytes: int) -> Said:
    if not _is_shallow(value, _MAX_DEPTH):
        return Dropped(f"it is nested more than {_MAX_DEPTH} levels deep", name)
    if kind == "l" and isinstance(value, list):
        return Entries(name, "list", value, size_bytes)
    if kind == "r" and isinstance(value, dict):
        return Entries(name, "table", [value], size_bytes)
    if kind == "t" and isinstance(value, dict):
        return _table(name, value, size_bytes)
    if isinstance(kind, str) and kind in _DOCUMENTS and isinstance(value, dict):
        return Entries(name, _DOCUMENTS[kind], [value], size_bytes)
    return Dropped("this version of the studio doesn't know its kind", name)


def _table(name: str, value: dict[str, Any], size_bytes: int) -> Said:
    columns = {key: column if isinstance(column, list) else [column] for key, column in value.items()}
    rows = max(map(len, columns.values()), default=0)
    # Each row is kept with the names of its columns: a long name is a small line and a large table.
    size_bytes += rows * sum(len(key) + 4 for key in columns)
    if size_bytes > 4 * MAX_ENTRY_BYTES:
        return Dropped("a table may have at most 1 MB in one call, its columns' names in each row included", name)
    return Entries(
        name,
        "table",
        [{key: column[row] for key, column in columns.items() if row < len(column)} for row in range(rows)],
        size_bytes,
    )


def _is_shallow(value: Any, levels: int) -> bool:
    if not isinstance(value, list | dict):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(each, levels - 1) for each in inner)


def image_ending(content: bytes) -> str | None:
    """`png` and so on, by how the content begins; None for what is no picture that a page draws."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((ending for mark, ending in IMAGES.items() if content.startswith(mark)), None)


def name_problem(name: str) -> str | None:
    if not name:
        return "it has no name"
    return f"a name may have at most {MAX_NAME} characters" if len(name) > MAX_NAME else None


def printable(text: str) -> str:
    """As every database takes it and every page shows it."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in "\n\t" else "\ufffd" for each in text).strip()
