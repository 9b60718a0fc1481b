"""A local folder as a machine sees it that does not share it: over a real Redis, to a server beside the folder."""

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from datastores.backends import Backend, ChangedMeanwhile, Unreachable, local, open_store
from datastores.backends.interface import NoCredentials
from datastores.relay import operations
from datastores.relay.client import ask, close_idle
from datastores.relay.folder import FolderFromAfar
from datastores.relay.frames import MOST_BYTES, packed
from datastores.relay.gateway import gateway
from datastores.relay.sealing import seal
from datastores.relay.server import Server
from studio.lib.problems import UserError
from tests.support.redis import redis_on

from .contract import BackendContract


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, redis.Redis]]:
    socket = tmp_path_factory.mktemp("mail") / "redis.sock"
    with redis_on(socket) as client:
        yield f"unix://{socket}", client


@pytest.fixture
def afar(mail: tuple[str, redis.Redis], settings: Settings) -> Iterator[redis.Redis]:
    """This process asks a gateway."""
    settings.REDIS_URL, client = mail
    with gateway() as socket:
        settings.FOLDERS_GATEWAY = str(socket)
        yield client
        close_idle()


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(afar: redis.Redis) -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def root(tmp_path: Path, settings: Settings) -> Path:
    (tmp_path / "root").mkdir()
    settings.LOCAL_DATASTORE_ROOTS = [tmp_path]
    return tmp_path / "root"


def folder_of(root: Path) -> Backend:
    store = open_store("local", {"path": str(root)}, {})
    assert isinstance(store, FolderFromAfar)
    return store


@pytest.mark.usefixtures("server")
class TestFolderFromAfar(BackendContract):
    @pytest.fixture
    def backend(self, root: Path, server: Server) -> Iterator[Backend]:
        with closing(folder_of(root)) as backend:
            yield backend


@pytest.mark.usefixtures("server")
def test_a_file_of_many_pieces_is_the_same_on_both_sides(root: Path) -> None:
    content = bytes(range(256)) * (2 * MOST_BYTES // 256) + b"the rest"
    backend = folder_of(root)
    backend.write("a/large.bin", io.BytesIO(content))
    assert (root / "a" / "large.bin").read_bytes() == content
    with backend.open_read("a/large.bin") as stream:
        assert stream.read() == content
    assert not list((root / local.ASIDE).iterdir())


@pytest.mark.usefixtures("server")
def test_a_long_walk_comes_in_parts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "ENTRIES_AT_ONCE", 7)
    for number in range(21):
        (root / f"{number:02}.txt").touch()
    assert [entry.path for entry in folder_of(root).glob("*.txt")] == [f"{number:02}.txt" for number in range(21)]


@pytest.mark.usefixtures("server")
def test_a_file_that_changed_is_not_mixed_with_its_past(root: Path) -> None:
    (root / "a").write_bytes(b"old")
    backend = folder_of(root)
    entry = backend.stat("a")
    (root / "a").write_bytes(b"newer")
    with pytest.raises(ChangedMeanwhile, match="was changed while it was read"):
        backend.read_part(entry, 0, 3)


@pytest.mark.usefixtures("server")
def test_what_is_not_allowed_there_is_not_opened_from_here(root: Path, settings: Settings) -> None:
    (root / "secret").write_text("secret")
    backend = folder_of(root)
    settings.LOCAL_DATASTORE_ROOTS = []
    with pytest.raises(UserError, match="STUDIO_LOCAL_DATASTORE_ROOTS"):
        backend.stat("secret")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("draft", ["../../secret", "", "A" * 32])
def test_a_draft_has_a_name_of_its_own(root: Path, draft: str) -> None:
    with pytest.raises(Unreachable, match="the log of its data worker says why"):
        ask("write", {"config": {"path": str(root)}, "draft": draft, "start": 0}, b"x")
    assert list(root.iterdir()) == []


def test_redis_holds_nothing_that_can_be_read_and_nothing_for_long(root: Path, afar: redis.Redis) -> None:
    (root / "a").write_bytes(b"the secret of the house")
    seen: list[bytes] = []
    watch = afar.monitor()
    with watch, serving():
        with folder_of(root).open_read("a") as stream:
            assert stream.read() == b"the secret of the house"
        afar.echo("over")
        for command in watch.listen():
            seen.append(command["command"].encode())
            if command["command"] == "ECHO over":
                break
    assert any(b"studio:folders:answer" in command for command in seen)
    for command in seen:
        assert b"secret" not in command
        assert str(root).encode() not in command
    for key in afar.scan_iter("studio:folders:*"):
        assert 0 < afar.ttl(key) <= 60


def test_another_key_opens_nothing(
    root: Path,
    afar: redis.Redis,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A node that was given another key; here, one process plays both."""
    name = "0" * 32
    ours, settings.SECRET_KEY = settings.SECRET_KEY, "somebody else's"
    foreign = seal(packed({"what": "stat", "config": {"path": str(root)}, "path": ""}), about=f"ask {name}")
    settings.SECRET_KEY = ours
    monkeypatch.setattr("datastores.relay.gateway.seal", lambda _message, *, about: foreign)
    with serving(), pytest.raises(Unreachable, match="STUDIO_SECRET_KEY"):
        folder_of(root).stat("")


def test_without_a_server_it_says_who_is_missing(
    root: Path, afar: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datastores.relay.gateway.ANSWER_S", 1)
    with pytest.raises(Unreachable, match="no data worker of the studio answered within 1 s"):
        folder_of(root).stat("a")


def test_without_redis_it_says_so(root: Path, tmp_path: Path, settings: Settings) -> None:
    settings.REDIS_URL = f"unix://{tmp_path / 'nothing.sock'}"
    with gateway() as socket:
        settings.FOLDERS_GATEWAY = str(socket)
        with pytest.raises(Unreachable, match="Redis does not answer"):
            folder_of(root).stat("a")


def test_without_its_gateway_it_says_so(root: Path, tmp_path: Path, settings: Settings) -> None:
    settings.FOLDERS_GATEWAY = str(tmp_path / "nothing.sock")
    with pytest.raises(Unreachable, match="the node's own gateway does not answer"):
        folder_of(root).stat("a")


def test_a_folder_that_is_shared_is_opened_in_place(root: Path, settings: Settings) -> None:
    settings.FOLDERS_GATEWAY = "/nobody/asks/it"
    settings.SHARED_FOLDERS = [root.parent]
    store = open_store("local", {"path": str(root)}, {})
    assert isinstance(store, local.LocalFolder)
    assert store.local_path("a") == root / "a"
    with pytest.raises(UserError, match="which this node does not share"):
        open_store("sqlite", {"path": "1/shop.sqlite"}, {})


def test_it_is_registered_on_the_studios_machine() -> None:
    with pytest.raises(UserError, match="on the studio's own machine"):
        FolderFromAfar.settle(FolderFromAfar.Config(), NoCredentials(), workspace_id=1, name="x")
