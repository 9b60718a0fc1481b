"""`up` brings everything up, and whatever ends it leaves nothing behind."""

import os
import signal
import stat
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.acceptance.installation.starting import started
from tests.support.waiting import wait_for

PARTS = ("uvicorn", "worker", "beat", "node")
# Makes the terminal on its standard input its own, as a shell does for what runs in the foreground.
IN_THE_FOREGROUND = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
TARGETS = "from compute.models import ComputeTarget; from django.utils import timezone; "
CREATE = TARGETS + "print(ComputeTarget.objects.create(name='big', slots=3).pk)"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_it_comes_up_healthy_and_ctrl_c_leaves_no_process(home: Path) -> None:
    with started(home) as up:
        up.until_announced()
        assert up.health() == (
            200,
            {"status": "ok", "database": "ok", "redis": "ok", "control_worker": "ok"},
        )
        assert up.address in up.output
        commands = [" ".join(command) for command in up.commands().values()]
        for part in PARTS:
            assert any(f" {part}" in command for command in commands), part
        listening = {
            connection.laddr.port
            for process in up.processes()
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {up.port}, "the embedded Redis listens on its socket alone"
        up.interrupt()
        assert up.ends() == 0
        assert up.health()[0] == 0
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert not list(home.glob("**/redis.sock"))


def test_a_terminal_that_closes_takes_everything_with_it(home: Path) -> None:
    master, slave = os.openpty()
    with started(home, prefix=[sys.executable, "-c", IN_THE_FOREGROUND], terminal=slave) as up:
        os.close(slave)
        wait_for(lambda: len(up.processes()) > len(PARTS), what="all of it is started", timeout_s=60)
        os.close(master)
        up.ends()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_ways_to_ask_for_the_end(home: Path, number: signal.Signals) -> None:
    with started(home) as up:
        wait_for(lambda: len(up.processes()) > len(PARTS), what="all of it is started", timeout_s=60)
        up.process.send_signal(number)
        assert up.ends() == 0


def test_a_supervisor_that_is_killed_takes_its_children_along(home: Path) -> None:
    with started(home) as up:
        up.until_announced()
        up.process.kill()
        up.ends()


def test_it_follows_the_make_that_started_it(home: Path) -> None:
    parent = ["sh", "-c", 'STUDIO_FOLLOW_PARENT=$$ "$@" & wait', "sh"]
    with started(home, prefix=parent) as up:
        up.until_announced()
        up.process.kill()
        up.ends()
        assert "no process is left" in up.output


def test_ctrl_c_while_it_starts_stops_it_as_well(home: Path) -> None:
    with started(home) as up:
        wait_for(lambda: "Starting" in up.output, what="it begins", timeout_s=60)
        up.interrupt()
        assert up.ends() == 0
    with started(home) as again:
        again.until_announced()


def test_a_second_start_finds_everything_as_it_was(home: Path) -> None:
    with started(home) as up:
        up.until_announced()
        up.manage("shell", "-c", "from studio.workspaces.models import User; User.objects.create_user('ada')")
        token = up.manage("token", "ada")
        up.interrupt()
        up.ends()
    with started(home) as up:
        up.until_announced()
        request = urllib.request.Request(f"{up.address}/api/schema/", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200
        assert "Applying" not in up.output


def test_what_dies_is_started_again(home: Path) -> None:
    with started(home) as up:
        up.until_announced()
        for part in ("uvicorn", "worker", "node"):
            before = up.child(part)
            before.kill()
            wait_for(
                lambda part=part, before=before: any(
                    part in command and pid != before.pid for pid, command in up.commands().items()
                ),
                what=f"{part} is started again",
            )
        wait_for(lambda: up.health()[0] == 200, what="it is healthy again", timeout_s=60)
        assert "was ended by SIGKILL" in up.output


def test_a_home_with_a_long_path(tmp_path: Path) -> None:
    home = tmp_path / ("a-name-that-is-rather-long-" * 5)
    with started(home) as up:
        up.until_announced()
        assert up.health()[0] == 200
        up.interrupt()
        up.ends()


def test_it_comes_up_on_postgresql(home: Path, postgres_url: str) -> None:
    with started(home, demo=True, DATABASE_URL=postgres_url) as up:
        up.until_announced()
        assert up.health()[0] == 200
        assert not (home / "studio.sqlite3").exists()
        up.interrupt()
        up.ends()


def test_a_compute_target_has_its_node_as_soon_as_it_is_registered(home: Path) -> None:
    def nodes() -> list[str]:
        return [" ".join(command) for command in up.commands().values() if "node" in command]

    with started(home) as up:
        up.until_announced()
        made = up.manage(
            "shell", "-v", "0", "-c", TARGETS + "print(ComputeTarget.objects.create(name='big', slots=3).pk)"
        )
        wait_for(lambda: any(f"--compute {made} --slots 3" in node for node in nodes()), what="its node runs")
        up.manage("shell", "-c", TARGETS + f"ComputeTarget.objects.filter(pk={made}).update(slots=4)")
        wait_for(lambda: any(f"--compute {made} --slots 4" in node for node in nodes()), what="it has four slots")
        up.manage("shell", "-c", TARGETS + f"ComputeTarget.objects.filter(pk={made}).update(deleted_at=timezone.now())")
        wait_for(lambda: len(nodes()) == 1, what="its node is gone")
        assert "--compute 1 " in nodes()[0]
