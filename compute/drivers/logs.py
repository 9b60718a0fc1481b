"""A whole log, whoever holds it."""

from collections.abc import Iterator

from compute.drivers.registry import get_driver
from compute.models import Attempt

PIECE_BYTES = 1024 * 1024


def log_bytes(attempt: Attempt) -> Iterator[bytes]:
    """The log as its process wrote it, a mebibyte or less at a time, up to where it is."""
    driver = get_driver(attempt.job.target.kind)
    offset = 0
    while True:
        piece = driver.read_log(attempt, offset=offset, limit=PIECE_BYTES)
        if piece.data:
            yield piece.data
        if piece.is_whole or len(piece.data) < PIECE_BYTES:
            return
        offset = piece.end
