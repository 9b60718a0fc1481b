"""Many small files on their way into the node's cache: fetched together, and each held to what one file is held to."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from compute.data.cache import DataCache, Remote
from compute.data.desk import Desk
from compute.data.downloading import Download, Wanted
from compute.execution.handle import Handle, InterruptedByWish
from compute.execution.reasons import StepFailure
from compute.logs.writer import LogWriter
from datastores.backends import Backend, Entry, open_store
from tests.support.servers.s3 import S3Server
from tests.support.servers.tollgate import Tollgate, tollgate
from tests.support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("loopback_admitted")

MIB = 1024 * 1024


class Said(LogWriter):
    """What the step's log is told."""

    def __init__(self) -> None:
        super().__init__(job_id=0, attempt_id=0, attempt=0)
        self.lines_said: list[str] = []

    def say(self, text: str) -> None:
        self.lines_said.append(text)

    def store_if_due(self) -> None:
        """There is no database."""


class Far:
    """A bucket behind a gate, and a node's cache on this side of it."""

    def __init__(self, server: S3Server, gate: Tollgate, home: Path) -> None:
        self.server, self.gate, self.home = server, gate, home
        self.bucket = server.make_bucket()
        self.cache = DataCache(home / "cache", 100 * MIB)
        self.said = Said()
        self.handle = Handle("test")

    def put(self, path: str, content: bytes) -> bytes:
        place = self.server.folder / self.bucket / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return content

    def store(self) -> Backend:
        config = {**self.server.config, "bucket": self.bucket, "endpoint": f"http://127.0.0.1:{self.gate.port}"}
        store = open_store("s3", config, self.server.secrets)
        assert isinstance(store, Backend)
        return store

    def download(self, backend: Backend, entries: list[Entry], into: str = "step") -> int:
        download = Download("many", cache=self.cache, desk=Desk(self.handle, self.said))
        return download.run(Wanted(backend, Remote("far", entry), self.home / into / entry.path) for entry in entries)

    def arrived(self, into: str = "step") -> dict[str, bytes]:
        top = self.home / into
        return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


@pytest.fixture
def far(s3_server: S3Server, tmp_path: Path) -> Iterator[Far]:
    port = urlsplit(s3_server.endpoint).port
    assert port is not None
    with tollgate(port) as gate:
        yield Far(s3_server, gate, tmp_path)


def test_small_empty_and_large_ones_arrive(far: Far) -> None:
    sizes = {"a/empty": 0, "a/large": 9 * MIB, "b/one": 1, "b/middle": MIB}
    sizes |= {f"c/{number:03}": number * 50 for number in range(150)}
    wanted = {path: far.put(path, os.urandom(size)) for path, size in sizes.items()}
    store = far.store()
    entries = list(store.glob("**"))
    assert far.download(store, entries) == len(wanted)
    assert far.arrived() == wanted
    assert not list(far.cache.parts.iterdir())
    assert far.said.lines_said[-1].startswith("Downloaded many: 11.0 MB in 154 files, 11.0 MB in ")
    before = far.gate.came_bytes
    assert far.download(store, entries, "again") == len(wanted)
    assert far.arrived("again") == wanted
    assert far.gate.came_bytes == before
    assert far.said.lines_said[-1] == "Downloaded many: 11.0 MB in 154 files, all of it from this node's cache."


def test_one_that_is_gone_ends_it_by_its_name(far: Far) -> None:
    for number in range(50):
        far.put(f"{number:02}", b"x")
    store = far.store()
    entries = list(store.glob("**"))
    (far.server.folder / far.bucket / "33").unlink()
    with pytest.raises(StepFailure, match="Input “many”: “33” is not there"):
        far.download(store, entries)
    assert set(far.arrived().values()) <= {b"x"}


@pytest.mark.parametrize("content", [b"longer", b"as new", b""], ids=["longer", "as long", "emptied"])
def test_one_that_changed_meanwhile_is_never_taken_for_the_one_that_was_seen(far: Far, content: bytes) -> None:
    for number in range(50):
        far.put(f"{number:02}", b"as old")
    store = far.store()
    entries = list(store.glob("**"))
    far.put("33", content)
    with pytest.raises(StepFailure, match=r"“33” .*changed while it was") as caught:
        far.download(store, entries)
    assert caught.value.may_retry
    assert "33" not in far.arrived()


def test_two_at_once_fetch_each_file_once(far: Far) -> None:
    wanted = {f"{number:03}": far.put(f"{number:03}", os.urandom(20_000)) for number in range(300)}
    store = far.store()
    entries = list(store.glob("**"))
    before = far.gate.came_bytes
    threads = [threading.Thread(target=far.download, args=(far.store(), entries, into)) for into in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert far.arrived("one") == far.arrived("two") == wanted
    assert far.gate.came_bytes - before < 300 * 20_000 * 1.2


def test_a_wish_ends_it_in_the_middle_of_a_batch_and_leaves_nothing_half_there(far: Far) -> None:
    wanted = {f"{number:03}": far.put(f"{number:03}", os.urandom(20_000)) for number in range(300)}
    store = far.store()
    entries = list(store.glob("**"))
    far.gate.bytes_per_s = 30_000
    raised: list[BaseException] = []

    def run() -> None:
        try:
            far.download(store, entries)
        except BaseException as error:  # noqa: BLE001 (looked at below)
            raised.append(error)

    before = far.gate.came_bytes
    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: far.gate.came_bytes > before + 100_000, what="some have come")
    far.handle.ask("cancel")
    thread.join()
    assert isinstance(raised[0], InterruptedByWish)
    assert far.arrived().items() <= wanted.items()
    far.gate.bytes_per_s = None
    far.handle = Handle("again")
    far.download(store, entries)
    assert far.arrived() == wanted
