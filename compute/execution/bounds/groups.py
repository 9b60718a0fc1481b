"""Control groups (version 2) for steps, where this node may make some: the kernel holds their memory and CPU limits.

Documentation: https://docs.kernel.org/admin-guide/cgroup-v2.html. A group that lends controllers to its children can
hold no process itself, so a node that has its group for itself moves into a child of it, beside those of its steps.
"""

import contextlib
import logging
import os
import time
from pathlib import Path

from compute.spec import Limits

logger = logging.getLogger(__name__)

NEEDED = frozenset({"cpu", "memory"})
PERIOD_US = 100_000
_PREFIX = "studio-"
_REMOVE_PATIENCE_S = 5.0


class StepGroup:
    """The group of one attempt. Whatever its processes start is in it too, and nothing gets out of it."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        """Raises OSError."""
        self.folder, self.limits = folder, limits
        folder.mkdir()
        try:
            if limits.memory_bytes is not None:
                self._write("memory.max", str(limits.memory_bytes))
                self._write("memory.oom.group", "1")  # all of it or nothing: half a step helps nobody
                with contextlib.suppress(OSError):  # a kernel without swap
                    self._write("memory.swap.max", "0")
            if limits.cpus is not None:
                self._write("cpu.max", f"{max(1000, round(limits.cpus * PERIOD_US))} {PERIOD_US}")
        except OSError:
            self.remove()
            raise

    def take_in(self, pid: int) -> None:
        """Raises OSError."""
        self._write("cgroup.procs", str(pid))

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel ended something in it because of its limit."""
        return self._number("memory.events", "oom_kill") > 0

    @property
    def peak_bytes(self) -> int:
        """The most memory it had, pages of files included; 0 where the kernel does not tell (before 5.19)."""
        with contextlib.suppress(OSError, ValueError):
            return int((self.folder / "memory.peak").read_text())
        return 0

    def remove(self) -> None:
        """With everything that still is in it."""
        with contextlib.suppress(OSError):
            self._write("cgroup.kill", "1")
        give_up_at = time.monotonic() + _REMOVE_PATIENCE_S
        while True:
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                if time.monotonic() > give_up_at:
                    logger.warning("the control group %s could not be removed", self.folder)
                    return
                time.sleep(0.01)
            else:
                return

    def _number(self, file: str, name: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            for line in (self.folder / file).read_text().splitlines():
                key, _, value = line.partition(" ")
                if key == name:
                    return int(value)
        return 0

    def _write(self, file: str, text: str) -> None:
        (self.folder / file).write_text(text)


class Groups:
    """The groups of one node."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of_step(self, name: str, limits: Limits) -> StepGroup:
        """Raises OSError."""
        return StepGroup(self.folder / name, limits)

    def close(self) -> None:
        """The node ends: nothing of its steps lives any more."""
        _remove_empty(self.folder)


def find_groups() -> Groups | None:
    """Where this process may make groups with limits; None where it may not. May move this process, once."""
    own = _own_folder()
    if own is None:
        return None
    for place in (own, own.parent):
        try:
            if not _is_ours(place, own) or not _lends(place, own):
                continue
            _remove_left(place)
            folder = place / f"{_PREFIX}{os.getpid()}"
            folder.mkdir()
            _enable(folder)
        except OSError as error:
            logger.debug("no control groups in %s: %s", place, error)
        else:
            return Groups(folder)
    return None


def _own_folder() -> Path | None:
    fields = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    root = next((Path(point) for _, point, kind, *_ in fields if kind == "cgroup2"), None)
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    path = next((line[3:] for line in lines if line.startswith("0::")), None)
    if root is None or path is None or ".." in path:
        return None
    return root / path.lstrip("/")


def _is_ours(place: Path, own: Path) -> bool:
    """Our own group; or the one above it, where systemd says that it handed that to this unit (`Delegate=`)."""
    if not (place / "cgroup.procs").exists():
        return False
    if place == own:
        return True
    try:
        return os.getxattr(place, "user.delegate") == b"1"
    except OSError:
        return False


def _lends(place: Path, own: Path) -> bool:
    """Whether children of `place` get the controllers; makes it so where it can. Raises OSError."""
    if not set((place / "cgroup.controllers").read_text().split()) >= NEEDED:
        return False
    if set((place / "cgroup.subtree_control").read_text().split()) >= NEEDED:
        return True
    try:
        _enable(place)
    except OSError:
        if place != own or not _is_alone(place):
            return False
        aside = place / f"{_PREFIX}node-{os.getpid()}"
        aside.mkdir()
        (aside / "cgroup.procs").write_text(str(os.getpid()))
        _enable(place)
    return True


def _is_alone(place: Path) -> bool:
    return (place / "cgroup.procs").read_text().split() == [str(os.getpid())]


def _enable(place: Path) -> None:
    (place / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(NEEDED)))


def _remove_left(place: Path) -> None:
    """Groups of nodes that were killed: an empty one can be removed, any other can't."""
    for left in place.glob(f"{_PREFIX}*"):
        _remove_empty(left)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for group in folder.iterdir():
            if group.is_dir():
                with contextlib.suppress(OSError):
                    group.rmdir()
        folder.rmdir()
