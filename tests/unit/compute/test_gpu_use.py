"""What `nvidia-smi` prints, and whose it is. The tables are those of its manual."""

from compute.execution.usage.gpus import GpuUse, busy_of, processes_of, use_of

PROCESSES = "101, GPU-aaa, 1200\n102, GPU-bbb, 300\n103, GPU-bbb, [N/A]\n\nNo running processes found\n"
BUSY = "GPU-aaa, 93\nGPU-bbb, 40\nGPU-ccc, [Not Supported]\n"


def test_a_step_has_the_memory_of_its_processes_and_the_load_of_their_gpus() -> None:
    processes, busy = processes_of(PROCESSES), busy_of(BUSY)
    assert use_of({101, 102, 7}, processes, busy) == GpuUse(133.0, 1500 * 1024**2)
    assert use_of({102, 103}, processes, busy) == GpuUse(40.0, 300 * 1024**2)
    assert use_of({7}, processes, busy) is None


def test_what_can_not_be_read_is_nobody() -> None:
    assert processes_of("") == []
    assert busy_of("Failed to initialize NVML: Driver/library version mismatch") == {}
