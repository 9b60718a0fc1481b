"""The results of all batches as one file, in the order of the batches: whoever worked on them, it is the same file."""

import csv
import io
import os
import shutil

from .refusal import Refused


def join(parts, target):
    """Writes `target` whole or not at all. `parts` are pairs of a path and the columns of a DataFrame, or None.

    Columns stand once at the top. Raises Refused where results differ in them, OSError.
    """
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    draft = os.path.join(folder, ".{}.writing".format(os.path.basename(target)))
    try:
        with open(draft, "wb") as whole:
            top = None
            for number, (path, columns) in enumerate(parts):
                if number == 0:
                    top = columns
                    whole.write(top_line(top) if top is not None else b"")
                elif columns != top:
                    raise Refused(differing(top, columns))
                with open(path, "rb") as part:
                    shutil.copyfileobj(part, whole, 1024 * 1024)
        os.replace(draft, target)
    finally:
        if os.path.exists(draft):
            os.remove(draft)


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
