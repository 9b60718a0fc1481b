"""What every kind of datastore must do, whatever is behind it. A kind's test gives `backend` and inherits the rest."""

from io import BytesIO
from pathlib import Path

import pytest

from datastores.backends import Backend, NoSuchPath
from studio.lib.problems import UserError

ODD_NAMES = ["two words.txt", "line\nbreak.txt", "😀.txt", "report[1].csv", "-rf", "back\\slash", "ü" * 100]
ESCAPES = ["../outside", "a/../../outside", "/etc/passwd", "a\0b", "a/../.."]


def names(backend: Backend, path: str = "") -> list[str]:
    return [entry.name for entry in backend.list(path).entries]


def text(backend: Backend, path: str) -> bytes:
    with backend.open_read(path) as stream:
        return stream.read()


class BackendContract:
    @pytest.fixture
    def backend(self) -> Backend:
        raise NotImplementedError

    def put(self, backend: Backend, *paths: str, content: bytes = b"x") -> None:
        for path in paths:
            backend.write(path, BytesIO(content))

    def test_an_empty_one_has_no_files(self, backend: Backend) -> None:
        assert backend.list().entries == []
        assert list(backend.glob("**")) == []
        assert backend.stat("").kind == "folder"

    def test_what_was_written_is_read(self, backend: Backend) -> None:
        entry = backend.write("a/b/c.bin", BytesIO(b"\0" * 3_000_000))
        assert (entry.path, entry.name, entry.kind, entry.size_bytes) == ("a/b/c.bin", "c.bin", "file", 3_000_000)
        assert text(backend, "a/b/c.bin") == b"\0" * 3_000_000
        assert backend.stat("a/b").kind == "folder"
        assert entry.modified_at is not None

    def test_a_file_is_replaced_as_a_whole(self, backend: Backend) -> None:
        self.put(backend, "a.txt", content=b"a long first text")
        self.put(backend, "a.txt", content=b"short")
        assert text(backend, "a.txt") == b"short"

    def test_a_stream_that_breaks_leaves_what_was_there(self, backend: Backend) -> None:
        class Broken(BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                raise ConnectionResetError("the sender went away")

        self.put(backend, "a.txt", content=b"first")
        with pytest.raises(ConnectionResetError):
            backend.write("a.txt", Broken())
        assert text(backend, "a.txt") == b"first"
        assert names(backend) == ["a.txt"]

    def test_a_file_of_this_machine_is_taken(self, backend: Backend, tmp_path: Path) -> None:
        upload = tmp_path / "upload"
        upload.write_bytes(b"bytes")
        assert backend.take("in/a.txt", upload).size_bytes == 5
        assert text(backend, "in/a.txt") == b"bytes"

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_names_are_names(self, backend: Backend, name: str) -> None:
        self.put(backend, f"odd/{name}")
        assert names(backend, "odd") == [name]
        assert backend.stat(f"odd/{name}").kind == "file"
        assert [entry.path for entry in backend.glob("odd")] == [f"odd/{name}"]
        backend.delete(f"odd/{name}")
        assert names(backend, "odd") == []

    @pytest.mark.parametrize("path", ESCAPES)
    def test_no_path_leaves_the_root(self, backend: Backend, path: str) -> None:
        for attempt in (
            lambda: backend.list(path),
            lambda: backend.stat(path),
            lambda: backend.open_read(path),
            lambda: backend.write(path, BytesIO(b"")),
            lambda: backend.make_folder(path),
            lambda: backend.delete(path),
            lambda: list(backend.glob(path)),
            lambda: list(backend.glob(f"{path}/*")),
            lambda: backend.local_path(path),
            lambda: backend.fingerprint(path),
        ):
            with pytest.raises(UserError):
                attempt()

    def test_a_name_that_is_too_long_is_refused_with_its_length(self, backend: Backend) -> None:
        with pytest.raises(UserError, match="too long"):
            self.put(backend, "x" * 300)

    def test_a_file_cannot_be_a_folder(self, backend: Backend) -> None:
        self.put(backend, "a")
        with pytest.raises(UserError, match="in the way"):
            self.put(backend, "a/b")
        with pytest.raises(UserError, match="in the way"):
            backend.make_folder("a")
        backend.make_folder("folder")
        with pytest.raises(UserError, match="folder"):
            self.put(backend, "folder")
        with pytest.raises(UserError):
            backend.open_read("folder")

    def test_what_is_not_there_says_so(self, backend: Backend) -> None:
        for attempt in (
            lambda: backend.list("nowhere"),
            lambda: backend.stat("nowhere"),
            lambda: backend.open_read("nowhere"),
            lambda: backend.delete("nowhere"),
        ):
            with pytest.raises(NoSuchPath, match="nowhere"):
                attempt()
        assert list(backend.glob("nowhere")) == []
        assert list(backend.glob("nowhere/*.png")) == []

    def test_a_folder_is_listed_in_pages_folders_first(self, backend: Backend) -> None:
        self.put(backend, *(f"many/file {number:03}" for number in range(25)), "many/zebra/x", "many/Ape/x")
        found, after, pages = [], None, 0
        while pages == 0 or after:
            page = backend.list("many", after=after, limit=10)
            found += [entry.name for entry in page.entries]
            after, pages = page.after, pages + 1
        assert found == ["Ape", "zebra", *(f"file {number:03}" for number in range(25))]
        assert pages == 3

    def test_a_page_asked_for_with_nonsense_is_refused(self, backend: Backend) -> None:
        with pytest.raises(UserError):
            backend.list("", after="not a cursor, é")

    def test_a_folder_can_be_made_twice(self, backend: Backend) -> None:
        assert backend.make_folder("a/b").kind == "folder"
        self.put(backend, "a/b/c")
        backend.make_folder("a/b")
        assert names(backend, "a/b") == ["c"]

    def test_a_folder_goes_with_all_that_is_in_it(self, backend: Backend) -> None:
        self.put(backend, "a/b/c", "a/d", "e")
        backend.delete("a")
        assert [entry.path for entry in backend.glob("**")] == ["e"]

    def test_the_root_stays(self, backend: Backend) -> None:
        with pytest.raises(UserError, match="Remove the datastore"):
            backend.delete("")

    def test_a_glob_gives_files_in_order_each_once(self, backend: Backend) -> None:
        self.put(backend, "t/1/b.png", "t/0/a.png", "t/0/a.txt", "t/c.png", "other/d.png")
        assert [entry.path for entry in backend.glob("t")] == ["t/0/a.png", "t/0/a.txt", "t/1/b.png", "t/c.png"]
        assert [entry.path for entry in backend.glob("t/c.png")] == ["t/c.png"]
        assert [entry.path for entry in backend.glob("t/*/*.png")] == ["t/0/a.png", "t/1/b.png"]
        assert [entry.path for entry in backend.glob("**/*.png")] == [
            "other/d.png",
            "t/0/a.png",
            "t/1/b.png",
            "t/c.png",
        ]
        assert [entry.path for entry in backend.glob("t/*")] == ["t/c.png"]

    def test_a_fingerprint_tells_every_change(self, backend: Backend) -> None:
        self.put(backend, "a/1", "a/2")
        seen = [backend.fingerprint("a")]
        assert backend.fingerprint("a") == seen[0]
        self.put(backend, "a/1", content=b"longer")
        seen.append(backend.fingerprint("a"))
        self.put(backend, "a/3")
        seen.append(backend.fingerprint("a"))
        backend.delete("a/2")
        seen.append(backend.fingerprint("a"))
        self.put(backend, "b/1")
        assert backend.fingerprint("a") == seen[-1]
        assert len(set(seen)) == 4

    def test_a_local_path_is_the_file(self, backend: Backend) -> None:
        self.put(backend, "a/b", content=b"here")
        path = backend.local_path("a/b")
        assert path is None or path.read_bytes() == b"here"
