"""A file over HTTP in parts: a download that broke off goes on where it was, and a player jumps (RFC 9110, section 14).

One range at a time; whoever asks for several gets the whole, as the standard allows.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from typing import BinaryIO

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import http_date, parse_http_date_safe

from studio.lib.downloads import stream_file

_RANGE = re.compile(r"\Abytes=(\d{0,18})-(\d{0,18})\Z")


class UnsatisfiableError(Exception):
    """The range begins beyond the end."""


def tag_of(*parts: object) -> str:
    """A strong entity tag for what these parts tell apart."""
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def send_file(
    request: HttpRequest,
    open_stream: Callable[[], BinaryIO],
    filename: str,
    *,
    size_bytes: int | None,
    etag: str,
    modified_at: datetime | None = None,
    content_type: str = "application/octet-stream",
    inline: bool = False,
) -> HttpResponseBase:
    """Answer with the file, the part of it that was asked for, or that nothing changed.

    `open_stream` gives its bytes, seekable; it is called only where some are sent. Memory is bounded by a piece.
    """
    modified = int(modified_at.timestamp()) if modified_at else None
    unchanged = get_conditional_response(request, etag=etag, last_modified=modified)
    if unchanged is not None:
        unchanged["Cache-Control"] = "private, no-cache"
        return unchanged
    try:
        part = asked_range(request, size_bytes, etag, modified)
    except UnsatisfiableError:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size_bytes}", "Accept-Ranges": "bytes"})
    stream = open_stream()
    if part is None:
        response = stream_file(stream, filename, content_type=content_type, size_bytes=size_bytes, inline=inline)
    else:
        start, end = part
        stream.seek(start)
        response = stream_file(stream, filename, content_type=content_type, size_bytes=end - start, inline=inline)
        response.status_code = 206
        response["Content-Range"] = f"bytes {start}-{end - 1}/{size_bytes}"
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    if size_bytes is not None:
        response["Accept-Ranges"] = "bytes"
    if modified is not None:
        response["Last-Modified"] = http_date(modified)
    return response


def asked_range(
    request: HttpRequest, size_bytes: int | None, etag: str, modified: int | None = None
) -> tuple[int, int] | None:
    """From where to where (exclusive), or None for the whole. Raises UnsatisfiableError."""
    found = _RANGE.match(request.headers.get("Range", "").replace(" ", ""))
    if request.method != "GET" or size_bytes is None or found is None or found.groups() == ("", ""):
        return None
    if (condition := request.headers.get("If-Range")) is not None and not _is_same(condition, etag, modified):
        return None
    first, last = found.groups()
    if not first:  # the last so many bytes
        if int(last) == 0:
            raise UnsatisfiableError
        return max(0, size_bytes - int(last)), size_bytes
    start, end = int(first), int(last) + 1 if last else size_bytes
    if last and end <= start:
        return None
    if start >= size_bytes:
        raise UnsatisfiableError
    return start, min(end, size_bytes)


def _is_same(condition: str, etag: str, modified: int | None) -> bool:
    if condition.startswith('"'):
        return condition == etag
    return modified is not None and parse_http_date_safe(condition) == modified
