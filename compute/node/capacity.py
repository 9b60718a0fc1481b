"""What this machine has to give: CPUs, memory and GPUs, as far as this process may use them."""

import csv
import io
import logging
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from django.conf import settings

from compute.spec import Gpu

logger = logging.getLogger(__name__)

_SMI_GIVES_UP_S = 20.0  # a driver that was not used for a while needs seconds to wake
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class NodeCapacity:
    """What a node registers with."""

    cpus: float
    memory_bytes: int
    gpus: list[Gpu] = field(default_factory=list)
    machine: str = ""


def find(*, cpus: float | None = None, memory_bytes: int | None = None, gpus: list[str] | None = None) -> NodeCapacity:
    """What is given counts; the rest is looked up. `gpus` are names as CUDA_VISIBLE_DEVICES takes them."""
    named = gpus if gpus is not None else settings.NODE_GPUS
    return NodeCapacity(
        cpus=cpus if cpus is not None else usable_cpus(),
        memory_bytes=memory_bytes if memory_bytes is not None else usable_memory_bytes(),
        gpus=[Gpu(id=name, key=name) for name in named] if named is not None else found_gpus(),
        machine=this_machine(),
    )


def usable_cpus() -> float:
    """The CPUs that this process may run on, or the share of them that its control group may use."""
    allowed = float(len(os.sched_getaffinity(0)))
    for folder in own_groups():
        quota, _, period = read_text(folder / "cpu.max").partition(" ")
        if quota.isdecimal() and period.strip().isdecimal() and int(period):
            allowed = min(allowed, round(int(quota) / int(period), 2))
    return allowed


def usable_memory_bytes() -> int:
    """The machine's memory, or what its control group may use."""
    allowed = int(psutil.virtual_memory().total)
    for folder in own_groups():
        limit = read_text(folder / "memory.max")
        if limit.isdecimal():
            allowed = min(allowed, int(limit))
    return allowed


def found_gpus() -> list[Gpu]:
    """NVIDIA's devices, in the order of their PCI buses. None where there is no `nvidia-smi`, or it fails."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    query = [command, "--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=_SMI_GIVES_UP_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("nvidia-smi is there but does not answer, so this node gives out no GPU: %s", error)
        return []
    return parsed_gpus(answer.stdout)


def parsed_gpus(answer: str) -> list[Gpu]:
    """The lines of `index, uuid, name, MiB`. A device whose memory is not told has it all the same."""
    gpus = []
    for row in csv.reader(io.StringIO(answer), skipinitialspace=True):
        if len(row) == 4 and row[0].strip().isdecimal():
            index, key, name, mib = (value.strip() for value in row)
            gpus.append(Gpu(id=index, key=key, name=name, memory_bytes=int(mib) * 1024**2 if mib.isdecimal() else None))
    return gpus


def this_machine() -> str:
    """The same for all processes below one running kernel, in whatever container."""
    boot = read_text(Path("/proc/sys/kernel/random/boot_id"))
    return boot or socket.gethostname()[:100]


def own_groups() -> list[Path]:
    """This process's control group (version 2) and those above it, as far as they can be seen."""
    for line in read_text(Path("/proc/self/cgroup")).splitlines():
        if line.startswith("0::"):
            own = _CGROUPS / line[3:].lstrip("/")
            return [folder for folder in (own, *own.parents) if folder.is_relative_to(_CGROUPS)]
    return []


def read_text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
