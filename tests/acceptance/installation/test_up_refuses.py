"""What stands in the way is said in one line, and nothing is started."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.installation.starting import UP, started, variables


def refusal(home: Path, *arguments: str, **more: str) -> str:
    """The one line that a start ends with."""
    done = subprocess.run(
        [*UP, "--no-demo", *arguments],
        env=variables(home, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stdout
    return lines[0]


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = refusal(tmp_path / "home", "--port", str(port))
    assert f"Port {port} is in use" in said
    assert f"make up PORT={port + 1}" in said
    assert not (tmp_path / "home" / "studio.sqlite3").exists()


def test_an_address_of_another_machine(tmp_path: Path) -> None:
    assert "cannot be listened on" in refusal(tmp_path / "home", "--host", "192.0.2.1")


def test_a_full_disk(tmp_path: Path) -> None:
    said = refusal(tmp_path / "home", STUDIO_MIN_FREE_MB=str(10**9))
    assert "is full" in said
    assert "STUDIO_HOME" in said


def test_a_home_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    assert "STUDIO_HOME" in refusal(tmp_path / "home")


@pytest.mark.parametrize("place", ["/proc/studio", "/dev/null/studio"])
def test_a_home_that_cannot_be_made(place: str) -> None:
    assert f"STUDIO_HOME ({place}) cannot be used" in refusal(Path(place))


def test_a_redis_that_is_not_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [*UP, "--no-demo", "--port", "0"],
        env=variables(tmp_path / "home", REDIS_URL="redis://127.0.0.1:1/0"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "mend REDIS_URL" in done.stderr


def test_a_studio_that_runs_already(tmp_path: Path) -> None:
    with started(tmp_path / "home") as up:
        up.until_announced()
        said = refusal(tmp_path / "home", "--port", "0")
        assert "is running already" in said
        assert str(up.process.pid) in said
        assert up.health()[0] == 200


def test_no_traceback_reaches_the_terminal_for_a_database_that_is_away(tmp_path: Path) -> None:
    away = f"postgres://nobody@127.0.0.1:1/{os.getpid()}"
    assert "database" in refusal(tmp_path / "home", "--port", "0", DATABASE_URL=away)
