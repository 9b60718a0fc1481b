"""A folder as an archive: every file of it, under a harmless name, and visibly broken where one broke."""

import subprocess
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest
from django.test import Client

from datastores import folder_zip
from datastores.backends import Entry, get_backend
from datastores.backends.local import LocalFolder
from datastores.folder_zip import FolderBroke, files_below, zipped_folder
from datastores.models import Datastore
from studio.lib.problems import UserError
from studio.workspaces.models import User

pytestmark = pytest.mark.django_db


def archive(datastore: Datastore, path: str = "") -> zipfile.ZipFile:
    return zipfile.ZipFile(BytesIO(b"".join(zipped_folder(datastore, path)[1])))


def test_every_file_is_in_it(datastore: Datastore, put: Callable[..., None], tmp_path: Path) -> None:
    put("train/0/a.txt", "train/1/deep/b.txt", content=b"text")
    put("train/empty", content=b"")
    put("train/large.bin", content=bytes(range(256)) * 4000)
    put("beside.txt")
    name, pieces = zipped_folder(datastore, "train")
    assert name == "train.zip"
    place = tmp_path / name
    place.write_bytes(b"".join(pieces))
    with zipfile.ZipFile(place) as whole:
        assert whole.testzip() is None
        assert sorted(whole.namelist()) == ["train/0/a.txt", "train/1/deep/b.txt", "train/empty", "train/large.bin"]
        assert whole.read("train/large.bin") == bytes(range(256)) * 4000
    tested = subprocess.run(["unzip", "-t", place], capture_output=True, text=True, check=False)
    assert "No errors detected" in tested.stdout


def test_the_whole_datastore_has_its_name(datastore: Datastore, put: Callable[..., None]) -> None:
    put("a.txt")
    assert archive(datastore).namelist() == ["workspaceblobstore/a.txt"]


def test_names_stay_apart_and_below_the_folder(datastore: Datastore, put: Callable[..., None]) -> None:
    odd = ["a\\b", "a%5Cb", "line\nbreak", "..\\up", "😀", "100%", "CON", "*?"]
    put(*(f"f/{name}" for name in odd))
    names = archive(datastore, "f").namelist()
    assert sorted(names) == sorted(
        [
            "f/a%5Cb",
            "f/a%255Cb",
            "f/line%0Abreak",
            "f/..%5Cup",
            "f/😀",
            "f/100%",
            "f/CON",
            "f/*?",
        ]
    )


def test_a_folder_that_looks_like_a_pattern_means_itself(datastore: Datastore, put: Callable[..., None]) -> None:
    put("a*/x", "a*/deep/y", "ab/z")
    assert sorted(archive(datastore, "a*").namelist()) == ["a*/deep/y", "a*/x"]
    assert [entry.path for entry in files_below(get_backend(datastore), "a*/x")] == ["a*/x"]


def test_a_name_that_is_no_text_is_named_in_it(datastore: Datastore, put: Callable[..., None]) -> None:
    import os

    put("f/a.txt")
    root = get_backend(datastore).local_path("f")
    with open(os.fsencode(root) + b"/\xff\xfe.bin", "wb"):  # noqa: PTH123 (bytes)
        pass
    whole = archive(datastore, "f")
    assert sorted(whole.namelist()) == ["f/(not included).txt", "f/a.txt"]
    assert "no text" in whole.read("f/(not included).txt").decode()


@pytest.mark.parametrize("path", ["nowhere", "../up", "a.txt", "empty"])
def test_nothing_to_download_says_so(datastore: Datastore, put: Callable[..., None], path: str) -> None:
    put("a.txt")
    get_backend(datastore).make_folder("empty")
    with pytest.raises(UserError):
        zipped_folder(datastore, path)


def test_a_file_that_becomes_shorter_breaks_the_archive(
    datastore: Datastore, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    put("f/a", "f/b", "f/c", content=b"x" * 1_000_000)
    opened = LocalFolder.open_read

    def shorter(store: LocalFolder, path: str) -> BinaryIO:
        if path == "f/b":
            (store.root / path).write_bytes(b"x" * 10)
        return opened(store, path)

    monkeypatch.setattr(LocalFolder, "open_read", shorter)
    arrived = b""
    with pytest.raises(FolderBroke, match="f/b became shorter"):  # noqa: PT012 (what came before it matters)
        for piece in zipped_folder(datastore, "f")[1]:
            arrived += piece
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(BytesIO(arrived))


class Endless:
    """A backend of many files, or of one that is larger than memory, without a disk that holds them."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size

    def files(self) -> Iterator[Entry]:
        return (Entry(f"f/{number:07}", "file", self.size) for number in range(self.count))

    def open_read(self, _path: str) -> BinaryIO:
        return _Zeros()  # type: ignore[return-value]

    def close(self) -> None:
        pass


class _Zeros(BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        return bytes(size or 0)


@pytest.mark.parametrize(("count", "size"), [(70_000, 1), (2, 4_400_000_000)])
def test_beyond_the_old_limits(count: int, size: int, tmp_path: Path) -> None:
    """More than 65,535 files, and files of more than 4 GiB, in bounded memory. (Holes are left where nothing is.)"""
    import tracemalloc

    store = Endless(count, size)
    place = tmp_path / "large.zip"
    tracemalloc.start()
    with place.open("wb") as file:
        for piece in folder_zip._pieces(store, store.files(), skip=2, top="f"):  # type: ignore[arg-type]
            if piece.count(0) == len(piece):
                file.seek(len(piece), 1)
            else:
                file.write(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
    with zipfile.ZipFile(place) as whole:
        infos = whole.infolist()
        assert len(infos) == count
        assert infos[-1].file_size == size
        with whole.open(infos[-1]) as last:
            assert last.read(1) == b"\0"


def test_over_page_and_api(
    datastore: Datastore, put: Callable[..., None], reader: User, stranger: User, signed_in: Callable[[User], Client]
) -> None:
    put("f/a.txt", content=b"text")
    for base in ("/w/digits", "/api/workspaces/digits"):
        address = f"{base}/datastores/{datastore.pk}/zip/?path="
        answer = signed_in(reader).get(f"{address}f")
        assert answer.status_code == 200
        assert answer["Content-Type"] == "application/zip"
        assert answer["Content-Disposition"] == 'attachment; filename="f.zip"'
        assert zipfile.ZipFile(BytesIO(answer.getvalue())).read("f/a.txt") == b"text"
        assert signed_in(reader).get(f"{address}nowhere").status_code == 404
        assert signed_in(stranger).get(f"{address}f").status_code == 404
