"""Web servers: the reading contract against a real one, and what other servers do to it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import ClassVar
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from pytest_django import Settings

from datastores.backends import Backend, ChangedMeanwhile, NoSuchPath, Unreachable, open_store
from datastores.backends.http import HttpConfig, HttpSecrets, HttpStore
from studio.lib.problems import UserError
from tests.support.servers.certificates import make_certificates
from tests.support.servers.web import WebServer, web
from tests.support.waiting import wait_for

from .contract import ODD_NAMES, Fill, ReadingContract, names, text

pytestmark = pytest.mark.usefixtures("loopback_admitted")


def settled(url: str, **config: str) -> HttpConfig:
    secrets = HttpSecrets(password="given", token="given")
    return HttpStore.settle(HttpConfig(url=url, **config), secrets, workspace_id=1, name="web")


def store_of(url: str, secrets: dict[str, str] | None = None, **config: str) -> Backend:
    store = open_store("http", settled(url, **config).model_dump(), secrets or {})
    assert isinstance(store, Backend)
    return store


def address_of(url: str) -> tuple[Backend, str]:
    """A web address, as a dataset has it."""
    origin = "/".join(url.split("/")[:3])
    store = open_store("http", {"url": origin}, {})
    assert isinstance(store, Backend)
    return store, url.removeprefix(f"{origin}/")


def _is_served(url: str, content: bytes) -> bool:
    try:
        with urlopen(Request(url, method="HEAD"), timeout=10) as answer:
            return int(answer.headers["Content-Length"]) == len(content)
    except HTTPError:
        return False


class TestHttp(ReadingContract):
    odd_names = tuple(name for name in ODD_NAMES if "\n" not in name)  # rclone shows another sign for it

    @pytest.fixture
    def place(self, web_server: WebServer) -> tuple[str, Path]:
        return web_server.make_folder()

    @pytest.fixture
    def backend(self, place: tuple[str, Path]) -> Backend:
        return store_of(place[0])

    @pytest.fixture
    def fill(self, place: tuple[str, Path]) -> Fill:
        def put(*paths: str, content: bytes = b"x") -> None:
            for path in paths:
                (place[1] / path).parent.mkdir(parents=True, exist_ok=True)
                (place[1] / path).write_bytes(content)
                # For a moment the server remembers a folder, and a fast machine asks within it.
                wait_for(partial(_is_served, f"{place[0]}/{quote(path)}", content), what="the file is served")

        return put

    def test_it_is_only_read(self, backend: Backend) -> None:
        for attempt in (
            lambda: backend.write("a", BytesIO(b"")),
            lambda: backend.make_folder("a"),
            lambda: backend.delete("a"),
        ):
            with pytest.raises(UserError, match="only read"):
                attempt()

    def test_a_file_that_changes_while_it_is_read(self, backend: Backend, fill: Fill) -> None:
        fill("a", content=b"first")
        entry = backend.stat("a")
        fill("a", content=b"a second one")
        with pytest.raises(ChangedMeanwhile, match="anew"):
            backend.read_part(entry, 0, 5)

    def test_a_listing_says_sizes(self, backend: Backend, fill: Fill) -> None:
        fill("a/b", content=b"four")
        (entry,) = backend.list("a").entries
        assert entry == backend.stat("a/b")

    def test_a_web_address_is_one_file(self, place: tuple[str, Path], fill: Fill) -> None:
        fill("two words?.txt", content=b"here")
        store, path = address_of(f"{place[0]}/two%20words%3F.txt?signature=a%2Fb*#part")
        assert text(store, path) == b"here"
        assert [entry.size_bytes for entry in store.glob(path)] == [4]
        assert store.address(path) == f"{place[0]}/two%20words%3F.txt?signature=a%2Fb*"
        store, path = address_of(f"{place[0]}/two words%3F.txt")
        assert text(store, path) == b"here"
        store, path = address_of(f"{place[0]}/nowhere.csv")
        with pytest.raises(NoSuchPath):
            store.stat(path)
        assert list(store.glob(path)) == []
        with pytest.raises(UserError, match="one file"):
            store.list("")


class Scripted(BaseHTTPRequestHandler):
    """A server that a test writes itself: `pages[path]` is called with the handler."""

    pages: ClassVar[dict[str, Callable[["Scripted"], None]]] = {}
    seen: ClassVar[list[tuple[str, str, str | None]]] = []
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.seen.append((self.command, self.path, self.headers["Authorization"]))
        page = self.pages.get(self.path)
        if page is None:
            self.answer(404)
        else:
            page(self)

    do_HEAD = do_GET  # noqa: N815 (Python's name)

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def scripted() -> Iterator[str]:
    with ThreadingHTTPServer(("0.0.0.0", 0), Scripted) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[str]:
    Scripted.pages.clear()
    Scripted.seen.clear()
    with scripted() as url:
        yield url


CONTENT = bytes(range(256)) * 20_000


def test_a_server_without_parts_is_read_as_a_whole(server: str) -> None:
    Scripted.pages["/big"] = lambda handler: handler.answer(200, CONTENT)
    store = store_of(server)
    with store.open_read("big") as stream:
        stream.seek(-4, 2)
        assert stream.read() == CONTENT[-4:]
        stream.seek(0)
        assert stream.read() == CONTENT
    assert store.read_part(store.stat("big"), 1_000_000, 500) == CONTENT[1_000_000:1_000_500]


def test_the_parts_of_a_file_that_comes_as_a_whole_do_not_cost_it_once_each(server: str) -> None:
    def whole(handler: Scripted) -> None:
        with suppress(OSError):  # who has enough hangs up
            handler.answer(200, CONTENT, ETag='"one"')

    Scripted.pages["/big"] = whole
    store = store_of(server)
    entry = store.stat("big")
    size = len(CONTENT) // 20
    assert b"".join(store.read_part(entry, start, size) for start in range(0, len(CONTENT), size)) == CONTENT
    assert [method for method, *_ in Scripted.seen].count("GET") == 2
    store.close()
    Scripted.pages["/big"] = lambda handler: handler.answer(200, CONTENT, ETag='"two"')
    with pytest.raises(ChangedMeanwhile):
        store.read_part(entry, size, size)


def test_a_server_that_says_no_length_is_read(server: str) -> None:
    def chunked(handler: Scripted) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")

    Scripted.pages["/stream"] = chunked
    store = store_of(server)
    assert store.stat("stream").size_bytes is None
    assert text(store, "stream") == b"hello"


def test_a_server_without_head_is_asked_otherwise(server: str) -> None:
    def only_get(handler: Scripted) -> None:
        handler.answer(*((405, b"") if handler.command == "HEAD" else (200, b"four")))

    Scripted.pages["/a"] = only_get
    store = store_of(server)
    assert store.stat("a").size_bytes == 4
    assert text(store, "a") == b"four"


def test_a_page_that_is_no_index_says_so(server: str) -> None:
    home = b'<html><title>Welcome</title><a href="/docs/">Docs</a><a href="data.csv">Data</a>'
    Scripted.pages["/"] = lambda handler: handler.answer(200, home, Content_Type="text/html")
    Scripted.pages["/data.csv"] = lambda handler: handler.answer(200, b"a,b")
    store = store_of(server)
    store.test()
    with pytest.raises(UserError, match="no index"):
        store.list("")
    with pytest.raises(UserError, match="no index"):
        list(store.glob("*.csv"))
    assert text(store, "data.csv") == b"a,b"


INDEXES = {
    "Apache": '<title>Index of /d</title><h1>Index of /d</h1><a href="?C=N;O=D">Name</a><a href="/">Parent</a>',
    "nginx": '<title>Index of /d/</title><h1>Index of /d/</h1><hr><pre><a href="../">../</a>',
    "Python": "<title>Directory listing for /d/</title>",
    "Caddy": '<title>d</title><a href="..">Up</a>',
    "lighttpd": '<title>Index of /d/</title><a href="../">..</a>',
}


@pytest.mark.parametrize("name", INDEXES)
def test_indexes_of_many_servers_are_read(server: str, name: str) -> None:
    links = (
        '<a href="a%20b.csv">a b.csv</a> <a href="sub/">sub/</a> <a href="./c&amp;d.csv">c&amp;d</a>'
        '<a href="/d/absolute.csv">x</a> <a href="http://elsewhere.example/d/e.csv">no</a> <a href="deep/er/f">no</a>'
        '<a href="a%20b.csv?download=1">no</a> <a href="#top">no</a> <a href="mailto:a@b.example">no</a>'
        '<a href="http://[broken/">no</a> <a href="%FF">no</a> <a href="..%2fup">no</a>'
    )
    page = (INDEXES[name] + links).encode()
    Scripted.pages["/d/"] = lambda handler: handler.answer(200, page, Content_Type="text/html; charset=utf-8")
    assert names(store_of(f"{server}/d")) == ["sub", "a b.csv", "absolute.csv", "c&d.csv"]


@pytest.mark.parametrize("target", ["http://127.0.0.2:{port}/private", "http://169.254.169.254/latest/meta-data/"])
def test_a_redirect_into_the_servers_network_is_refused(server: str, target: str) -> None:
    url = target.format(port=server.rpartition(":")[2])
    Scripted.pages["/a.csv"] = lambda handler: handler.answer(302, Location=url)
    Scripted.pages["/private"] = lambda handler: handler.answer(200, b"secret")
    for store, path in ((store_of(server), "a.csv"), address_of(f"{server}/a.csv")):
        for attempt in (
            lambda store=store, path=path: store.stat(path),
            lambda store=store, path=path: store.open_read(path),
            lambda store=store, path=path: list(store.glob(path)),
        ):
            with pytest.raises(UserError, match="STUDIO_PRIVATE_HOSTS"):
                attempt()
    assert all(path != "/private" for _, path, _ in Scripted.seen)


def test_credentials_go_to_no_other_origin(server: str, settings: Settings) -> None:
    settings.PRIVATE_HOSTS = ["127.0.0.0/8"]
    other = server.replace("127.0.0.1", "127.0.0.2")
    Scripted.pages["/away"] = lambda handler: handler.answer(302, Location=f"{other}/there")
    Scripted.pages["/near"] = lambda handler: handler.answer(302, Location="/here")
    Scripted.pages["/there"] = Scripted.pages["/here"] = lambda handler: handler.answer(200, b"x")
    for config, secrets in (
        ({"auth": "bearer"}, {"token": "s3cret"}),
        ({"auth": "basic", "user": "u"}, {"password": "p"}),
    ):
        Scripted.seen.clear()
        store = store_of(server, secrets, **config)
        assert text(store, "away") == text(store, "near") == b"x"
        sent = {path: authorization for _, path, authorization in Scripted.seen}
        assert all(sent[path] for path in ("/away", "/near", "/here"))
        assert sent["/there"] is None


def test_redirects_without_end(server: str) -> None:
    Scripted.pages["/round"] = lambda handler: handler.answer(302, Location="/round")
    with pytest.raises(UserError, match="redirects"):
        store_of(server).stat("round")
    Scripted.pages["/file"] = lambda handler: handler.answer(302, Location="file:///etc/passwd")
    with pytest.raises(UserError, match="no web address"):
        store_of(server).stat("file")


@pytest.mark.parametrize(
    ("status", "said"), [(401, "asks for a password"), (403, "does not allow"), (429, "busy"), (503, "Try again")]
)
def test_what_a_server_answers_is_said(server: str, status: int, said: str) -> None:
    Scripted.pages["/a"] = lambda handler: handler.answer(status)
    for attempt in (lambda: store_of(server).stat("a"), lambda: store_of(server).open_read("a")):
        with pytest.raises(UserError, match=said):
            attempt()


def test_a_connection_that_breaks_can_be_tried_again(server: str) -> None:
    def broken(handler: Scripted) -> None:
        handler.send_response(206)
        handler.send_header("Content-Length", "1000")
        handler.send_header("Content-Range", "bytes 0-999/1000")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.close_connection = True

    Scripted.pages["/a"] = broken
    store = store_of(server)
    with pytest.raises(Unreachable, match="broke"), store.open_read("a") as stream:
        stream.read()


def test_a_password_is_asked_for() -> None:
    with web(user="sam", password="p@ss:wörd") as server:
        (server.folder / "a").write_bytes(b"x")
        store = store_of(server.url, {"password": "p@ss:wörd"}, auth="basic", user="sam")
        store.test()
        assert text(store, "a") == b"x"
        wrong = store_of(server.url, {"password": "no"}, auth="basic", user="sam")
        for attempt in (wrong.test, lambda: wrong.stat("a"), wrong.list, lambda: list(wrong.glob("**"))):
            with pytest.raises(UserError, match="does not accept these credentials") as caught:
                attempt()
            assert caught.value.problems[0].loc == ("credentials", "password")
        with pytest.raises(UserError, match="asks for a password"):
            store_of(server.url).test()


def test_a_certificate_that_nobody_signed(tmp_path: Path) -> None:
    with web(certificates=make_certificates(tmp_path)) as server, pytest.raises(UserError, match="certificate"):
        store_of(server.url).test()


def test_tls_where_there_is_none(web_server: WebServer) -> None:
    with pytest.raises(UserError, match="TLS"):
        store_of(web_server.url.replace("http:", "https:")).test()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.com", "https://"),
        ("example.com/data", "https://"),
        ("https://user:password@example.com", "fields of their own"),
        ("https://example.com/?a=b", "Leave out"),
        ("https://example.com:port/", "not an address"),
    ],
)
def test_an_address_that_is_none(url: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        settled(url)
    assert caught.value.problems[0].loc == ("config", "url")
