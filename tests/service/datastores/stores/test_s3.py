"""S3: the contract against two real servers, and what only such a server can say."""

import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from datastores.backends import Backend, ChangedMeanwhile, Unreachable, open_store
from datastores.backends.s3 import S3Config, S3Secrets, S3Store
from studio.lib.problems import UserError
from tests.support.servers.certificates import make_certificates
from tests.support.servers.ports import free_port
from tests.support.servers.s3 import ONLY_READ, READ_AND_WRITE, MotoServer, S3Server, s3
from tests.support.servers.same import same
from tests.support.servers.web import WebServer

from .contract import ODD_NAMES, BackendContract, names, pages, text

pytestmark = pytest.mark.usefixtures("loopback_admitted")


def store_of(config: dict[str, Any], given: dict[str, str]) -> Backend:
    settled = S3Store.settle(S3Config(**config), S3Secrets(**given), workspace_id=1, name="bucket")
    store = open_store("s3", settled.model_dump(), given)
    assert isinstance(store, Backend)
    return store


class TestS3(BackendContract):
    too_long = "x" * 1100
    odd_names = tuple(name for name in ODD_NAMES if "\n" not in name)  # Amazon takes it; rclone and moto do not

    @pytest.fixture
    def backend(self, s3_server: S3Server) -> Backend:
        return store_of({**s3_server.config, "bucket": s3_server.make_bucket()}, s3_server.secrets)


class TestS3Folder(TestS3):
    """Below a folder of a bucket that holds other things too."""

    @pytest.fixture
    def backend(self, s3_server: S3Server) -> Backend:
        bucket = s3_server.make_bucket()
        (s3_server.folder / bucket / "beside").write_bytes(b"not the datastore's")
        config = {**s3_server.config, "bucket": bucket, "folder": f"/deep/{secrets.token_hex(4)}/"}
        return store_of(config, s3_server.secrets)


class TestS3WithRights(BackendContract):
    """By a user with rights of its own, on a server that keeps keys as Amazon's does."""

    too_long = "x" * 1100
    odd_names = TestS3.odd_names

    @pytest.fixture
    def backend(self, s3_with_rights: MotoServer) -> Backend:
        _, given = s3_with_rights.make_user(*READ_AND_WRITE)
        return store_of({**s3_with_rights.config, "bucket": s3_with_rights.make_bucket()}, given)


def every_method(store: Backend) -> Iterator[Callable[[], object]]:
    """Each thing that can be asked of a store."""
    yield store.test
    yield lambda: store.test(write=False)
    yield store.list
    yield lambda: store.list("folder", prefix="a")
    yield lambda: store.stat("a")
    yield lambda: store.stat("")
    yield lambda: store.open_read("a")
    yield lambda: store.write("a", BytesIO(b"x"))
    yield lambda: store.write("a", BytesIO(b"x" * 9_000_000))
    yield lambda: store.make_folder("folder")
    yield lambda: store.delete("a")
    yield lambda: list(store.glob("**"))
    yield lambda: list(store.glob("*/a"))
    yield lambda: store.fingerprint("a")


def check_all(store: Backend, said: str, *loc: str, within_s: float = 10.0, kind: type[UserError] = UserError) -> None:
    for attempt in every_method(store):
        began = time.monotonic()
        with pytest.raises(kind, match=said) as caught:
            attempt()
        assert time.monotonic() - began < within_s
        assert not loc or caught.value.problems[0].loc == loc


def test_a_bucket_that_is_not_there(s3_server: S3Server) -> None:
    store = store_of({**s3_server.config, "bucket": "no-such-bucket"}, s3_server.secrets)
    check_all(store, "There is no bucket no-such-bucket", "config", "bucket")


def test_a_bucket_that_vanishes(s3_server: S3Server) -> None:
    bucket = s3_server.make_bucket()
    store = store_of({**s3_server.config, "bucket": bucket}, s3_server.secrets)
    store.write("a", BytesIO(b"x"))
    store.write("folder/b", BytesIO(b"x"))
    entry = store.stat("a")
    s3_server.remove_bucket(bucket)
    check_all(store, f"There is no bucket {bucket}", "config", "bucket")
    with pytest.raises(UserError):
        store.read_part(entry, 0, 1)


def test_a_wrong_secret_key(s3_server: S3Server) -> None:
    config = {**s3_server.config, "bucket": s3_server.make_bucket()}
    given = {"access_key": s3_server.key, "secret_key": "wrong-but-secret"}
    store = store_of(config, given)
    with pytest.raises(UserError, match="secret key does not belong") as caught:
        store.test()
    assert caught.value.problems[0].loc == ("credentials", "secret_key")
    for attempt in every_method(store):
        with pytest.raises(UserError) as caught:
            attempt()
        assert "wrong-but-secret" not in repr(caught.value) + str(caught.value.__cause__)


def test_an_access_key_that_nobody_has(s3_server: S3Server) -> None:
    config = {**s3_server.config, "bucket": s3_server.make_bucket()}
    with pytest.raises(UserError, match="does not know this access key") as caught:
        store_of(config, {**s3_server.secrets, "access_key": "nobody"}).test()
    assert caught.value.problems[0].loc == ("credentials", "access_key")


def test_a_key_that_is_revoked(s3_with_rights: MotoServer) -> None:
    name, given = s3_with_rights.make_user(*READ_AND_WRITE)
    store = store_of({**s3_with_rights.config, "bucket": s3_with_rights.make_bucket()}, given)
    store.write("a", BytesIO(b"x"))
    s3_with_rights.revoke(name, given)
    with pytest.raises(UserError, match="revoked"):
        store.test()
    with pytest.raises(UserError, match="revoked"):
        store.list()
    with pytest.raises(UserError):
        text(store, "a")


def test_a_key_that_may_only_read(s3_with_rights: MotoServer) -> None:
    bucket = s3_with_rights.make_bucket()
    s3_with_rights.client("s3").put_object(Bucket=bucket, Key="a/b", Body=b"here")
    _, given = s3_with_rights.make_user(*ONLY_READ)
    store = store_of({**s3_with_rights.config, "bucket": bucket}, given)
    store.test(write=False)
    assert text(store, "a/b") == b"here"
    assert names(store, "a") == ["b"]
    with pytest.raises(UserError, match="may not write to the bucket") as caught:
        store.test()
    assert caught.value.problems[0].loc == ("credentials",)
    for attempt in (
        lambda: store.write("c", BytesIO(b"x")),
        lambda: store.write("c", BytesIO(b"x" * 20_000_000)),
        lambda: store.make_folder("d"),
    ):
        with pytest.raises(UserError, match="may not write to"):
            attempt()
    with pytest.raises(UserError, match="may not delete from"):
        store.delete("a/b")
    assert text(store, "a/b") == b"here"


def answering(content: bytes, status: str = "403 Forbidden") -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(content)}\r\n"
        body = b"" if request.startswith(b"HEAD") else content
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)

    return answer


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """`serve(answer)`: a server that does that with each connection; gives its endpoint."""
    listeners: list[socket.socket] = []

    def start(answer: Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    answer(connection)

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


KEYS = {"access_key": "key", "secret_key": "secret"}


@pytest.mark.parametrize(
    ("code", "said", "loc"),
    [
        ("ExpiredToken", "expired", ("credentials", "session_token")),
        ("InvalidToken", "session token", ("credentials", "session_token")),
        ("RequestTimeTooSkewed", "clocks", ("config", "endpoint")),
        ("AuthorizationHeaderMalformed", "another region. It is eu-west-1", ("config", "region")),
        ("AccessDenied", "may not list the files of", ("credentials",)),
        ("Unheard", "may not list the files of", ("credentials",)),
    ],
)
def test_what_a_server_says_is_said(serve: Callable[..., str], code: str, said: str, loc: tuple[str, ...]) -> None:
    content = f"<Error><Code>{code}</Code><Message>m</Message><Region>eu-west-1</Region></Error>".encode()
    endpoint = serve(answering(content))
    store = store_of({"bucket": "bucket", "endpoint": endpoint, "path_style": True}, {**KEYS, "session_token": "t"})
    with pytest.raises(UserError, match=said) as caught:
        store.list()
    assert caught.value.problems[0].loc == loc


def test_a_server_that_is_busy(serve: Callable[..., str]) -> None:
    endpoint = serve(answering(b"<Error><Code>SlowDown</Code></Error>", "503 Slow Down"))
    store = store_of({"bucket": "bucket", "endpoint": endpoint, "path_style": True}, KEYS)
    for attempt in (store.test, store.list, lambda: store.stat("a"), lambda: list(store.glob("**"))):
        with pytest.raises(Unreachable, match="busy or out of order") as caught:
            attempt()
        assert caught.value.problems[0].loc == ("config", "endpoint")


def test_a_server_that_never_answers(serve: Callable[..., str]) -> None:
    end = threading.Event()
    endpoint = serve(lambda _: bool(end.wait(60)))
    store = store_of({"bucket": "bucket", "endpoint": endpoint, "path_style": True}, KEYS)
    try:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="did not answer"):
            store.test()
        assert time.monotonic() - began < 10
    finally:
        end.set()


def test_nothing_that_listens() -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    store = store_of({"bucket": "bucket", "endpoint": endpoint, "path_style": True}, KEYS)
    check_all(store, "refuses the connection", "config", "endpoint", kind=Unreachable)


def test_a_name_that_nobody_has() -> None:
    store = store_of({"bucket": "bucket", "endpoint": "https://s3.nobody.invalid", "path_style": True}, KEYS)
    check_all(store, r"s3\.nobody\.invalid.*spelling", "config", "endpoint", kind=Unreachable)


def test_an_address_inside(settings: Settings, s3_server: S3Server) -> None:
    settings.PRIVATE_HOSTS = []
    store = store_of({**s3_server.config, "bucket": s3_server.make_bucket()}, s3_server.secrets)
    check_all(store, "STUDIO_PRIVATE_HOSTS", "config", "endpoint")


def test_a_certificate_that_nobody_signed(tmp_path: Path) -> None:
    with s3(make_certificates(tmp_path)) as server:
        store = store_of({**server.config, "bucket": server.make_bucket()}, server.secrets)
        check_all(store, "certificate", "config", "endpoint")


def test_tls_where_there_is_none(s3_server: S3Server) -> None:
    config = {**s3_server.config, "endpoint": s3_server.endpoint.replace("http:", "https:"), "bucket": "bucket"}
    check_all(store_of(config, s3_server.secrets), "does not speak TLS", "config", "endpoint")


def test_a_server_of_something_else(web_server: WebServer) -> None:
    with pytest.raises(UserError):
        store_of({"bucket": "bucket", "endpoint": web_server.url, "path_style": True}, KEYS).test()


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (200, "text/html", b"<html><body>Sign in</body></html>"),
        (200, "text/html", b"<!doctype html><p>Sign in"),
        (200, "application/json", b'{"a": 1}'),
        (200, "text/plain", b""),
        (301, "text/html", b"<p>Elsewhere</p>"),
    ],
)
def test_a_server_that_gives_one_answer_to_everything(status: int, content_type: str, body: bytes) -> None:
    """Nothing is said to be kept, or to be empty, where only a web page answered."""
    with same(body, content_type, status=status) as url:
        store = store_of({"bucket": "bucket", "endpoint": url, "path_style": True}, KEYS)
        whole, large = BytesIO(b"x"), BytesIO(b"x" * 9_000_000)
        for attempt in (store.test, store.list, lambda: store.write("a", whole), lambda: store.write("a", large)):
            with pytest.raises(UserError, match=r"S3 server( does)?\. Check the address") as caught:
                attempt()
            assert caught.value.problems[0].loc == ("config", "endpoint")


def test_nobodys_identity(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    config = {**s3_server.config, "bucket": s3_server.make_bucket(), "auth": "identity"}
    with pytest.raises(UserError, match="no identity") as caught:
        store_of(config, {}).test()
    assert caught.value.problems[0].loc == ("config", "auth")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret)
    store_of(config, {}).test()


def test_the_identity_of_this_machine_is_not_mixed_in(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_PROFILE", "nobody's")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    store_of({**s3_server.config, "bucket": s3_server.make_bucket()}, s3_server.secrets).test()


def test_a_public_bucket_needs_no_key(s3_server: S3Server) -> None:
    with s3(public=True) as server:
        bucket = server.make_bucket()
        (server.folder / bucket / "a").write_bytes(b"here")
        store = store_of({**server.config, "bucket": bucket, "auth": "anonymous"}, {})
        assert names(store) == ["a"]
        assert text(store, "a") == b"here"
    private = store_of({**s3_server.config, "bucket": s3_server.make_bucket(), "auth": "anonymous"}, {})
    with pytest.raises(UserError, match="refused"):
        private.test()


def test_a_file_that_changes_while_it_is_read(s3_server: S3Server) -> None:
    store = store_of({**s3_server.config, "bucket": s3_server.make_bucket()}, s3_server.secrets)
    store.write("a", BytesIO(b"\0" * 9_000_000))
    with store.open_read("a") as stream:
        stream.read(10)
        store.write("a", BytesIO(b"\1" * 9_000_000))
        with pytest.raises(ChangedMeanwhile, match="anew"):
            stream.read()


def test_names_that_lead_nowhere_are_never_opened(s3_with_rights: MotoServer) -> None:
    bucket = s3_with_rights.make_bucket()
    client = s3_with_rights.client("s3")
    for key in ("a//b", "../up", "x/./y", "good/c", "/slash"):
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    _, given = s3_with_rights.make_user(*READ_AND_WRITE)
    store = store_of({**s3_with_rights.config, "bucket": bucket}, given)
    assert [entry.path for entry in store.glob("**")] == ["good/c"]
    assert [(entry.name, entry.kind) for page in pages(store, limit=2) for entry in page if entry.kind != "folder"] == [
        ("..", "other")
    ]


def test_nothing_is_left_of_an_upload_that_broke(s3_with_rights: MotoServer) -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if piece := super().read(size):
                return piece
            raise ConnectionResetError

    bucket = s3_with_rights.make_bucket()
    _, given = s3_with_rights.make_user(*READ_AND_WRITE)
    store = store_of({**s3_with_rights.config, "bucket": bucket}, given)
    with pytest.raises(ConnectionResetError):
        store.write("a", Broken(b"x" * 20_000_000))
    assert not s3_with_rights.client("s3").list_multipart_uploads(Bucket=bucket).get("Uploads")


@pytest.mark.parametrize(
    ("config", "given", "loc"),
    [
        ({"bucket": "a/b"}, KEYS, ("config", "bucket")),
        ({"bucket": "s3://a"}, KEYS, ("config", "bucket")),
        ({"bucket": "bucket"}, {}, ("credentials", "access_key")),
        ({"bucket": "bucket"}, {"access_key": "key"}, ("credentials", "secret_key")),
        ({"bucket": "bucket", "endpoint": "minio:9000"}, KEYS, ("config", "endpoint")),
        ({"bucket": "bucket", "folder": "a/../.."}, KEYS, ("config", "folder")),
    ],
)
def test_what_cannot_be_is_refused_before_a_connection(
    config: dict[str, Any], given: dict[str, str], loc: tuple[str, ...]
) -> None:
    with pytest.raises(UserError) as caught:
        store_of(config, given)
    assert caught.value.problems[0].loc == loc


def test_it_says_where_it_is(s3_server: S3Server) -> None:
    store = store_of({**s3_server.config, "bucket": "bucket", "folder": "a/b"}, s3_server.secrets)
    assert store.address("c.csv") == "s3://bucket/a/b/c.csv"
    assert store.location == f"s3://bucket/a/b at {s3_server.endpoint}"
    assert s3_server.secret not in repr(vars(store))
