"""What every kind of datastore that holds files must do, whatever is behind it.

A kind's test gives `backend` and inherits the rest: `BackendContract` where it can be written to; where it can't,
`ReadingContract` and a `fill`, which brings files to their place some other way.
"""

import base64
from collections.abc import Callable
from dataclasses import replace
from io import SEEK_CUR, SEEK_END, BytesIO
from pathlib import Path
from random import Random
from threading import Thread
from typing import ClassVar

import pytest

from datastores.backends import Backend, ChangedMeanwhile, Entry, NoSuchPath
from studio.lib.problems import UserError

ODD_NAMES = (
    "two words.txt",
    "line\nbreak.txt",
    "😀.txt",
    "report[1].csv",
    "-rf",
    "back\\slash",
    "ü" * 100,
    "100%41.txt",
    "a+b&c=d.txt",
    "what?.txt",
    "it's #1.txt",
    '"quoted" <b>.txt',
)
NO_CURSORS = [
    "not a cursor, é",
    "%%%",
    *(base64.urlsafe_b64encode(each).decode() for each in (b"nonsense", b"5", b"[[[")),
]
ESCAPES = ["../outside", "a/../../outside", "/etc/passwd", "a\0b", "a/../.."]

Fill = Callable[..., None]


def pages(backend: Backend, path: str = "", *, limit: int = 200, prefix: str = "") -> list[list[Entry]]:
    """All pages of a folder."""
    found: list[list[Entry]] = []
    after = None
    while not found or after:
        page = backend.list(path, after=after, limit=limit, prefix=prefix)
        found.append(page.entries)
        after = page.after
        assert len(page.entries) <= limit
        assert len(found) < 1000, "pages without an end"
    return found


def names(backend: Backend, path: str = "", *, prefix: str = "") -> list[str]:
    """The names in a folder, page after page; none where an empty folder is gone, as stores of keys have it."""
    try:
        return [entry.name for page in pages(backend, path, prefix=prefix) for entry in page]
    except NoSuchPath:
        return []


def text(backend: Backend, path: str) -> bytes:
    with backend.open_read(path) as stream:
        return stream.read()


class ReadingContract:
    """What every kind can do, those too that only read."""

    odd_names: ClassVar[tuple[str, ...]] = ODD_NAMES  # those that the kind's server can hold

    @pytest.fixture
    def backend(self) -> Backend:
        raise NotImplementedError

    @pytest.fixture
    def fill(self, backend: Backend) -> Fill:
        """`fill("a/b.txt", "c.txt", content=b"…")` brings files to their place."""

        def write(*paths: str, content: bytes = b"x") -> None:
            for path in paths:
                backend.write(path, BytesIO(content))

        return write

    def test_it_can_be_tested(self, backend: Backend) -> None:
        backend.test(write=False)
        backend.test()
        assert names(backend) == []
        assert backend.location

    def test_an_empty_one_has_no_files(self, backend: Backend) -> None:
        assert backend.list().entries == []
        assert list(backend.glob("**")) == []
        assert backend.stat("").kind == "folder"

    def test_what_is_there_is_read(self, backend: Backend, fill: Fill) -> None:
        fill("a/b/c.bin", content=b"\0" * 3_000_000)
        entry = backend.stat("a/b/c.bin")
        assert (entry.path, entry.name, entry.kind, entry.size_bytes) == ("a/b/c.bin", "c.bin", "file", 3_000_000)
        assert entry.modified_at is not None
        assert text(backend, "a/b/c.bin") == b"\0" * 3_000_000
        assert backend.stat("a/b").kind == "folder"
        assert [(each.path, each.kind) for each in backend.list("a").entries] == [("a/b", "folder")]
        assert [(each.path, each.kind) for each in backend.list("a/b").entries] == [("a/b/c.bin", "file")]

    def test_an_empty_file_is_a_file(self, backend: Backend, fill: Fill) -> None:
        fill("a/empty", content=b"")
        assert (backend.stat("a/empty").kind, backend.stat("a/empty").size_bytes) == ("file", 0)
        assert text(backend, "a/empty") == b""
        assert [entry.path for entry in backend.glob("**")] == ["a/empty"]

    def test_a_stream_can_be_read_anywhere(self, backend: Backend, fill: Fill) -> None:
        content = Random(1).randbytes(9_000_001)
        fill("big.bin", content=content)
        with backend.open_read("big.bin") as stream:
            assert stream.seekable()
            assert stream.read(10) == content[:10]
            assert stream.seek(-7, SEEK_END) == len(content) - 7
            assert stream.read() == content[-7:]
            assert stream.read(1) == b""
            stream.seek(5_000_000)
            assert stream.read(3_000_000) == content[5_000_000:8_000_000]
            stream.seek(-10, SEEK_CUR)
            assert stream.tell() == 7_999_990
            assert stream.read(20) == content[7_999_990:8_000_010]
            stream.seek(len(content) + 5)
            assert stream.read(1) == b""
            stream.seek(0)
            pieces = []
            while piece := stream.read(700_001):
                pieces.append(piece)
        assert b"".join(pieces) == content

    def test_parts_are_read_by_many_at_once(self, backend: Backend, fill: Fill) -> None:
        content = Random(2).randbytes(2_000_000)
        fill("big.bin", content=content)
        entry = backend.stat("big.bin")
        found: dict[int, bytes] = {}

        def read(start: int) -> None:
            found[start] = backend.read_part(entry, start, 300_000)

        threads = [Thread(target=read, args=(start,)) for start in range(0, 2_000_000, 300_000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert b"".join(found[start] for start in sorted(found)) == content
        assert backend.read_part(entry, 2_000_000, 10) == b""

    def test_small_files_are_read_together(self, backend: Backend, fill: Fill) -> None:
        wanted = {f"s/{number:02}": Random(number).randbytes(number * 100) for number in range(40)}
        for path, content in wanted.items():
            fill(path, content=content)
        entries = [backend.stat(path) for path in wanted]
        gone = replace(entries[-1], path="s/gone")
        assert list(backend.read_small([gone, *entries])) == [None, *wanted.values()]
        with pytest.raises((NoSuchPath, ChangedMeanwhile), match="gone"):
            backend.read_part(gone, 0, 10)
        assert list(backend.read_small([])) == []

    def test_odd_names_are_names(self, backend: Backend, fill: Fill) -> None:
        for number, name in enumerate(self.odd_names):
            folder = f"odd/{number}"
            fill(f"{folder}/{name}", content=name.encode())
            assert names(backend, folder) == [name]
            assert backend.stat(f"{folder}/{name}").kind == "file"
            assert text(backend, f"{folder}/{name}") == name.encode()
            if "?" not in name:  # a pattern
                assert [entry.path for entry in backend.glob(folder)] == [f"{folder}/{name}"]

    def test_no_path_is_read_outside_of_the_root(self, backend: Backend) -> None:
        for path in ESCAPES:
            for attempt in (
                lambda path=path: backend.list(path),
                lambda path=path: backend.stat(path),
                lambda path=path: backend.open_read(path),
                lambda path=path: list(backend.glob(path)),
                lambda path=path: list(backend.glob(f"{path}/*")),
                lambda path=path: backend.local_path(path),
                lambda path=path: backend.fingerprint(path),
            ):
                with pytest.raises(UserError):
                    attempt()

    def test_what_is_not_there_says_so(self, backend: Backend, fill: Fill) -> None:
        fill("a.txt")
        for path in ("nowhere", "nowhere/deep.txt"):
            for attempt in (
                lambda path=path: backend.list(path),
                lambda path=path: backend.stat(path),
                lambda path=path: backend.open_read(path),
            ):
                with pytest.raises(NoSuchPath, match="nowhere"):
                    attempt()
            assert list(backend.glob(path)) == []
            assert list(backend.glob(f"{path}/*.png")) == []
        with pytest.raises(UserError):
            backend.list("a.txt")

    def test_a_folder_is_no_file(self, backend: Backend, fill: Fill) -> None:
        fill("folder/a")
        with pytest.raises(UserError, match="folder"):
            backend.open_read("folder")

    def test_a_folder_is_listed_in_pages_with_each_name_once(self, backend: Backend, fill: Fill) -> None:
        wanted = {"Ape", "zebra", *(f"file {number:03}" for number in range(25))}
        fill(*(f"many/file {number:03}" for number in range(25)), "many/zebra/x", "many/Ape/x")
        found = pages(backend, "many", limit=10)
        assert [len(page) for page in found] == [10, 10, 7]
        assert sorted(entry.name for page in found for entry in page) == sorted(wanted)
        for page in found:  # folders first, then by name: within a page where the store has its own order
            assert page == sorted(page, key=lambda entry: (entry.kind != "folder", entry.name.casefold()))
        assert names(backend, "many")[:3] == ["Ape", "zebra", "file 000"]

    def test_a_folder_is_searched_by_the_beginning_of_names(self, backend: Backend, fill: Fill) -> None:
        fill("s/apple", "s/apricot/x", "s/banana", "s/ap", "s/Apex")
        assert names(backend, "s", prefix="ap") == ["apricot", "ap", "apple"]
        assert names(backend, "s", prefix="b") == ["banana"]
        assert names(backend, "s", prefix="nothing") == []
        assert names(backend, prefix="s") == ["s"]
        assert sorted(entry.name for page in pages(backend, "s", prefix="ap", limit=1) for entry in page) == [
            "ap",
            "apple",
            "apricot",
        ]

    def test_a_page_asked_for_with_nonsense_is_refused(self, backend: Backend, fill: Fill) -> None:
        fill("a")
        for nonsense in NO_CURSORS:
            with pytest.raises(UserError):
                backend.list("", after=nonsense)

    def test_a_glob_gives_files_in_order_each_once(self, backend: Backend, fill: Fill) -> None:
        fill("t/1/b.png", "t/0/a.png", "t/0/a.txt", "t/c.png", "other/d.png", "t/deep/er/e.png")
        for pattern, wanted in {
            "t": ["t/0/a.png", "t/0/a.txt", "t/1/b.png", "t/c.png", "t/deep/er/e.png"],
            "t/c.png": ["t/c.png"],
            "t/*/*.png": ["t/0/a.png", "t/1/b.png"],
            "**/*.png": ["other/d.png", "t/0/a.png", "t/1/b.png", "t/c.png", "t/deep/er/e.png"],
            "t/*": ["t/c.png"],
            "t/**/e.png": ["t/deep/er/e.png"],
            "t/d*/**": ["t/deep/er/e.png"],
            "*/?.png": ["other/d.png", "t/c.png"],
            "t/[0]/a.png": [],
        }.items():
            assert [entry.path for entry in backend.glob(pattern)] == wanted, pattern

    def test_a_glob_sees_what_a_look_sees(self, backend: Backend, fill: Fill) -> None:
        fill("t/a.bin", content=b"four")
        (entry,) = backend.glob("t/*")
        assert entry == backend.stat("t/a.bin")

    def test_a_fingerprint_tells_every_change(self, backend: Backend, fill: Fill) -> None:
        fill("a/1", "a/2")
        seen = [backend.fingerprint("a")]
        assert backend.fingerprint("a") == seen[0]
        fill("a/1", content=b"longer")
        seen.append(backend.fingerprint("a"))
        fill("a/3")
        seen.append(backend.fingerprint("a"))
        fill("b/1")
        assert backend.fingerprint("a") == seen[-1]
        assert len(set(seen)) == 3

    def test_a_local_path_is_the_file(self, backend: Backend, fill: Fill) -> None:
        fill("a/b", content=b"here")
        path = backend.local_path("a/b")
        assert path is None or path.read_bytes() == b"here"

    def test_other_programs_are_told_an_address(self, backend: Backend, fill: Fill) -> None:
        fill("a/b")
        assert backend.address("a/b").endswith("a/b")

    def test_it_can_be_closed_and_used_again(self, backend: Backend, fill: Fill) -> None:
        fill("a")
        backend.close()
        assert backend.stat("a").kind == "file"
        backend.close()


class BackendContract(ReadingContract):
    """What every kind can do that is written to."""

    too_long: ClassVar[str] = "x" * 300  # a path that the kind's server can't hold

    def put(self, backend: Backend, *paths: str, content: bytes = b"x") -> None:
        for path in paths:
            backend.write(path, BytesIO(content))

    def test_what_was_written_is_said(self, backend: Backend) -> None:
        entry = backend.write("a/b/c.bin", BytesIO(b"four"))
        assert (entry.path, entry.name, entry.kind, entry.size_bytes) == ("a/b/c.bin", "c.bin", "file", 4)
        assert entry == backend.stat("a/b/c.bin")

    def test_a_file_is_replaced_as_a_whole(self, backend: Backend) -> None:
        self.put(backend, "a.txt", content=b"a long first text")
        self.put(backend, "a.txt", content=b"short")
        assert text(backend, "a.txt") == b"short"

    @pytest.mark.parametrize("after_bytes", [0, 20_000_000], ids=["at once", "in the middle"])
    def test_a_stream_that_breaks_leaves_what_was_there(self, backend: Backend, after_bytes: int) -> None:
        class Broken(BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                if piece := super().read(size):
                    return piece
                raise ConnectionResetError("the sender went away")

        self.put(backend, "a.txt", content=b"first")
        with pytest.raises(ConnectionResetError):
            backend.write("a.txt", Broken(b"\1" * after_bytes))
        assert text(backend, "a.txt") == b"first"
        assert names(backend) == ["a.txt"]
        assert [entry.path for entry in backend.glob("**")] == ["a.txt"]

    def test_a_large_stream_of_small_pieces_arrives(self, backend: Backend) -> None:
        class Trickling(BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                return super().read(min(size if size and size > 0 else 1_000_000, 777_777))

            def seekable(self) -> bool:
                return False

            def seek(self, *_: int) -> int:
                raise OSError("a stream has no end that one could go to")

        content = Random(3).randbytes(40_000_003)
        assert backend.write("big.bin", Trickling(content)).size_bytes == len(content)
        assert text(backend, "big.bin") == content

    def test_a_file_of_this_machine_is_taken(self, backend: Backend, tmp_path: Path) -> None:
        upload = tmp_path / "upload"
        upload.write_bytes(b"bytes")
        assert backend.take("in/a.txt", upload).size_bytes == 5
        assert text(backend, "in/a.txt") == b"bytes"

    def test_odd_names_can_be_deleted(self, backend: Backend) -> None:
        for name in self.odd_names:
            self.put(backend, f"odd/{name}")
            backend.delete(f"odd/{name}")
            assert names(backend, "odd") == []

    def test_no_path_is_written_outside_of_the_root(self, backend: Backend) -> None:
        for path in ESCAPES:
            for attempt in (
                lambda path=path: backend.write(path, BytesIO(b"")),
                lambda path=path: backend.make_folder(path),
                lambda path=path: backend.delete(path),
            ):
                with pytest.raises(UserError):
                    attempt()

    def test_a_file_needs_a_name(self, backend: Backend) -> None:
        with pytest.raises(UserError, match="name"):
            backend.write("", BytesIO(b""))

    def test_a_name_that_is_too_long_is_refused_with_its_length(self, backend: Backend) -> None:
        with pytest.raises(UserError, match="too long"):
            self.put(backend, self.too_long)

    def test_a_file_cannot_be_a_folder(self, backend: Backend) -> None:
        self.put(backend, "a")
        with pytest.raises(UserError, match="in the way"):
            self.put(backend, "a/b")
        with pytest.raises(UserError, match="in the way"):
            backend.make_folder("a")
        backend.make_folder("folder")
        with pytest.raises(UserError, match="folder"):
            self.put(backend, "folder")

    def test_what_is_not_there_is_not_deleted(self, backend: Backend) -> None:
        for path in ("nowhere", "nowhere/deep.txt"):
            with pytest.raises(NoSuchPath, match="nowhere"):
                backend.delete(path)

    def test_a_folder_can_be_made_twice(self, backend: Backend) -> None:
        assert backend.make_folder("a/b").kind == "folder"
        assert backend.list("a/b").entries == []
        assert backend.stat("a/b").kind == "folder"
        assert [(entry.path, entry.kind) for entry in backend.list("a").entries] == [("a/b", "folder")]
        assert list(backend.glob("**")) == []  # a folder is no file, however the store keeps it
        self.put(backend, "a/b/c")
        backend.make_folder("a/b")
        assert names(backend, "a/b") == ["c"]

    def test_a_folder_goes_with_all_that_is_in_it(self, backend: Backend) -> None:
        self.put(backend, "a/b/c", "a/d", "ab", "e")
        backend.make_folder("a/empty")
        backend.delete("a")
        assert [entry.path for entry in backend.glob("**")] == ["ab", "e"]
        assert names(backend) == ["ab", "e"]
        backend.delete("ab")
        assert names(backend) == ["e"]

    def test_a_deleted_file_is_no_longer_in_the_way(self, backend: Backend) -> None:
        self.put(backend, "a")
        backend.delete("a")
        self.put(backend, "a/b")
        backend.delete("a")
        self.put(backend, "a")
        assert names(backend) == ["a"]

    def test_the_root_stays(self, backend: Backend) -> None:
        with pytest.raises(UserError, match="Remove the datastore"):
            backend.delete("")

    def test_a_fingerprint_tells_that_a_file_is_gone(self, backend: Backend) -> None:
        self.put(backend, "a/1", "a/2")
        before = backend.fingerprint("a")
        backend.delete("a/2")
        assert backend.fingerprint("a") != before
