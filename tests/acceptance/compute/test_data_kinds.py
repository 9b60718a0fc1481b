"""Every kind of far store reaches a step in every mode, and web addresses do."""

import hashlib
import secrets
from pathlib import Path

import pytest

from compute.spec import InputMode, JobInput
from compute.states import JobStatus
from datastores.backends import get_backend
from datastores.models import Datastore
from datastores.sources import DataPath
from tests.support.compute import Compute, log_of, over
from tests.support.data import LOOK, MIB
from tests.support.servers.azure import Azurite
from tests.support.servers.sshd import SshServer
from tests.support.servers.web import WebServer
from tests.support.stack import Stack

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("loopback_admitted")]

LARGE = secrets.token_bytes(9 * MIB + 3)
SMALL = b"small"
MODES: tuple[InputMode, ...] = ("download", "mount", "direct")


def _check(compute: Compute, store: Datastore | None, folder: str, *, has_folders: bool = True) -> None:
    """`folder` holds `large.bin` and `sub/small.txt`."""

    def data(path: str, mode: InputMode) -> JobInput:
        return JobInput(paths=[DataPath(datastore_id=store.pk if store else None, path=path)], mode=mode)

    large, small = hashlib.sha256(LARGE).hexdigest(), hashlib.sha256(SMALL).hexdigest()
    for mode in MODES:
        inputs = {"file": data(f"{folder}/large.bin", mode)}
        said = [f"large.bin {large}"]
        if has_folders:
            inputs |= {"folder": data(folder, mode), "glob": data(f"{folder}/*/*.txt", mode)}
            said += [f"large.bin {large}", f"sub/small.txt {small}", f"sub/small.txt {small}"]
        arguments = [f"${{{{inputs.{name}}}}}" for name in inputs]
        script = LOOK if mode != "direct" else "import sys; print(sys.argv[1])"
        job = over(compute.job("python", "-c", script, *arguments, inputs=inputs))
        assert job.status == JobStatus.COMPLETED, (mode, job.reason, log_of(job))
        if mode == "direct":
            (address,) = log_of(job, "o")
            assert address.endswith(f"{folder}/large.bin".removeprefix("http:")), address
            assert "://" in address
        else:
            assert log_of(job, "o") == said, mode


def _fill(folder: Path) -> None:
    (folder / "sub").mkdir(parents=True)
    (folder / "large.bin").write_bytes(LARGE)
    (folder / "sub" / "small.txt").write_bytes(SMALL)


def test_sftp(compute: Compute, node: Stack, sshd_server: SshServer, tmp_path: Path) -> None:
    root = sshd_server.folder / secrets.token_hex(6)
    _fill(root / "data")
    config = {
        "host": sshd_server.host,
        "port": sshd_server.port,
        "user": sshd_server.user,
        "folder": str(root),
        "host_key": sshd_server.host_key,
        "auth": "key",
    }
    store = compute.store("ssh", "sftp", config, {"private_key": sshd_server.private_key})
    _check(compute, store, "data")


def test_azure_blob(compute: Compute, node: Stack, azurite: Azurite) -> None:
    config = {**azurite.config, "container": azurite.make_container()}
    store = compute.store("azure", "azure_blob", config, azurite.secrets)
    backend = get_backend(store)
    local = compute.datastore("aside")
    root = get_backend(local).local_path("")
    assert root is not None
    _fill(root / "data")
    for path in ("data/large.bin", "data/sub/small.txt"):
        with get_backend(local).open_read(path) as stream:
            backend.write(path, stream)
    _check(compute, store, "data")


def test_http(compute: Compute, node: Stack, web_server: WebServer) -> None:
    url, folder = web_server.make_folder()
    _fill(folder / "data")
    _check(compute, compute.store("web", "http", {"url": f"{url}/"}, {}), "data")


def test_a_web_address(compute: Compute, node: Stack, web_server: WebServer) -> None:
    url, folder = web_server.make_folder()
    _fill(folder / "data")
    _check(compute, None, f"{url}/data", has_folders=False)


def test_a_web_address_whose_query_is_no_pattern(compute: Compute, node: Stack, web_server: WebServer) -> None:
    url, folder = web_server.make_folder()
    _fill(folder / "data")
    path = DataPath(datastore_id=None, path=f"{url}/data/sub/small.txt?format=csv&all=*")
    job = over(compute.job("python", "-c", LOOK, "${{inputs.data}}", inputs={"data": JobInput(paths=[path])}))
    assert log_of(job, "o") == [f"small.txt {hashlib.sha256(SMALL).hexdigest()}"], job.reason
