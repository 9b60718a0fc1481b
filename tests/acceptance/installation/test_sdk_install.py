"""The SDK is installed from a running server by pip and by uv, without any package index."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from django.test import Client
from pytest_django.live_server_helper import LiveServer

PROGRAM = """
import studio_sdk, studio_sdk.core, studio_sdk.data
from studio_sdk.core import Workspace, Dataset
from pathlib import Path
print(studio_sdk.__version__, Path(studio_sdk.__file__).parent.joinpath("py.typed").exists())
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment with pip and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


def run(*command: str, cwd: Path) -> str:
    # No index but what is named: whoever asked another one would fail here.
    variables = {"PATH": os.environ["PATH"], "HOME": str(cwd), "PIP_NO_INDEX": "1", "PIP_NO_CACHE_DIR": "1"}
    ended = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False, timeout=180)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("way", ["address", "wheel", "index"])
def test_pip_installs_it(python: Path, live_server: LiveServer, tmp_path: Path, way: str) -> None:
    from studio.installation.sdk_pages import archives

    wheel, _sources = archives()
    address = {"address": f"{live_server.url}/sdk/", "wheel": f"{live_server.url}/sdk/{wheel}"}.get(way)
    if address is None:
        wanted = ["--index-url", f"{live_server.url}/sdk/simple/", "studio-sdk"]
        command = [str(python), "-m", "pip", "install", "--isolated", "--force-reinstall", *wanted]
    else:
        command = [str(python), "-m", "pip", "install", "--force-reinstall", address]
    run(*command, cwd=tmp_path)
    assert run(str(python), "-c", PROGRAM, cwd=tmp_path) == "0.2.0 True\n"
    assert "push" in run(str(python.with_name("studio-sdk")), "--help", cwd=tmp_path)
    # The command for people needs a library, and says so where it is not there.
    said = subprocess.run([python.with_name("studio"), "runs"], capture_output=True, text=True, check=False, timeout=60)
    assert (said.returncode, "studio-sdk[cli]" in said.stderr) == (1, True), said.stderr
    extra = "import importlib.metadata as m; print(m.requires('studio-sdk'))"
    assert "click" in run(str(python), "-c", extra, cwd=tmp_path)


def test_uv_installs_the_wheel(live_server: LiveServer, tmp_path: Path) -> None:
    from studio.installation.sdk_pages import archives

    wheel, _sources = archives()
    uv = str(Path(sys.executable).with_name("uv"))
    run(uv, "venv", "--python", sys.executable, "bare", cwd=tmp_path)
    python = str(tmp_path / "bare" / "bin" / "python")
    run(uv, "pip", "install", "--python", python, f"{live_server.url}/sdk/{wheel}", cwd=tmp_path)
    assert run(python, "-c", PROGRAM, cwd=tmp_path) == "0.2.0 True\n"


@pytest.mark.django_db
def test_people_see_how(client: Client) -> None:
    page = client.get("/sdk/", headers={"accept": "text/html"})
    assert "pip install http://testserver/sdk/" in page.content.decode()
    assert client.get("/sdk/other.whl").status_code == 404
    assert client.post("/sdk/").status_code == 405
