"""A folder of a million objects: one request opens it, one more turns the page.

No real server here holds so many and gives a page of them in a moment (rclone's reads its whole folder for each), so
this one makes its keys up as they are asked for, in the words of ListObjectsV2.
"""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from datastores.backends import Backend, open_store

COUNT = 1_000_000


class Endless(BaseHTTPRequestHandler):
    requests: ClassVar[list[str]] = []
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.requests.append(self.path)
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        start = int(query.get("continuation-token", "0"))
        digits = query["prefix"].removeprefix("big/")
        if digits:  # the keys that begin so
            low, high = int(digits.ljust(7, "0")), int(digits.ljust(7, "9")) + 1
        else:
            low, high = 0, COUNT
        end = min(max(start, low) + int(query["max-keys"]), high, COUNT)
        keys = "".join(
            f"<Contents><Key>big/{number:07}</Key><Size>1</Size><ETag>&quot;{number}&quot;</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for number in range(max(start, low), end)
        )
        more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < high else ""
        truncated = str(bool(more)).lower()
        content = (
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{truncated}</IsTruncated>{more}{keys}</ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def backend(loopback_admitted: None) -> Iterator[Backend]:
    Endless.requests.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        config = {"bucket": "bucket", "endpoint": endpoint, "path_style": True, "region": "us-east-1"}
        store = open_store("s3", config, {"access_key": "key", "secret_key": "secret"})
        assert isinstance(store, Backend)
        yield store
        store.close()
        server.shutdown()


def test_it_opens_and_pages_on_with_one_request_each(backend: Backend) -> None:
    backend.list("big", limit=1)  # the first connection, and boto's imports
    Endless.requests.clear()
    began = time.monotonic()
    first = backend.list("big")
    second = backend.list("big", after=first.after)
    assert time.monotonic() - began < 1.0
    assert [entry.name for entry in first.entries + second.entries] == [f"{number:07}" for number in range(400)]
    assert len(Endless.requests) == 2


def test_a_beginning_is_searched_by_the_store(backend: Backend) -> None:
    page = backend.list("big", prefix="09999")
    assert [entry.name for entry in page.entries] == [f"{number:07}" for number in range(999_900, 1_000_000)]
    assert page.after is None
    assert len(Endless.requests) == 1


def test_a_glob_is_read_a_page_at_a_time(backend: Backend) -> None:
    found = backend.glob("big/*")
    assert next(found).path == "big/0000000"
    assert len(Endless.requests) <= 2  # the page, and the next one on its way
    found.close()  # type: ignore[attr-defined]
    assert sum(1 for _ in backend.glob("big/012*")) == 10_000
