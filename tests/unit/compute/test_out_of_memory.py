"""Lines of the kernel's log about processes that it ended for lack of memory."""

import pytest

from compute.execution.bounds.out_of_memory import Killed, MachineMemory, killed_in


@pytest.mark.parametrize(
    ("line", "killed"),
    [
        (
            (
                "Out of memory: Killed process 4711 (python3) total-vm:9123456kB, anon-rss:2048000kB, file-rss:0kB, "
                "shmem-rss:16kB, UID:0 pgtables:4096kB oom_score_adj:0"
            ),
            Killed(4711, "python3", 2_048_016 * 1024),
        ),
        (
            (
                "Memory cgroup out of memory: Killed process 12 (a (b) c) total-vm:5kB, anon-rss:3kB, file-rss:1kB, "
                "shmem-rss:0kB, UID:1000 pgtables:4kB oom_score_adj:0"
            ),
            Killed(12, "a (b) c", 3072),
        ),
        ("oom_reaper: reaped process 12 (python3), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB", None),
        ("usb 1-1: new device", None),
    ],
)
def test_the_process_and_its_memory_are_read(line: str, killed: Killed | None) -> None:
    assert killed_in(line) == killed


def test_a_machine_with_room_has_ended_nothing() -> None:
    machine = MachineMemory()
    assert machine.ran_out() is not True
    assert machine.killed({1}) is None
