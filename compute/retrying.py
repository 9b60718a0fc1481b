"""Whether an attempt that failed is followed by another, and when. Decides from what it is given."""

import re
from typing import Literal

from compute.spec import Retry, RetryCause

# Why an attempt failed, as far as that decides about another one. Passing: the network, a server, another process.
Failure = RetryCause | Literal["passing"]

MAX_EXIT_CODE = 255
_RANGE = re.compile(r"(\d{1,3})(?:\s*(?:-|–|\.\.)\s*(\d{1,3}))?", re.ASCII)


def exit_codes(text: str) -> list[tuple[int, int]]:
    """`3, 10-20` as ranges, first and last code included; none for an empty text.

    Raises ValueError, with a sentence for whoever wrote it.
    """
    ranges: list[tuple[int, int]] = []
    for part in re.split(r"[,;]|(?<=\d)\s+(?=\d)", text):
        written = part.strip()
        if not written:
            continue
        found = _RANGE.fullmatch(written)
        if found is None:
            raise ValueError(f"“{written[:40]}” is no exit code. Write codes and ranges, as in “3, 10-20”.")
        first = int(found[1])
        last = int(found[2]) if found[2] else first
        if not 1 <= first <= last <= MAX_EXIT_CODE:
            raise ValueError(f"“{written}”: exit codes of failures are 1 to {MAX_EXIT_CODE}, the smaller one first.")
        ranges.append((first, last))
    return ranges


def may_follow(retry: Retry, failure: Failure, *, exit_code: int | None) -> bool:
    """Whether this is a failure after which another attempt may do better.

    `exit_code` is negative for a signal, which counts as 128 plus its number too, as a shell writes it.
    """
    if failure == "passing":
        return True
    if failure not in retry.on:
        return False
    if failure != "exit" or exit_code is None:
        return True
    ranges = exit_codes(retry.exit_codes)
    code = 128 - exit_code if exit_code < 0 else exit_code
    return not ranges or any(first <= code <= last for first, last in ranges)


def wait_s(retry: Retry, failures: int) -> float:
    """How long the next attempt waits after so many failures."""
    if retry.backoff_s <= 0:
        return 0.0
    try:
        grown = retry.backoff_s * retry.backoff_factor ** (failures - 1)
    except OverflowError:
        return retry.max_backoff_s
    return max(0.0, min(grown, retry.max_backoff_s))
