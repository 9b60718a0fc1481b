"""The guard: what may be connected to, checked on the addresses that are really connected to."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import aiohttp
import pytest
from pytest_django import Settings

from datastores import network
from datastores.connector import GuardedConnector
from datastores.network import NameNotFound, RefusedAddress, allowed, resolve

PRIVATE = [
    "127.0.0.1",
    "127.8.9.10",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "0.0.0.0",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
]
PUBLIC = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"]


@pytest.fixture(autouse=True)
def nothing_admitted(settings: Settings) -> None:
    settings.PRIVATE_HOSTS = []


def answering(monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[list[str]]]) -> list[str]:
    """Let names lead where a test says: each look-up takes the name's next answer. Gives the names as asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, port: Any, *arguments: Any, **options: Any) -> list[Any]:
        if host not in answers:
            return real(host, port, *arguments, **options)
        asked.append(host)
        following = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port)))
            for address in following
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_by_default(address: str) -> None:
    with pytest.raises(RefusedAddress, match="STUDIO_PRIVATE_HOSTS") as caught:
        allowed("somewhere.example", [address])
    assert address in str(caught.value)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert allowed("somewhere.example", [address]) == [address]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "127.1", "2130706433", "0x7f.0.0.1"])
def test_every_way_to_write_this_machine_is_refused(host: str) -> None:
    with pytest.raises(RefusedAddress, match="does not connect to"):
        resolve(host, 80, loc=("config", "url"))


def test_the_problem_stands_at_the_field() -> None:
    with pytest.raises(RefusedAddress) as caught:
        resolve("127.0.0.1", 80, loc=("config", "host"))
    assert caught.value.problems[0].loc == ("config", "host")


def test_a_name_with_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, {"inside.example": [["10.0.0.5"]]})
    with pytest.raises(RefusedAddress, match=r"inside\.example \(10\.0\.0\.5\)"):
        resolve("inside.example", 5432)


def test_of_several_addresses_only_the_public_ones_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, {"both.example": [["10.0.0.5", "93.184.215.14", "::1"]]})
    assert resolve("both.example", 443) == ["93.184.215.14"]


@pytest.mark.parametrize(
    "entry", ["127.0.0.1", "127.0.0.0/8", "localhost", "LOCALHOST.", "*", "10.0.0.1/8", "::1/128"], ids=str
)
def test_what_an_administrator_admits(settings: Settings, entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, {"localhost": [["127.0.0.1"]]})
    settings.PRIVATE_HOSTS = [entry]
    if entry.startswith(("10.", "::1")):  # another network
        with pytest.raises(RefusedAddress):
            resolve("localhost", 80)
    else:
        assert resolve("localhost", 80) == ["127.0.0.1"]


def test_an_admitted_name_admits_no_other_name(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PRIVATE_HOSTS = ["files.internal"]
    answering(monkeypatch, {"files.internal": [["10.0.0.5"]], "evil.example": [["10.0.0.5"]]})
    assert resolve("files.internal", 80) == ["10.0.0.5"]
    with pytest.raises(RefusedAddress):
        resolve("evil.example", 80)


@pytest.mark.parametrize("host", ["nobody.invalid", "a..b", "x" * 70 + ".example"])
def test_a_name_that_nobody_has(host: str) -> None:
    with pytest.raises(NameNotFound, match="spelling"):
        resolve(host, 80)


def test_a_resolver_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(network, "LOOK_UP_S", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [] if end.wait(60) else None)
    try:
        with pytest.raises(NameNotFound, match="did not answer"):
            resolve("slow.example", 80)
    finally:
        end.set()


class Redirecting(BaseHTTPRequestHandler):
    """`/to/ADDRESS…` redirects there; anything else says hello and what was sent along."""

    seen: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["Authorization"]))
        target = self.path.removeprefix("/to/")
        self.send_response(302 if target != self.path else 200)
        if target != self.path:
            self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[int]:
    """A web server on every address of this machine; gives its port."""
    Redirecting.seen.clear()
    with ThreadingHTTPServer(("0.0.0.0", 0), Redirecting) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running.server_address[1]
        running.shutdown()
        thread.join()


@pytest.fixture
def get() -> Callable[..., int]:
    """`get(url)`: the status of the answer, through the guard."""

    def status_of(*urls: str) -> int:
        async def ask() -> int:
            async with aiohttp.ClientSession(connector=GuardedConnector(force_close=True)) as session:
                for url in urls:
                    async with session.get(url) as answer:
                        status = answer.status
            return status

        return asyncio.run(ask())

    return status_of


def test_a_connector_refuses_by_default(get: Callable[..., int], server: int) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"):
        with pytest.raises(RefusedAddress):
            get(f"http://{host}:{server}/")
    assert Redirecting.seen == []


@pytest.mark.parametrize("target", ["http://127.0.0.1:{port}/", "http://169.254.169.254/latest/meta-data/"])
def test_a_redirect_is_refused(
    get: Callable[..., int], server: int, target: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PRIVATE_HOSTS = ["outside.example"]  # stands for a public host that redirects
    answering(monkeypatch, {"outside.example": [["127.0.0.2"]]})
    with pytest.raises(RefusedAddress, match=target[7:15]):
        get(f"http://outside.example:{server}/to/{target.format(port=server)}")
    assert len(Redirecting.seen) == 1


def test_a_name_that_leads_elsewhere_the_second_time(
    get: Callable[..., int], server: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PRIVATE_HOSTS = ["127.0.0.2"]  # stands for a public address
    asked = answering(monkeypatch, {"rebinding.example": [["127.0.0.2"], ["127.0.0.1"]]})
    url = f"http://rebinding.example:{server}/"
    with pytest.raises(RefusedAddress, match=r"127\.0\.0\.1"):
        get(url, url)
    assert len(Redirecting.seen) == 1
    assert len(asked) == 2  # once for each connection: what was checked is what is connected to


def test_a_connector_says_that_a_name_is_unknown(get: Callable[..., int]) -> None:
    with pytest.raises(NameNotFound, match=r"nobody\.invalid"):
        get("http://nobody.invalid/")
