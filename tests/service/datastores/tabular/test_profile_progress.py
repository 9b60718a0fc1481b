"""How far a profile has come is known while its rows are read, wherever they lie and however they are written."""

import gzip
import os
from collections.abc import Callable
from contextlib import closing

import pytest

from datastores.backends import get_backend, open_store
from datastores.backends.interface import Backend
from datastores.models import Datastore
from datastores.tabular.files import SCHEME, Shown, SourceFile, shown
from datastores.tabular.profiling import READING, profile
from tests.service.datastores.tabular.conftest import Put, Table
from tests.support.servers.web import WebServer

pytestmark = pytest.mark.django_db

TEXT = "a,b\n" + "1,2\n" * 2_000_000


def _fractions(
    backend: Backend, read_half: Callable[[Shown], None], *, path: str = "a.csv", encoding: str = "utf-8"
) -> list[float | None]:
    """Of the file at `path`: at first, and when half of it was read, and as much again."""
    entry = backend.stat(path)
    with closing(shown([SourceFile(backend, entry, entry.path)], encoding=encoding)) as view:
        said = [view.read_fraction()]
        for _ in range(2):
            read_half(view)
            said.append(view.read_fraction())
    return said


def _by_itself(view: Shown) -> None:
    """As DuckDB reads a local file."""
    [path] = view.opens
    descriptor = os.open(path, os.O_RDONLY)
    assert len(os.pread(descriptor, len(TEXT) // 2, 0)) == len(TEXT) // 2
    os.close(descriptor)


def _through_its_store(view: Shown) -> None:
    stream = view.filesystem.open(f"{SCHEME}://0")
    left = len(TEXT) // 2
    while left > 0:
        left -= len(stream.read(min(left, 100_000)))
    stream.close()


HALVES = [pytest.approx(share, abs=0.1) for share in (0.0, 0.5, 1.0)]


def test_of_a_file_in_a_folder(put: Put, datastore: Datastore) -> None:
    put("a.csv", content=TEXT.encode())
    assert _fractions(get_backend(datastore), _by_itself) == HALVES


def test_of_a_text_that_is_translated(put: Put, datastore: Datastore) -> None:
    put("a.csv", content=TEXT.encode("utf-16"))
    assert _fractions(get_backend(datastore), _through_its_store, encoding="utf-16") == HALVES


def test_where_the_length_of_what_is_read_is_not_known(put: Put, datastore: Datastore) -> None:
    put("a.csv.gz", content=gzip.compress("a\n1\n".encode("utf-16")))
    said = _fractions(get_backend(datastore), lambda _view: None, path="a.csv.gz", encoding="utf-16")
    assert said == [None, None, None]


@pytest.mark.usefixtures("loopback_admitted")
def test_of_a_file_elsewhere(web_server: WebServer) -> None:
    url, folder = web_server.make_folder()
    (folder / "a.csv").write_text(TEXT)
    with closing(open_store("http", {"url": url}, {})) as backend:
        assert isinstance(backend, Backend)
        assert _fractions(backend, _through_its_store) == HALVES


def test_a_profile_tells_it_beside_the_rows(put: Put, table: Table, datastore: Datastore) -> None:
    columns = dict.fromkeys((f"c{number}" for number in range(30)), "integer")  # larger in memory than as text
    put("a.csv", content=(",".join(columns) + "\n" + ("1," * 29 + "1\n") * 160_000).encode())
    told: list[tuple[float | None, str]] = []
    profile(table("a.csv", **columns), workspace_id=datastore.workspace_id, progress=lambda *said: told.append(said))
    reading = [fraction for fraction, words in told if words.startswith("Reading: ")]
    assert reading
    assert all(fraction is not None and 0 < fraction <= READING for fraction in reading)
