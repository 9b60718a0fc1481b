"""The supervisor keeps what is wanted running, starts again what dies, and stops in order."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from studio.installation import supervisor as module
from studio.installation.supervisor import Service, Supervisor
from tests.support.waiting import wait_for


class Kept(Supervisor):
    """A supervisor, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        super().__init__(folder=folder, logs=folder / "logs", say=self.said.append)
        self.folder = folder

    def log(self, name: str) -> str:
        file = self.folder / "logs" / f"{name}.log"
        return file.read_text() if file.exists() else ""

    def until(self, what: str, look: "object") -> None:
        def tick() -> bool:
            self.tick()
            return bool(look())  # type: ignore[operator]

        wait_for(tick, what=what)

    def pid(self, name: str) -> int:
        return self._children[name].process.pid


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    running = Kept(tmp_path)
    yield running
    running.hurry = True
    running.stop_all()


def service(name: str, code: str, *, rank: int = 0, timeout_s: float = 5, **variables: str) -> Service:
    return Service(
        name,
        (sys.executable, "-u", "-c", code),
        tuple(sorted({**os.environ, **variables}.items())),
        stop_rank=rank,
        stop_timeout_s=timeout_s,
    )


STAYS = "import time; print('ready', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"


def test_what_dies_is_started_again_with_a_growing_pause(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_S", (0.05, 0.1))
    kept.want([service("brief", "print('once'); raise SystemExit(3)")])
    kept.until("it ran four times", lambda: kept.log("brief").count("once") >= 4)
    assert "brief ended with exit code 3; it is started again in 0.05 s" in kept.said[0]
    assert "in 0.1 s" in kept.said[2]


def test_a_changed_service_is_started_again_and_an_unwanted_one_stopped(kept: Kept) -> None:
    kept.want([service("node-1", STAYS, SLOTS="1"), service("web", STAYS)])
    kept.until("both run", lambda: kept.log("node-1") and kept.log("web"))
    before, web = kept.pid("node-1"), kept.pid("web")
    kept.want([service("node-1", STAYS, SLOTS="2")], prefix="node-")
    kept.until("it is another process", lambda: "node-1" in kept._children and kept.pid("node-1") != before)
    kept.want([], prefix="node-")
    kept.until("it is gone", lambda: "node-1" not in kept._children)
    assert kept.pid("web") == web
    assert not kept.said, "all of that was meant"


def test_lower_ranks_are_stopped_first(kept: Kept, tmp_path: Path) -> None:
    said = tmp_path / "order"
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(said)!r}, 'a').write(NAME + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('ready'); time.sleep(600)"
    )
    for name, rank in (("redis", 2), ("node", 0), ("web", 1)):
        kept.want([service(name, f"NAME = {name!r}\n{code}", rank=rank)])
    kept.until("all run", lambda: all(kept.log(name) for name in ("redis", "node", "web")))
    kept.stop_all()
    assert said.read_text().split() == ["node", "web", "redis"]


def test_who_does_not_listen_is_killed_with_its_family(kept: Kept) -> None:
    parent = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {DEAF!r}], start_new_session=True)\n{DEAF}"
    )
    kept.want([service("deaf", parent, timeout_s=0.3)])
    kept.until("both are ready", lambda: kept.log("deaf").count("ready") == 2)
    family = psutil.Process(kept.pid("deaf")).children(recursive=True)
    assert len(family) == 1
    kept.stop_all()
    wait_for(lambda: not family[0].is_running() or family[0].status() == psutil.STATUS_ZOMBIE, what="its child is gone")


def test_in_a_hurry_nobody_is_waited_for(kept: Kept) -> None:
    kept.want([service("deaf", DEAF, timeout_s=600)])
    kept.until("it is ready", lambda: kept.log("deaf"))
    kept.hurry = True
    kept.stop_all()
    assert not kept._children


def test_errors_reach_the_terminal_and_the_rest_only_the_log(kept: Kept) -> None:
    lines = [
        "2026-01-01 10:00:00 INFO web: fine",
        "2026-01-01 10:00:01 ERROR web: broken",
        "Traceback (most recent call last):",
        "ValueError: no",
        "2026-01-01 10:00:02 INFO web: fine again",
    ]
    kept.want([service("web", f"print({chr(10).join(lines)!r}); {STAYS}")])
    kept.until("it is logged", lambda: "ready" in kept.log("web"))
    assert kept.said == [f"web: {line}" for line in lines[1:4]]
    assert kept.log("web").splitlines()[:5] == lines


def test_a_log_does_not_grow_without_end(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOG_LIMIT_BYTES", 1000)
    kept.want([service("chatty", f"print('x' * 99 + '\\n' * 1); [print('y' * 99) for _ in range(50)]; {STAYS}")])
    kept.until("it is logged", lambda: "ready" in kept.log("chatty"))
    sizes = [file.stat().st_size for file in (kept.folder / "logs").iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 1000


PARENT = """
import pathlib, sys, time
sys.path.insert(0, sys.argv[1])
from studio.installation.supervisor import Service, Supervisor
folder = pathlib.Path(sys.argv[2])
keeper = Supervisor(folder=folder, logs=folder, say=print)
keeper.want([Service("child", (sys.executable, "-u", "-c", sys.argv[3]), (), stop_rank=0, stop_timeout_s=5)])
while True:
    keeper.tick()
    time.sleep(0.05)
"""


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    root = str(Path(module.__file__).parent.parent.parent)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, root, str(tmp_path), DEAF])
    try:
        log = tmp_path / "child.log"
        wait_for(lambda: log.exists() and "ready" in log.read_text(), what="the child runs")
        child = psutil.Process(parent.pid).children()[0]
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, what="the child is gone")
