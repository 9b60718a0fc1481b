"""What steps use of NVIDIA's GPUs, as `nvidia-smi` tells it where there is one."""

import logging
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compute.execution.supervision import awaited, spawn

if TYPE_CHECKING:
    from compute.execution.usage.meter import Meter

logger = logging.getLogger(__name__)

_PATIENCE_S = 10.0
_ASK_PROCESSES = "--query-compute-apps=pid,gpu_uuid,used_memory"
_ASK_GPUS = "--query-gpu=uuid,utilization.gpu"
_AS_TABLE = "--format=csv,noheader,nounits"


@dataclass(frozen=True, slots=True)
class GpuUse:
    """`percent`: how busy the GPUs are on which the step has memory, added up; whoever shares them counts too."""

    percent: float
    memory_bytes: int


def use_of(pids: Iterable[int], processes: Sequence[tuple[int, str, int]], busy: Mapping[str, float]) -> GpuUse | None:
    """`processes`: number, GPU and bytes of each. None where none of `pids` is among them."""
    wanted = set(pids)
    mine = [(gpu, size) for pid, gpu, size in processes if pid in wanted]
    if not mine:
        return None
    return GpuUse(sum(busy.get(gpu, 0.0) for gpu in {gpu for gpu, _ in mine}), sum(size for _, size in mine))


def processes_of(table: str) -> list[tuple[int, str, int]]:
    """`pid, uuid, MiB` a line; what a driver does not tell (`[N/A]`) counts as nothing."""
    return [
        (int(pid), gpu, int(size) * 1024**2 if size.isdecimal() else 0)
        for pid, gpu, size in _cells(table, 3)
        if pid.isdecimal()
    ]


def busy_of(table: str) -> dict[str, float]:
    """`uuid, percent` a line."""
    return {cells[0]: float(cells[1]) for cells in _cells(table, 2) if cells[1].isdecimal()}


def _cells(table: str, count: int) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.split(",")] for line in table.splitlines()]
    return [row for row in rows if len(row) == count]


class Gpus:
    """One for each node, used by one thread."""

    def __init__(self) -> None:
        self._program = shutil.which("nvidia-smi")
        self._asked_at_s = 0.0

    def look(self, meters: Sequence["Meter"], *, every_s: float) -> None:
        now = time.monotonic()
        if self._program is None or not meters or now - self._asked_at_s < every_s:
            return
        self._asked_at_s = now
        processes = processes_of(self._ask(_ASK_PROCESSES))
        busy = busy_of(self._ask(_ASK_GPUS)) if processes else {}
        for meter in meters:
            use = use_of(meter.pids, processes, busy)
            meter.gpu_percent = use.percent if use else (None if meter.gpu_percent is None else 0.0)
            meter.gpu_memory_bytes = use.memory_bytes if use else 0

    def _ask(self, question: str) -> str:
        assert self._program is not None
        try:
            process = spawn(
                [self._program, question, _AS_TABLE],
                cwd="/",
                env={"PATH": os.defpath, "LANG": "C"},
                stderr=subprocess.DEVNULL,
            )
            try:
                answer, _ = process.communicate(timeout=_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise
            finally:
                awaited.discard(process.pid)
        except (OSError, subprocess.TimeoutExpired) as error:
            logger.warning("nvidia-smi does not answer, GPUs are not watched any more: %s", error)
            self._program = None
            return ""
        return answer.decode(errors="replace") if process.returncode == 0 else ""
