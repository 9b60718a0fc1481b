"""Limits that the kernel holds by control groups, and a machine that runs out of memory: in a kernel of the test's."""

import json
from typing import Any

import pytest

from tests.support.small_kernel import run_in_small_kernel

SCRIPT = r"""
import json, os, signal, subprocess, sys, time
from pathlib import Path

from compute.execution.bounds.groups import find_groups
from compute.execution.bounds.out_of_memory import MachineMemory
from compute.spec import Limits

TOP = Path("/sys/fs/cgroup")
said = {}
python = "/usr/bin/python3"

# As in a container or a unit that is the node's alone.
(TOP / "cgroup.subtree_control").write_text("+cpu +memory")
unit = TOP / "unit"
unit.mkdir()
(unit / "cgroup.procs").write_text(str(os.getpid()))
neighbour = subprocess.Popen(["sleep", "600"])
said["with a neighbour in it"] = find_groups() is None
neighbour.kill()
neighbour.wait()
groups = find_groups()
said["alone"] = groups is not None
said["moved aside"] = Path("/proc/self/cgroup").read_text().strip().rpartition("/")[2].startswith("studio-node-")

def run(group, code):
    process = subprocess.Popen([python, "-S", "-c", "import sys; sys.stdin.readline()\n" + code], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    group.take_in(process.pid)
    process.stdin.write(b"go\n"); process.stdin.close()
    return process

def left_in(group):
    # A process that was killed gives its memory back before it goes.
    until = time.monotonic() + 20
    while (left := (group.folder / "cgroup.procs").read_text()) and time.monotonic() < until:
        time.sleep(0.01)
    return left

# The one that is waited for takes nothing: only a kill of the whole group ends it too.
TAKE = "held = []\nwhile True: held.append(b'x' * 1_000_000)\n"
GREEDY = "import os, sys\nif os.fork():\n    os.wait()\n    sys.exit(3)\n" + TAKE
group = groups.of_step("greedy", Limits(memory_bytes=60_000_000))
process = run(group, GREEDY)
said["greedy ended by"] = process.wait(60)
said["greedy ran out"] = group.out_of_memory
said["greedy left"] = left_in(group)
said["greedy peak"] = group.peak_bytes
group.remove()
said["greedy removed"] = not group.folder.exists()

group = groups.of_step("modest", Limits(memory_bytes=200_000_000))
process = run(group, "held = b'x' * 20_000_000; print('well')")
said["modest"] = [process.stdout.read().decode().strip(), process.wait(60), group.out_of_memory]
group.remove()

BUSY = "import os, time\nos.fork()\nuntil = time.monotonic() + 3\nwhile time.monotonic() < until: pass\n"
group = groups.of_step("slow", Limits(cpus=0.25))
process = run(group, BUSY)
process.wait(60)
usage = dict(line.split() for line in (group.folder / "cpu.stat").read_text().splitlines())
said["slow limit"] = (group.folder / "cpu.max").read_text().strip()
said["slow throttled"] = int(usage["nr_throttled"]) > 0
group.remove()

group = groups.of_step("left", Limits(cpus=1.0))
process = run(group, "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)")
process.wait(60)
group.remove()
said["what was left is gone"] = not group.folder.exists()

# No limit of its own, but no memory in the machine.
machine = MachineMemory()
process = subprocess.Popen([python, "-S", "-c", "held = []\nwhile True: held.append(b'x' * 1_000_000)"])
Path(f"/proc/{process.pid}/oom_score_adj").write_text("1000")
said["machine: ended by"] = process.wait(120)
said["machine: ran out"] = machine.ran_out()
killed = machine.killed({process.pid})
said["machine: killed"] = [killed.pid == process.pid, killed.name, killed.memory_bytes] if killed else None
said["machine: somebody else"] = machine.killed({1}) is None

groups.close()
said["closed"] = not groups.folder.exists()

# As systemd does it: `Delegate=` and `DelegateSubgroup=`, and others beside the node.
service = TOP / "service"
(service / "studio").mkdir(parents=True)
os.setxattr(service, "user.delegate", b"1")
neighbour = subprocess.Popen(["sleep", "600"])
for pid in (os.getpid(), neighbour.pid):
    (service / "studio" / "cgroup.procs").write_text(str(pid))
groups = find_groups()
said["delegated"] = groups is not None and groups.folder.parent == service
neighbour.kill()
print("SAID " + json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    printed = run_in_small_kernel(SCRIPT, folder=tmp_path_factory.mktemp("kernel"))
    lines = [line for line in printed.splitlines() if line.startswith("SAID ")]
    assert lines, printed
    found: dict[str, Any] = json.loads(lines[0].removeprefix("SAID "))
    return found


def test_a_group_that_is_the_node_s_alone_is_used_and_no_other(said: dict[str, Any]) -> None:
    assert said["with a neighbour in it"]
    assert said["alone"]
    assert said["moved aside"]
    assert said["closed"]
    assert said["delegated"]


def test_memory_beyond_the_limit_ends_all_of_the_step(said: dict[str, Any]) -> None:
    assert (said["greedy ended by"], said["greedy ran out"], said["greedy left"]) == (-9, True, "")
    assert said["greedy removed"]
    assert said["modest"] == ["well", 0, False]


def test_a_cpu_limit_holds_for_all_processes_together(said: dict[str, Any]) -> None:
    # How much it got is no measure: this kernel's time passes while the machine below it does something else.
    assert said["slow limit"] == "25000 100000"
    assert said["slow throttled"]


def test_a_group_goes_with_what_is_left_in_it(said: dict[str, Any]) -> None:
    assert said["what was left is gone"]


def test_a_machine_without_memory_is_told_by_the_kernel_s_log(said: dict[str, Any]) -> None:
    assert (said["machine: ended by"], said["machine: ran out"]) == (-9, True)
    is_it, name, memory_bytes = said["machine: killed"]
    assert (is_it, name) == (True, "python3")
    assert memory_bytes > 100_000_000
    assert said["machine: somebody else"]
