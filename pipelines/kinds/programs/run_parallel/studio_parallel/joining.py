"""The results of all batches as one file, in the order of the batches: whoever worked on them, it is the same file."""

import csv
import io
import os
from typing import NamedTuple

from .refusal import Refused

_PIECE_BYTES = 1024 * 1024


class Rows(NamedTuple):
    """The lines of one batch: so many bytes of a file, from `start` on. Those of a DataFrame have columns."""

    path: str
    start: int
    length: int
    columns: object


def join(batches, target):
    """Writes `target` whole or not at all; columns stand once at the top. `batches` are `Rows`, in their order.

    Raises Refused where results differ in their columns, OSError.
    """
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    draft = os.path.join(folder, ".{}.writing".format(os.path.basename(target)))
    try:
        with open(draft, "wb") as whole:
            for rows in alike(batches):
                if whole.tell() == 0 and rows.columns is not None:
                    whole.write(top_line(rows.columns))
                copy(rows, whole)
        os.replace(draft, target)
    finally:
        if os.path.exists(draft):
            os.remove(draft)


def alike(batches):
    """The same, as long as all have the columns of the first. Raises Refused."""
    top = None
    for number, rows in enumerate(batches):
        if number == 0:
            top = rows.columns
        elif rows.columns != top:
            raise Refused(differing(top, rows.columns))
        yield rows


def copy(rows, whole):
    """Raises OSError, as where there is less than was said."""
    left = rows.length
    with open(rows.path, "rb") as part:
        part.seek(rows.start)
        while left:
            data = part.read(min(left, _PIECE_BYTES))
            if not data:
                raise OSError("“{}” ends too early".format(os.path.basename(rows.path)))
            whole.write(data)
            left -= len(data)


def top_line(columns):
    """A line of CSV, by the module that knows when a name needs quotes."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(columns)
    return text.getvalue().encode("utf-8", "backslashreplace")


def differing(top, columns):
    def words(each):
        return "a list" if each is None else "a DataFrame with the columns {}".format(", ".join(each))

    return (
        "run() returned {} for one batch and {} for another, which make no file together. "
        "Return the same for each batch.".format(words(top), words(columns))
    )
