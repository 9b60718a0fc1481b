"""Hosts of a pool on which no node can start: each says in one sentence what is wrong with it, and what to do."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from compute.providers.ssh import session
from compute.services.trying_hosts import TriedHost, try_hosts
from studio.workspaces.models import User
from tests.support.compute import Compute
from tests.support.servers.ports import free_port
from tests.support.servers.sshd import SshServer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback_admitted")]


class Trying:
    """Tries the hosts of a pool as an administrator does."""

    def __init__(self, server: SshServer, folder: Path) -> None:
        self._server, self._folder = server, folder
        self._workspace = Compute().workspace
        self._administrator = User.objects.create_superuser("root")

    def one(self, *, key: str = "", host: dict[str, Any] | None = None, **settings: Any) -> TriedHost:
        server = self._server
        whole = {"host": server.host, "port": server.port, "user": server.user, "host_key": server.host_key}
        (found,) = try_hosts(
            self._workspace,
            pool={"provider": "ssh", "hosts": [whole | (host or {})], "folder": str(self._folder), "max_nodes": 1}
            | settings,
            credentials={"private_key": key or server.private_key},
            tried_by=self._administrator,
        )
        assert "BEGIN" not in found.message
        return found


@pytest.fixture
def trying(sshd_server: SshServer, tmp_path: Path) -> Trying:
    return Trying(sshd_server, tmp_path / "nodes")


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount one")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def _words(found: TriedHost) -> str:
    assert not found.is_good
    return found.message


def test_nobody_listens(trying: Trying) -> None:
    assert "refuses the connection. Check the port" in _words(trying.one(host={"port": free_port()}))


def test_its_name_is_not_known(trying: Trying) -> None:
    assert "node.invalid" in _words(trying.one(host={"host": "node.invalid"}))


def test_it_is_in_a_network_that_is_not_admitted(trying: Trying, settings: Settings) -> None:
    settings.PRIVATE_HOSTS = []
    assert "STUDIO_PRIVATE_HOSTS" in _words(trying.one())


def test_it_says_nothing(trying: Trying, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "ANSWER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = trying.one(host={"port": silent.getsockname()[1]})
    assert "did not answer in time. Check whether it is up" in _words(found)


def test_another_kind_of_server_answers(trying: Trying) -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:

        def answer() -> None:
            caller, _ = web.accept()
            with caller:
                caller.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 2000)
                while caller.recv(1000):
                    pass

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        found = trying.one(host={"port": web.getsockname()[1]})
        thread.join()
    assert "is no SSH server. Check the port." in _words(found)


def test_it_does_not_know_the_key(trying: Trying) -> None:
    import asyncssh

    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    assert "Check user and" in _words(trying.one(key=other))


def test_it_shows_another_host_key(trying: Trying) -> None:
    found = trying.one(host={"host_key": "SHA256:" + "A" * 43})
    assert "another host key" in _words(found)


def test_it_has_no_python(trying: Trying) -> None:
    assert "“/nowhere/python3” is no Python 3.11 or newer" in _words(trying.one(python="/nowhere/python3"))


def test_its_folder_can_not_be_written(trying: Trying) -> None:
    assert "the folder for nodes can't be written to" in _words(trying.one(folder="/proc/nodes"))


def test_its_disk_is_full(trying: Trying, full_disk: Path) -> None:
    assert "is nearly full" in _words(trying.one(folder=str(full_disk / "nodes")))


def test_one_that_is_well_says_what_it_has(trying: Trying) -> None:
    found = trying.one()
    assert found.is_good, found.message
    assert "The first node installs the studio there." in found.message
