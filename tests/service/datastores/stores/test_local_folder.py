"""The local folder: the contract, and what only a real disk can do to it."""

import errno
import os
import tracemalloc
from io import BytesIO
from pathlib import Path

import pytest
from pytest_django import Settings

from datastores.backends import Backend, DiskFull, local
from datastores.backends.interface import NoCredentials
from datastores.backends.local import ASIDE, LocalFolder, LocalFolderConfig
from studio.lib.problems import UserError

from .contract import BackendContract, names, pages

NOTHING = NoCredentials()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def backend(root: Path) -> Backend:
    return LocalFolder(root)


class TestLocalFolder(BackendContract):
    @pytest.fixture
    def backend(self, root: Path) -> Backend:
        return LocalFolder(root)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    secret = tmp_path / "outside" / "secret"
    secret.write_text("secret")
    return secret


def test_links_that_lead_out_are_shown_and_never_followed(backend: Backend, root: Path, secret: Path) -> None:
    (root / "file").symlink_to(secret)
    (root / "folder").symlink_to(secret.parent)
    (root / "relative").symlink_to("../outside")
    assert {entry.name: entry.kind for entry in backend.list().entries} == {
        "file": "other",
        "folder": "other",
        "relative": "other",
    }
    assert list(backend.glob("**")) == []
    for path in ("file", "folder/secret", "relative/secret"):
        for attempt in (
            lambda path=path: backend.open_read(path),
            lambda path=path: backend.stat(path),
            lambda path=path: backend.local_path(path),
            lambda path=path: list(backend.glob(path)),
            lambda path=path: backend.write(path, BytesIO(b"overwritten")),
        ):
            with pytest.raises(UserError, match="symbolic link"):
                attempt()
    with pytest.raises(UserError, match="symbolic link"):
        backend.delete("folder/secret")
    assert secret.read_text() == "secret"


def test_deleting_a_link_leaves_what_it_leads_to(backend: Backend, root: Path, secret: Path) -> None:
    (root / "folder").symlink_to(secret.parent)
    backend.delete("folder")
    (root / "real").mkdir()
    (root / "real" / "inner").symlink_to(secret.parent)
    backend.delete("real")
    assert names(backend) == []
    assert secret.exists()


def test_links_within_the_root_are_followed_but_not_walked_into(backend: Backend, root: Path) -> None:
    backend.write("real/a.txt", BytesIO(b"a"))
    (root / "link").symlink_to("real")
    (root / "real" / "loop").symlink_to("..")
    (root / "real" / "b.txt").symlink_to("a.txt")
    assert names(backend, "link") == ["loop", "a.txt", "b.txt"]
    assert [entry.path for entry in backend.glob("**")] == ["real/a.txt", "real/b.txt"]
    assert [entry.path for entry in backend.glob("link")] == ["link/a.txt", "link/b.txt"]


def test_a_link_that_leads_nowhere_breaks_nothing(backend: Backend, root: Path) -> None:
    (root / "broken").symlink_to("nowhere")
    (root / "itself").symlink_to("itself")
    assert [entry.kind for entry in backend.list().entries] == ["other", "other"]
    assert list(backend.glob("**")) == []
    with pytest.raises(UserError):
        backend.open_read("itself")
    backend.delete("itself")
    backend.delete("broken")
    assert names(backend) == []


def test_a_named_pipe_is_not_waited_for(backend: Backend, root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert [entry.kind for entry in backend.list().entries] == ["other"]
    with pytest.raises(UserError, match="not a file"):
        backend.open_read("pipe")


def test_names_that_are_not_text_are_shown_and_counted(backend: Backend, root: Path) -> None:
    (Path(os.fsdecode(os.fsencode(root) + b"/\xff.bin"))).write_bytes(b"x")
    (entry,) = backend.list().entries
    assert (entry.label, entry.is_addressable) == ("?.bin", False)
    assert len(list(backend.glob("*.bin"))) == 1
    assert backend.fingerprint("")
    page = backend.list(limit=1)
    assert page.after is None


def test_files_on_their_way_in_are_nobodys(backend: Backend, root: Path) -> None:
    backend.write("a", BytesIO(b"a"))
    (root / ASIDE / "draft").write_bytes(b"half")
    assert names(backend) == ["a"]
    assert [entry.path for entry in backend.glob("**")] == ["a"]
    for path in (ASIDE, f"{ASIDE}/draft"):
        with pytest.raises(UserError, match="own"):
            backend.open_read(path)
        with pytest.raises(UserError, match="own"):
            backend.delete(path)


def test_a_full_disk_is_said_and_nothing_is_left_behind(backend: Backend, root: Path) -> None:
    class Refused(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DiskFull, match="disk is full") as caught:
        backend.write("a.bin", Refused())
    assert caught.value.status_code == 507
    assert names(backend) == []
    assert list((root / ASIDE).iterdir()) == []


def test_a_large_folder_is_listed_in_bounded_memory(backend: Backend, root: Path) -> None:
    for number in range(20_000):
        (root / f"{number:05}").touch()
    tracemalloc.start()
    page = backend.list(limit=100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(page.entries) == 100
    assert peak < 2_000_000


class TestVeryLargeFolder(BackendContract):
    """The contract again, with every folder too large to be sorted as people like it."""

    @pytest.fixture(autouse=True)
    def small_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(local, "SORTED_NAMES", 0)

    @pytest.fixture
    def backend(self, root: Path) -> Backend:
        return LocalFolder(root)

    def test_a_folder_that_grows_between_two_pages(self, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(local, "SORTED_NAMES", 30)
        self.put(backend, *(f"{number:02}" for number in range(30)))
        first = backend.list(limit=20)
        self.put(backend, *(f"{number:02}" for number in range(30, 60)))
        rest = backend.list(after=first.after, limit=100)
        assert [entry.name for entry in first.entries + rest.entries] == [f"{number:02}" for number in range(60)]

    def test_folders_come_first_within_a_page(self, backend: Backend) -> None:
        self.put(backend, "a", "b/x", "c", "d/x")
        assert [[entry.name for entry in page] for page in pages(backend, limit=2)] == [["b", "a"], ["d", "c"]]


class TestPlace:
    """Which folders a datastore may be."""

    def settle(self, path: str, workspace_id: int = 1) -> LocalFolderConfig:
        return LocalFolder.settle(LocalFolderConfig(path=path), NOTHING, workspace_id=workspace_id, name="data")

    @pytest.fixture(autouse=True)
    def home(self, settings: Settings, tmp_path: Path) -> Path:
        settings.STUDIO_HOME = tmp_path / "home"
        settings.NODE_HOME = tmp_path / "node"
        settings.STUDIO_HOME.mkdir()
        return settings.STUDIO_HOME

    def test_by_default_a_folder_of_its_own(self, home: Path) -> None:
        config = self.settle("")
        assert config.path == "1/data"
        assert LocalFolder.open(config, NOTHING).root == home / "workspaces/1/data"
        assert (home / "workspaces/1/data").is_dir()

    def test_a_folder_of_its_own_that_nothing_was_put_into_yet(self, home: Path) -> None:
        config = self.settle("")
        (home / "workspaces/1/data").rmdir()
        backend = LocalFolder.open(config, NOTHING)
        assert backend.list().entries == []
        assert backend.stat("").kind == "folder"
        assert list(backend.glob("**")) == []
        backend.write("a/b", BytesIO(b"x"))
        assert names(backend) == ["a"]
        backend.test()

    def test_a_disk_that_is_no_longer_mounted(self, settings: Settings, tmp_path: Path) -> None:
        (tmp_path / "mnt/data").mkdir(parents=True)
        settings.LOCAL_DATASTORE_ROOTS = [tmp_path / "mnt"]
        backend = LocalFolder.open(self.settle(str(tmp_path / "mnt/data")), NOTHING)
        (tmp_path / "mnt/data").rmdir()
        for attempt in (
            backend.test,
            backend.list,
            lambda: backend.write("a", BytesIO(b"x")),
            lambda: backend.make_folder("a"),
        ):
            with pytest.raises(UserError, match="any more"):
                attempt()
        assert not (tmp_path / "mnt/data").exists()

    def test_below_the_workspaces_own_folder(self, home: Path) -> None:
        assert self.settle(str(home / "workspaces/1/shared/images")).path == "1/shared/images"

    def test_an_allowed_folder(self, settings: Settings, tmp_path: Path) -> None:
        (tmp_path / "mnt/data").mkdir(parents=True)
        with pytest.raises(UserError, match="STUDIO_LOCAL_DATASTORE_ROOTS"):
            self.settle(str(tmp_path / "mnt/data"))
        settings.LOCAL_DATASTORE_ROOTS = [tmp_path / "mnt"]
        config = self.settle(str(tmp_path / "mnt/data"))
        assert LocalFolder.open(config, NOTHING).root == tmp_path / "mnt/data"
        settings.LOCAL_DATASTORE_ROOTS = []
        with pytest.raises(UserError, match="STUDIO_LOCAL_DATASTORE_ROOTS"):
            LocalFolder.open(config, NOTHING)

    def test_a_folder_that_is_not_there(self, settings: Settings, tmp_path: Path) -> None:
        settings.LOCAL_DATASTORE_ROOTS = [tmp_path / "mnt"]
        with pytest.raises(UserError, match="Make it first"):
            self.settle(str(tmp_path / "mnt/data"))

    def test_nothing_private_even_where_everything_is_allowed(self, settings: Settings, tmp_path: Path) -> None:
        settings.LOCAL_DATASTORE_ROOTS = [Path("/")]
        home = settings.STUDIO_HOME
        (home / "workspaces/2/data").mkdir(parents=True)
        (tmp_path / "link").symlink_to(home)
        for path in (home, home.parent, "/", home / "workspaces", home / "workspaces/2", tmp_path / "link/content"):
            with pytest.raises(UserError, match="private"):
                self.settle(str(path))

    @pytest.mark.parametrize("path", ["relative", "../up", "a\0b"])
    def test_a_path_that_is_none(self, path: str) -> None:
        with pytest.raises(UserError, match="whole path"):
            self.settle(path)

    def test_a_link_out_of_the_own_folder(self, home: Path, tmp_path: Path) -> None:
        (home / "workspaces/1").mkdir(parents=True)
        (home / "workspaces/1/data").symlink_to(home)
        with pytest.raises(UserError, match="private"):
            self.settle("")
