"""How the machine of this process is used now. Cheap: a few files of /proc, and `nvidia-smi` where there are GPUs."""

import csv
import io
import logging
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from compute.node.capacity import own_groups, read_text, usable_cpus, usable_memory_bytes
from compute.node_records import GpuPoint, NodePoint

logger = logging.getLogger(__name__)

_SECTOR_BYTES = 512  # in /proc/diskstats, whatever the disk's own sectors are
_SMI_GIVES_UP_S = 8.0
_SMI_FAILURES = 3
_GPU_FIELDS = "uuid,name,utilization.gpu,memory.used,memory.total"


@dataclass(frozen=True, slots=True)
class _Counters:
    """What only grows; two of them make shares and rates."""

    taken_s: float
    cpu_busy_s: float
    cpu_whole_s: float
    disk_read: int | None
    disk_written: int | None


class Machine:
    """Looks at the machine. The first look has no shares and rates yet: they need two."""

    def __init__(self, home: Path, *, with_gpus: bool) -> None:
        self._home = home
        self._smi = shutil.which("nvidia-smi") if with_gpus else None
        self._smi_failures = 0
        self._cpus = usable_cpus()
        self._memory_bytes = usable_memory_bytes()
        self._before = self._counters()

    def look(self, at_s: float = 0.0) -> NodePoint:
        before, now = self._before, self._counters()
        self._before = now
        passed_s = max(1e-3, now.taken_s - before.taken_s)
        disk = self._disk()
        return NodePoint(
            at_s=round(at_s, 3),
            cpu=_percent(now.cpu_busy_s - before.cpu_busy_s, now.cpu_whole_s - before.cpu_whole_s),
            memory_used=self._memory_used(),
            memory_total=self._memory_bytes,
            disk_used=disk[0],
            disk_total=disk[1],
            disk_read=_rate(before.disk_read, now.disk_read, passed_s),
            disk_written=_rate(before.disk_written, now.disk_written, passed_s),
            gpus=self._gpus(),
        )

    def _counters(self) -> _Counters:
        taken_s = time.monotonic()
        read, written = disk_bytes(self._home)
        busy_s, whole_s = self._cpu_times(taken_s)
        return _Counters(taken_s, busy_s, whole_s, read, written)

    def _cpu_times(self, taken_s: float) -> tuple[float, float]:
        """Seconds that were worked, of those that there were."""
        allowed = os.sched_getaffinity(0)
        if self._cpus < len(allowed) and (used_us := _number_after("usage_usec", _group_file("cpu.stat"))) is not None:
            # Its control group may use less than the machine has, and counts what it used.
            return used_us / 1e6, taken_s * self._cpus
        every = psutil.cpu_times(percpu=True)
        times = [each for number, each in enumerate(every) if number in allowed] or every
        # What guests use is counted within `user` as well.
        whole_s = sum(sum(each) - getattr(each, "guest", 0.0) - getattr(each, "guest_nice", 0.0) for each in times)
        idle_s = sum(each.idle + getattr(each, "iowait", 0.0) for each in times)
        return whole_s - idle_s, whole_s

    def _memory_used(self) -> int:
        memory = psutil.virtual_memory()
        current = _group_file("memory.current")
        if self._memory_bytes < memory.total and current.isdecimal():
            # Files that the kernel only keeps in case somebody reads them again are given back at need.
            kept = _number_after("inactive_file", _group_file("memory.stat")) or 0
            return max(0, int(current) - kept)
        return int(memory.total - memory.available)

    def _disk(self) -> tuple[int | None, int | None]:
        try:
            disk = shutil.disk_usage(self._home)
        except OSError:
            return None, None
        return disk.total - disk.free, disk.total

    def _gpus(self) -> list[GpuPoint]:
        if self._smi is None:
            return []
        command = [self._smi, f"--query-gpu={_GPU_FIELDS}", "--format=csv,noheader,nounits"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=_SMI_GIVES_UP_S, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            self._smi_failures += 1
            if self._smi_failures >= _SMI_FAILURES:
                logger.warning("nvidia-smi does not answer, GPUs are not shown any more: %s", error)
                self._smi = None
            return []
        self._smi_failures = 0
        return parsed_gpus(answer.stdout)


def parsed_gpus(answer: str) -> list[GpuPoint]:
    """The lines of `uuid, name, percent, MiB, MiB`. What a device does not tell ("[N/A]") is None."""
    gpus = []
    for row in csv.reader(io.StringIO(answer), skipinitialspace=True):
        if len(row) == len(_GPU_FIELDS.split(",")):
            key, name, busy, used, total = (value.strip() for value in row)
            gpus.append(
                GpuPoint(
                    key=key,
                    name=name,
                    busy=float(busy) if busy.isdecimal() else None,
                    memory_used=int(used) * 1024**2 if used.isdecimal() else None,
                    memory_total=int(total) * 1024**2 if total.isdecimal() else None,
                )
            )
    return gpus


def disk_bytes(folder: Path) -> tuple[int | None, int | None]:
    """What was read from and written to the disk that holds `folder` since the machine started.

    Where its file system is no disk of its own (a container's layers, a share), of all disks together.
    """
    try:
        device = folder.stat().st_dev
    except OSError:
        return None, None
    number = [str(os.major(device)), str(os.minor(device))]
    for line in read_text(Path("/proc/diskstats")).splitlines():
        fields = line.split()
        if fields[:2] == number and len(fields) > 9:
            return int(fields[5]) * _SECTOR_BYTES, int(fields[9]) * _SECTOR_BYTES
    try:
        every = psutil.disk_io_counters()
    except (OSError, RuntimeError):
        every = None
    return (every.read_bytes, every.write_bytes) if every else (None, None)


def _percent(part: float, whole: float) -> float | None:
    return round(min(100.0, max(0.0, 100 * part / whole)), 1) if whole > 0 else None


def _rate(before: int | None, now: int | None, passed_s: float) -> float | None:
    return None if before is None or now is None else round(max(0, now - before) / passed_s)


def _group_file(name: str) -> str:
    groups = own_groups()
    return read_text(groups[0] / name) if groups else ""


def _number_after(word: str, text: str) -> int | None:
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == word and value.strip().isdecimal():
            return int(value)
    return None
