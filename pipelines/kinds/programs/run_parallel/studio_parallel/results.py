"""What `run` returned for a batch, counted and written down."""

import json

from .refusal import BadBatch

_WANTED = "return a list, or a DataFrame, with an element for each item that went well"


def counted(result, items):
    """How many items went well, of a script that writes its results itself. Nothing is all of them."""
    if result is None:
        return items
    try:
        return min(len(result), items)
    except TypeError:
        return items


def written(result, path):
    """Writes the rows of a result; returns how many there are, and the columns where it is a DataFrame.

    Raises BadBatch where it is none.
    """
    if is_frame(result):
        result.to_csv(path, header=False, index=False, encoding="utf-8", lineterminator="\n")
        return len(result), [str(column) for column in result.columns]
    if result is None:
        raise BadBatch("run() returned nothing; {}.".format(_WANTED))
    if isinstance(result, (str, bytes, dict)):
        raise BadBatch("run() returned {}; {}.".format(type(result).__name__, _WANTED))
    try:
        elements = iter(result)
    except TypeError:
        raise BadBatch("run() returned {}; {}.".format(type(result).__name__, _WANTED))
    count = 0
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        for element in elements:
            file.write(line_of(element) + "\n")
            count += 1
    return count, None


def is_frame(result):
    """A pandas DataFrame, without loading pandas for it."""
    return hasattr(result, "to_csv") and hasattr(result, "columns")


def plain(element, otherwise):
    """NumPy's and torch's numbers and arrays as Python's: as texts, long ones would be cut short."""
    return element.tolist() if hasattr(element, "tolist") else otherwise


def line_of(element):
    """An element as one line: what has parts as JSON, anything else as text without line breaks."""
    element = plain(element, element)
    if isinstance(element, (dict, list, tuple)):
        return json.dumps(element, ensure_ascii=False, default=lambda part: plain(part, str(part)))
    text = element.decode("utf-8", "replace") if isinstance(element, bytes) else str(element)
    return " ".join(text.splitlines()) if "\n" in text or "\r" in text else text
