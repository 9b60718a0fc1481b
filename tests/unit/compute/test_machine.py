"""How a machine is used, as the machine itself tells."""

import time
from pathlib import Path

import pytest

from compute.node.machine import Machine, disk_bytes, parsed_gpus


def test_a_busy_machine_says_so(tmp_path: Path) -> None:
    machine = Machine(tmp_path, with_gpus=False)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass
    point = machine.look(3.0)
    assert point.at_s == 3.0
    assert point.cpu is not None
    assert 0 < point.cpu <= 100
    assert point.memory_used
    assert point.memory_total
    assert 0 < point.memory_used <= point.memory_total * 1.1
    assert point.disk_used
    assert point.disk_total
    assert point.disk_used <= point.disk_total


def test_a_folder_that_is_gone_is_not_known_and_no_error(tmp_path: Path) -> None:
    point = Machine(tmp_path / "gone", with_gpus=False).look()
    assert (point.disk_used, point.disk_total, point.disk_read) == (None, None, None)
    assert disk_bytes(tmp_path / "gone") == (None, None)


def test_what_nvidia_smi_says() -> None:
    answer = "GPU-1, NVIDIA A100, 43, 1024, 40960\nGPU-2, NVIDIA A100, [N/A], [N/A], 40960\nsome warning\n"
    first, second = parsed_gpus(answer)
    assert (first.key, first.busy, first.memory_used, first.memory_total) == ("GPU-1", 43.0, 1024**3, 40 * 1024**3)
    assert (second.busy, second.memory_used) == (None, None)


def test_an_nvidia_smi_that_fails_is_asked_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "asked"
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho >> {asked}\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    machine = Machine(tmp_path, with_gpus=True)
    assert [machine.look().gpus for _ in range(5)] == [[]] * 5
    assert len(asked.read_text()) == 3
