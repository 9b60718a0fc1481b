"""Large uploads to a real server: memory stays, a server that is killed in the middle is gone on with, breaks show."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, IncompleteRead
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.support.studio import Place, Studio
from tests.support.waiting import wait_for

MEGABYTE = 1024 * 1024
PART = "application/offset+octet-stream"
PIECE = os.urandom(MEGABYTE)


def web_of(studio: Studio) -> psutil.Process:
    """The studio's web server."""
    home = str(studio.home)
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            if "uvicorn" in (process.info["cmdline"] or []) and process.environ().get("STUDIO_HOME") == home:
                return process
    raise AssertionError("the studio has no web server")


class Client:
    """One person, with bodies that are made while they are sent."""

    def __init__(self, studio: Studio, place: Place) -> None:
        self._studio, self._place = studio, place
        store = studio.api(place.owner).get(f"/api/workspaces/{place.slug}/datastores/")["results"][0]["id"]
        self.base = f"/api/workspaces/{place.slug}/datastores/{store}/"

    def connection(self) -> closing[HTTPConnection]:
        return closing(HTTPConnection(urlsplit(self._studio.address).netloc, timeout=120))

    def headers(self, **more: str) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return {"Authorization": f"Bearer {self._place.owner.token}", "Tus-Resumable": "1.0.0", **named}

    def begin(self, path: str, size: int) -> str:
        body = {"path": path, "size_bytes": size}
        return self._studio.api(self._place.owner).post(f"{self.base}uploads/", body)["url"]

    def offset(self, url: str) -> int:
        with self.connection() as connection:
            connection.request("HEAD", url, headers=self.headers())
            answer = connection.getresponse()
            assert answer.status == 200
            return int(answer.headers["Upload-Offset"])

    def send(self, url: str, offset: int, pieces: Iterator[bytes], size: int) -> int:
        """The status of the answer."""
        headers = self.headers(Content_Type=PART, Upload_Offset=str(offset), Content_Length=str(size))
        with self.connection() as connection:
            connection.request("PATCH", url, body=pieces, headers=headers)
            return connection.getresponse().status

    def place_of(self, path: str) -> Path:
        code = """
            from datastores.backends import get_backend
            from datastores.models import Datastore
            result = str(get_backend(Datastore.objects.get(workspace__slug=slug, is_default=True)).local_path(path))
        """
        return Path(self._studio.inside(code, slug=self._place.slug, path=path))


def begin_part(connection: HTTPConnection, url: str, headers: dict[str, str]) -> None:
    """Everything but the bytes."""
    connection.putrequest("PATCH", url)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()


@pytest.fixture
def client(studio: Studio, place: Place) -> Client:
    return Client(studio, place)


def test_a_gigabyte_in_one_part_costs_no_memory(studio: Studio, client: Client) -> None:
    """Ten times as much takes ten times as long, and nothing else: no byte is kept but on its way to the disk."""
    count = 1024
    url = client.begin("large.bin", count * MEGABYTE)
    web = web_of(studio)
    before = peak = web.memory_info().rss

    def pieces() -> Iterator[bytes]:
        nonlocal peak
        for number in range(count):
            yield PIECE
            if number % 32 == 0:
                peak = max(peak, web.memory_info().rss)

    assert client.send(url, 0, pieces(), count * MEGABYTE) == 204
    assert peak - before < 60 * MEGABYTE
    stored = client.place_of("large.bin")
    assert stored.stat().st_size == count * MEGABYTE
    with stored.open("rb") as file:
        file.seek(700 * MEGABYTE)
        assert file.read(MEGABYTE) == PIECE
    assert not list((studio.home / "tmp").rglob("*.upload"))
    stored.unlink()


def test_a_server_that_is_killed_in_the_middle_goes_on(studio: Studio, client: Client) -> None:
    count = 128
    content = b"".join(bytes([number]) * MEGABYTE for number in range(count))
    url = client.begin("deep/killed.bin", len(content))
    web = web_of(studio)

    def until_killed() -> Iterator[bytes]:
        for number in range(count):
            if number == 64:
                wait_for(lambda: client.offset(url) >= 16 * MEGABYTE, what="some of it is kept for certain")
                web.kill()
            yield content[number * MEGABYTE : (number + 1) * MEGABYTE]

    with pytest.raises((ConnectionError, OSError)):
        client.send(url, 0, until_killed(), len(content))
    wait_for(studio.installation.health, what="the web server is started again", timeout_s=60)
    offset = client.offset(url)
    assert 16 * MEGABYTE <= offset < len(content)
    assert not client.place_of("deep/killed.bin").exists()  # never half there
    rest = content[offset:]
    assert client.send(url, offset, iter([rest]), len(rest)) == 204
    assert client.place_of("deep/killed.bin").read_bytes() == content


def test_a_client_that_goes_away_leaves_what_it_sent(client: Client) -> None:
    content = PIECE * 20
    url = client.begin("left.bin", len(content))
    headers = client.headers(Content_Type=PART, Upload_Offset="0", Content_Length=str(len(content)))
    with client.connection() as connection:
        begin_part(connection, url, headers)
        connection.send(content[: 12 * MEGABYTE])
    offset = wait_for(lambda: client.offset(url) == 12 * MEGABYTE and 12 * MEGABYTE, what="all that was sent is kept")
    assert client.send(url, offset, iter([content[offset:]]), len(content) - offset) == 204
    assert client.place_of("left.bin").read_bytes() == content


def test_somebody_who_may_not_sends_nothing_to_the_disk(place: Place, client: Client) -> None:
    """The answer comes before the body: nobody's ten gigabytes are taken in to be refused afterwards."""
    url = client.begin("mine.bin", 10 * MEGABYTE)
    headers = client.headers(Content_Type=PART, Upload_Offset="0", Content_Length=str(10 * 1024 * MEGABYTE))
    headers["Authorization"] = f"Bearer {place.reader.token}"
    with client.connection() as connection:
        begin_part(connection, url, headers)
        assert connection.getresponse().status == 403
    assert client.offset(url) == 0


def test_a_folder_that_breaks_in_the_middle_breaks_the_download(client: Client) -> None:
    """A sparse file that is cut off while it is read: the connection ends without an end, and so does the archive."""
    place = client.place_of("f/big.bin")
    place.parent.mkdir(parents=True)
    with place.open("wb") as file:
        file.truncate(1024 * MEGABYTE)
    arrived = bytearray()
    with client.connection() as connection:
        connection.request("GET", f"{client.base}zip/?path=f", headers=client.headers())
        with connection.getresponse() as answer:
            assert answer.status == 200
            arrived += answer.read(MEGABYTE)
            with place.open("r+b") as file:
                file.truncate(MEGABYTE)
            with pytest.raises((IncompleteRead, ConnectionError)):
                arrived += answer.read()
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(BytesIO(arrived))
