"""SFTP: the contract against two real servers, who is trusted, and what such a server can do to its reader."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from datastores.backends import Backend, ChangedMeanwhile, open_store, store_class
from studio.lib.problems import UserError
from tests.support.servers.sshd import CLOSED, PASSPHRASE, SshServer

from .contract import BackendContract, names, text


@pytest.fixture(autouse=True)
def private_hosts(settings: Settings) -> None:
    settings.PRIVATE_HOSTS = ["127.0.0.1"]


def store_of(server: SshServer, given: dict[str, str] | None = None, **config: Any) -> Backend:
    values: dict[str, Any] = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "folder": "/" if server.password else str(server.folder),
        "host_key": server.fingerprint,
        "auth": "password" if server.password else "key",
        **config,
    }
    own = {"password": server.password} if server.password else {"private_key": server.private_key}
    kind = store_class("sftp")
    secrets = own if given is None else given
    settled = kind.settle(
        kind.Config.model_validate(values), kind.Secrets.model_validate(secrets), workspace_id=1, name="x"
    )
    store = open_store("sftp", settled.model_dump(), secrets)
    assert isinstance(store, Backend)
    return store


def subfolder(server: SshServer, name: str) -> Path:
    folder = server.folder / name / os.urandom(4).hex()
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def root(sshd_server: SshServer) -> Path:
    return subfolder(sshd_server, "key")


@pytest.fixture
def backend(sshd_server: SshServer, root: Path) -> Iterator[Backend]:
    store = store_of(sshd_server, folder=str(root))
    yield store
    store.close()


class TestOpenSsh(BackendContract):
    @pytest.fixture
    def backend(self, backend: Backend) -> Backend:
        return backend


class TestByPassword(BackendContract):
    """asyncssh's server: the user sees the folder as `/`."""

    @pytest.fixture
    def backend(self, sftp_by_password_server: SshServer) -> Iterator[Backend]:
        folder = subfolder(sftp_by_password_server, "password")
        store = store_of(sftp_by_password_server, folder=f"/{folder.relative_to(sftp_by_password_server.folder)}")
        yield store
        store.close()


# Who is trusted.


def test_an_unknown_host_key_is_shown_to_be_confirmed(sshd_server: SshServer) -> None:
    with pytest.raises(UserError, match="shows the host key SHA256:") as caught:
        store_of(sshd_server, host_key="").test()
    assert caught.value.problems[0].loc == ("config", "host_key")
    assert sshd_server.fingerprint in str(caught.value)


def test_a_changed_host_key_is_refused(sshd_server: SshServer, sftp_by_password_server: SshServer) -> None:
    store = store_of(sshd_server, host_key=sftp_by_password_server.host_key)
    for attempt in (store.test, store.list, lambda: store.write("a", BytesIO(b"a"))):
        with pytest.raises(UserError, match="another host key"):
            attempt()


def test_a_host_key_is_told_in_three_ways(sshd_server: SshServer) -> None:
    for given in (
        sshd_server.fingerprint,
        f"{sshd_server.fingerprint}=",
        sshd_server.host_key,
        f"{sshd_server.host_key} root@files",
        f"[127.0.0.1]:{sshd_server.port} {sshd_server.host_key}",
    ):
        store = store_of(sshd_server, host_key=given)
        store.test()
        store.close()


@pytest.mark.parametrize("nonsense", ["nonsense", "SHA256:short", "MD5:aa:bb", "ssh-ed25519", "ssh-ed25519 AAAA!"])
def test_nonsense_is_no_host_key(sshd_server: SshServer, nonsense: str) -> None:
    with pytest.raises(UserError) as caught:
        store_of(sshd_server, host_key=nonsense)
    assert caught.value.problems[0].loc == ("config", "host_key")


def test_a_key_with_a_passphrase(sshd_server: SshServer) -> None:
    key = sshd_server.key_with_passphrase
    store = store_of(sshd_server, {"private_key": key, "passphrase": PASSPHRASE})
    store.test()
    store.close()
    for passphrase in ("", "wrong"):
        with pytest.raises(UserError, match="passphrase") as caught:
            store_of(sshd_server, {"private_key": key, "passphrase": passphrase})
        assert caught.value.problems[0].loc == ("credentials", "passphrase")


def test_the_identity_of_the_process(sshd_server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    # A line that would start a program: settings of whoever runs the studio are not read.
    (tmp_path / ".ssh" / "config").write_text(f"Host *\n  ProxyCommand touch {tmp_path}/started\n")
    store = store_of(sshd_server, {}, auth="identity")
    with pytest.raises(UserError, match="does not let the user"):
        store.test()
    (tmp_path / ".ssh" / "id_ed25519").write_text(sshd_server.private_key)
    (tmp_path / ".ssh" / "id_ed25519").chmod(0o600)
    store.test()
    store.close()
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("config", "given", "sentence", "loc"),
    [
        ({"host": "no-such-host.invalid"}, None, "no host named|can't be looked up", ("config", "host")),
        ({"port": 1}, None, "refuses the connection", ("config", "host")),
        ({"user": "nobody-here"}, None, "does not let the user", ("credentials", "private_key")),
        ({"folder": "/no/such/folder"}, None, "no folder", ("config", "folder")),
        ({"folder": "/etc/passwd"}, None, "is a file", ("config", "folder")),
        ({"auth": "password"}, {"password": "wrong-secret"}, "does not let the user", ("credentials", "password")),
        ({}, {"private_key": "no key"}, "no private key", ("credentials", "private_key")),
        ({}, {}, "Enter the private key", ("credentials", "private_key")),
        ({"auth": "password"}, {}, "Enter the password", ("credentials", "password")),
        ({"host": "sftp://x"}, None, "only the host", ("config", "host")),
        ({"folder": "../up"}, None, "“..”", ("config", "folder")),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    sshd_server: SshServer, config: dict[str, Any], given: dict[str, str] | None, sentence: str, loc: tuple[str, ...]
) -> None:
    started = time.monotonic()
    with pytest.raises(UserError, match=sentence) as caught:
        store_of(sshd_server, given, **config).test()
    assert caught.value.problems[0].loc == loc
    assert time.monotonic() - started < 10
    assert "wrong-secret" not in str(caught.value)


def test_a_wrong_password(sftp_by_password_server: SshServer) -> None:
    with pytest.raises(UserError, match="does not let the user") as caught:
        store_of(sftp_by_password_server, {"password": "wrong-secret"}).test()
    assert caught.value.problems[0].loc == ("credentials", "password")


def test_private_addresses_are_refused(sshd_server: SshServer, settings: Settings) -> None:
    settings.PRIVATE_HOSTS = []
    for host in ("127.0.0.1", "localhost", "169.254.169.254"):
        with pytest.raises(UserError, match="STUDIO_PRIVATE_HOSTS"):
            store_of(sshd_server, host=host).test()


def test_what_is_no_ssh_server_is_said(sshd_server: SshServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        started = time.monotonic()
        with pytest.raises(UserError, match="did not answer"):
            store_of(sshd_server, port=mute.getsockname()[1]).test()
        assert time.monotonic() - started < 10


def test_a_folder_that_may_not_be_written(sftp_by_password_server: SshServer) -> None:
    (sftp_by_password_server.folder / CLOSED).mkdir(exist_ok=True)
    store = store_of(sftp_by_password_server, folder=f"/{CLOSED}")
    store.test(write=False)
    with pytest.raises(UserError, match="not write there") as caught:
        store.test()
    assert caught.value.problems[0].loc == ("config", "folder")
    with pytest.raises(UserError, match="may not do this"):
        store.write("a", BytesIO(b"x"))
    store.close()


# Links, and what other programs do meanwhile.


def test_links_that_lead_out_are_shown_and_never_followed(backend: Backend, root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (root / "file").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    (root / "gone").symlink_to("nowhere")
    assert {entry.name: entry.kind for entry in backend.list().entries} == dict.fromkeys(
        ["file", "folder", "gone"], "other"
    )
    assert list(backend.glob("**")) == []
    for path in ("file", "folder/secret"):
        for attempt in (
            lambda path=path: backend.open_read(path),
            lambda path=path: backend.stat(path),
            lambda path=path: list(backend.glob(path)),
        ):
            with pytest.raises(UserError, match="symbolic link"):
                attempt()
    with pytest.raises(UserError):
        backend.write("folder/new", BytesIO(b"x"))
    backend.delete("folder")
    backend.delete("file")
    backend.delete("gone")
    assert (tmp_path / "secret").read_text() == "secret"
    assert names(backend) == []


def test_links_within_the_root_are_followed_but_not_walked_into(backend: Backend, root: Path) -> None:
    backend.write("real/a.txt", BytesIO(b"a"))
    (root / "link").symlink_to("real")
    (root / "b.txt").symlink_to("real/a.txt")
    assert {entry.name: entry.kind for entry in backend.list().entries} == {
        "link": "folder",
        "real": "folder",
        "b.txt": "file",
    }
    assert text(backend, "b.txt") == b"a"
    assert names(backend, "link") == ["a.txt"]
    assert [entry.path for entry in backend.glob("**")] == ["b.txt", "real/a.txt"]


def test_a_file_that_changes_under_its_reader_is_noticed(backend: Backend, root: Path) -> None:
    backend.write("a.bin", BytesIO(b"x" * 1000))
    entry = backend.stat("a.bin")
    (root / "a.bin").write_bytes(b"y" * 2000)
    with pytest.raises(ChangedMeanwhile):
        backend.read_part(entry, 0, 100)


def test_names_that_are_not_text_are_shown(backend: Backend, root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/\xff.bin")).write_bytes(b"x")
    (entry,) = backend.list().entries
    assert not entry.is_addressable
    assert len(list(backend.glob("*.bin"))) == 1
    assert backend.fingerprint("")


def test_a_connection_that_broke_is_made_again(backend: Backend) -> None:
    from fsspec.asyn import get_loop

    backend.write("a", BytesIO(b"x"))
    connection: Any = backend._connection  # type: ignore[attr-defined]

    async def cut() -> None:
        connection._connection.abort()
        await connection._connection.wait_closed()

    asyncio.run_coroutine_threadsafe(cut(), get_loop()).result(10)
    assert text(backend, "a") == b"x"
