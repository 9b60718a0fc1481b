"""The far side: runs on a host, under whatever Python 3.11 or newer is there, with the standard library alone.

    python -c THIS check|unpack|start|look|stop FOLDER …

Everything lies below FOLDER: `versions/DIGEST` holds a studio with its packages, `nodes/NAME` a node's settings (0600),
its log and its lock, `node` what nodes keep. A node's launcher and the node itself hold the lock as long as either
lives; so whoever gets it knows that neither does. Each verb prints one JSON object and may be done again.
"""

import fcntl
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOG_LIMIT_BYTES = 10 * 1024**2
NEEDED_BYTES = 2 * 1024**3  # a studio with its packages, and room to work
REACH_S = 5.0
UNUSED_VERSION_S = 24 * 3600.0
TAIL_BYTES = 4000


def main(verb: str, folder: str, *rest: str) -> None:
    place = Path(folder).expanduser().absolute()
    verbs: dict[str, Callable[..., dict[str, Any] | None]] = {
        "check": check,
        "unpack": unpack,
        "start": start,
        "look": look,
        "stop": stop,
        "run": run,
    }
    answer = verbs[verb](place, *rest)
    if answer is not None:
        print(json.dumps(answer), flush=True)  # noqa: T201 (the answer)


def check(place: Path, *_: str) -> dict[str, Any]:
    """stdin: {"reach", "digest"}. What stands in the way of a node here, if anything."""
    asked = json.load(sys.stdin)
    problems: list[list[str]] = []
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        problems.append(["folder", f"{place}: {error.strerror}"])
    else:
        is_there = (place / "versions" / asked["digest"] / ".studio-whole").exists()
        free = shutil.disk_usage(place).free
        if free < NEEDED_BYTES and not is_there:
            problems.append(["disk", f"{free // 1024**2}"])
    problems += [["reach", name, why] for name, why in map(_unreached, asked["reach"]) if why]
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "machine": socket.gethostname(),
        "cpus": os.cpu_count(),
        "installed": (place / "versions" / asked["digest"] / ".studio-whole").exists(),
        "problems": problems,
    }


def _unreached(what: dict[str, Any]) -> tuple[str, str]:
    """Why a database or a broker can't be reached from here; empty where it can."""
    try:
        if "file" in what:
            if not Path(what["file"]).exists():
                return what["name"], f"{what['file']} is not on this machine"
            return what["name"], ""
        with socket.create_connection((what["host"], what["port"]), REACH_S):
            return what["name"], ""
    except OSError as error:
        return what["name"], f"{what['host']} port {what['port']}: {error.strerror or error}"


def _shows(home: Path, file: str, mark: str) -> bool:
    """Whether a folder is the studio's own, shared with this host."""
    try:
        return (home / file).read_text().strip() == mark
    except OSError:
        return False


def unpack(place: Path, digest: str) -> dict[str, Any]:
    """stdin: a packed studio. It stands under its digest afterwards, as a whole or not at all."""
    version = place / "versions" / digest
    content = sys.stdin.buffer.read()
    if not (version / ".studio-whole").exists():
        version.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=version.parent))
        try:
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as packed:
                packed.extractall(draft)  # noqa: S202 (the studio made it)
            (draft / ".studio-whole").touch()
            try:
                draft.rename(version)
            except OSError:
                if not (version / ".studio-whole").exists():
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return {"installed": True}


def start(place: Path, name: str, *_: str) -> dict[str, Any]:
    """Have a launcher for that node; one that ran stays.

    stdin: {"digest", "variables", "options", "script", "home_mark"}.
    """
    asked = json.load(sys.stdin)
    node = place / "nodes" / name
    node.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (node / "lock").open("a+") as lock:
        if _taken(lock) or (node / "state.json").exists():
            return look(place, name)  # a name is started once: what has ended is told, not started again
        settings = {name: asked[name] for name in ("digest", "variables", "options", "home_mark")}
        _write_privately(node / "settings.json", json.dumps(settings))
        _write_privately(node / "on_host.py", asked["script"])
        _say(node, phase="starting")
        with (node / "launcher.log").open("wb") as log:
            subprocess.Popen(
                [sys.executable, str(node / "on_host.py"), "run", str(place), name, str(lock.fileno())],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[lock.fileno()],
            )
    return look(place, name)


def look(place: Path, name: str, *_: str) -> dict[str, Any]:
    """Whether anything of that node runs, how far it is, and the end of what it said."""
    node = place / "nodes" / name
    if not node.exists():
        return {"runs": False, "phase": "nothing"}
    try:
        said = json.loads((node / "state.json").read_text())
    except (OSError, ValueError):
        said = {"phase": "nothing"}
    with (node / "lock").open("a+") as lock:
        runs = _taken(lock)
    return {**said, "runs": runs, "log": _tail(node)}


def stop(place: Path, name: str, wait_s: str, hard: str) -> dict[str, Any]:
    """SIGTERM to whatever runs of that node (SIGKILL if `hard` is 1), and its folder goes once nothing does."""
    node = place / "nodes" / name
    if not node.exists():
        return {"left": False}
    with (node / "lock").open("a+") as lock:
        give_up_at = time.monotonic() + float(wait_s)
        number = signal.SIGKILL if hard == "1" else signal.SIGTERM
        if _taken(lock):
            for pid in _pids(node):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
        while _taken(lock):
            if time.monotonic() > give_up_at:
                return {"left": True}
            time.sleep(0.05)
        shutil.rmtree(node, ignore_errors=True)
    return {"left": False}


def run(place: Path, name: str, lock: str) -> None:
    """The launcher: installs the packages once per version, starts the node, keeps its log, and tells how it ended."""
    node = place / "nodes" / name
    ended = _Ending(int(lock))
    settings = json.loads((node / "settings.json").read_text())
    version = place / "versions" / settings["digest"]
    variables = {**os.environ, **settings["variables"], "STUDIO_NODE_HOME": str(place / "node")}
    if not _shows(Path(variables["STUDIO_HOME"]), *settings["home_mark"]):
        variables["STUDIO_HOME"] = str(place / "home")  # what lies in the studio's comes from there, over Redis
    _say(node, phase="installing", pids=[os.getpid()])
    install = [sys.executable, str(version / "studio" / "installation" / "setup.py"), "packages"]
    # Its lock, its log and the caches of all versions lie here, not in the home that machines share.
    code = _child(node, install, {**variables, "STUDIO_HOME": str(place / "install")}, version, ended)
    if code == 0 and not ended.asked:
        _remove_unused_versions(place, version)
        python = str(version / ".venv" / "bin" / "python")
        leash = str(version / "studio" / "installation" / "leash.py")
        command = [python, "-I", "-S", leash, str(os.getpid()), str(int(signal.SIGTERM))]
        command += [python, str(version / "manage.py"), "node", *settings["options"]]
        _say(node, phase="running", pids=[os.getpid()])
        code = _child(node, command, variables, version, ended)
        _say(node, phase="ended", code=code)
    else:
        _say(node, phase="ended" if ended.asked else "not installed", code=code)


class _Ending:
    """SIGTERM goes on to the child that runs. Each child holds the lock too."""

    def __init__(self, lock: int) -> None:
        self.lock = lock
        self.asked = False
        self.child: subprocess.Popen[bytes] | None = None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._hear)

    def _hear(self, *_: object) -> None:
        self.asked = True
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()


def _child(node: Path, command: list[str], variables: dict[str, str], folder: Path, ended: "_Ending") -> int:
    if ended.asked:
        return 0
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[ended.lock],
        start_new_session=True,
    )
    ended.child = child
    if ended.asked:
        child.terminate()
    assert child.stdout is not None
    for line in child.stdout:
        _append(node / "node.log", line)
    return child.wait()


def _append(file: Path, line: bytes) -> None:
    try:
        if file.exists() and file.stat().st_size > LOG_LIMIT_BYTES:
            file.replace(file.with_suffix(".log.1"))
        with file.open("ab") as log:
            log.write(line)
    except OSError:
        pass  # a full disk must not stop the reader: the node would block on its pipe


def _remove_unused_versions(place: Path, current: Path) -> None:
    used = {current.name}
    for settings in (place / "nodes").glob("*/settings.json"):
        try:
            used.add(json.loads(settings.read_text())["digest"])
        except (OSError, ValueError, KeyError):
            continue
    for version in (place / "versions").iterdir():
        if version.name not in used and time.time() - version.stat().st_mtime > UNUSED_VERSION_S:
            shutil.rmtree(version, ignore_errors=True)


def _pids(node: Path) -> list[int]:
    try:
        pids: list[int] = json.loads((node / "state.json").read_text()).get("pids", [])
    except (OSError, ValueError):
        return []
    return pids


def _taken(lock: Any) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _say(node: Path, **state: Any) -> None:
    draft = node / "state.draft"
    draft.write_text(json.dumps(state))
    draft.replace(node / "state.json")


def _write_privately(file: Path, text: str) -> None:
    """Nobody else may read it, not even for a moment."""
    draft = file.with_name(file.name + ".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as target:
        target.write(text)
    draft.replace(file)


def _tail(node: Path) -> str:
    said = b""
    for name in ("launcher.log", "node.log"):
        try:
            said += (node / name).read_bytes()[-TAIL_BYTES:]
        except OSError:
            continue
    return said[-TAIL_BYTES:].decode(errors="replace")


if __name__ == "__main__":
    main(*sys.argv[1:])
