"""Files on their way to the browser, piece by piece: however large, neither a whole file nor a queue of pieces is held.

Django under ASGI reads a synchronous iterator to its end before it sends the first byte; `StreamedResponse` does not.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from io import IOBase
from pathlib import Path
from typing import BinaryIO

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

PIECE_BYTES = 256 * 1024
# Images that a browser draws without running anything.
INERT_IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
_UNFIT_FOR_A_HEADER = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class StreamedResponse(StreamingHttpResponse):
    """A streaming answer from a synchronous iterator, for sync and async servers alike.

    Under ASGI each piece is fetched in the request's own thread, the one that the view ran in, so the iterator may
    read the database.
    """

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = iter(self)

        def next_piece() -> bytes | None:
            return next(pieces, None)

        while (piece := await sync_to_async(next_piece)()) is not None:
            yield piece


def stream_file(
    source: Path | BinaryIO | Iterable[bytes],
    filename: str,
    *,
    content_type: str = "application/octet-stream",
    size_bytes: int | None = None,
    inline: bool = False,
) -> StreamedResponse:
    """Answer with the bytes of `source`, which is closed at the end. The browser saves them as `filename`.

    Nothing in the answer can act in the studio's name, whatever the bytes are: it is an attachment, its type is not
    guessed, and a policy of `sandbox` holds even where a browser shows it (`inline`).
    Raises OSError where a path cannot be opened.
    """
    if isinstance(source, Path):
        size_bytes = source.stat().st_size
        source = source.open("rb")
    pieces = _Pieces(source, size_bytes) if isinstance(source, IOBase) else source
    response = StreamedResponse(pieces, content_type=content_type)
    name = _UNFIT_FOR_A_HEADER.sub("_", filename) or "download"
    response["Content-Disposition"] = content_disposition_header(not inline, name) or "attachment"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    if size_bytes is not None:
        response["Content-Length"] = str(size_bytes)
    return response


def stream_image(source: Path | BinaryIO, filename: str, *, size_bytes: int | None = None) -> StreamedResponse:
    """Answer with an image to be drawn in a page. Raises ValueError for anything but the kinds in `INERT_IMAGES`."""
    content_type = image_type(filename)
    if content_type is None:
        raise ValueError(f"{filename} is not an image that can be shown safely")
    return stream_file(source, filename, content_type=content_type, size_bytes=size_bytes, inline=True)


def image_type(filename: str) -> str | None:
    """The content type of a file that may be drawn in a page, by its name; None for every other one."""
    return INERT_IMAGES.get(Path(filename).suffix.lower())


class _Pieces:
    """The bytes of an open file, closed with the response even where nobody read it.

    At most `limit_bytes`: a file that grows while it is sent must not outgrow its Content-Length.
    """

    def __init__(self, stream: IOBase, limit_bytes: int | None) -> None:
        self._stream = stream
        self._left = limit_bytes

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        wanted = PIECE_BYTES if self._left is None else min(PIECE_BYTES, self._left)
        piece: bytes = self._stream.read(wanted)
        if not piece:
            raise StopIteration
        if self._left is not None:
            self._left -= len(piece)
        return piece

    def close(self) -> None:
        self._stream.close()
