"""What a machine has to give: given by hand, by settings, or looked up."""

import os
from argparse import ArgumentTypeError
from pathlib import Path

import psutil
import pytest
from pytest_django import Settings

from compute.execution.devices import devices_visible, thread_hints
from compute.management.commands import node as command
from compute.node import capacity
from compute.spec import Gpu, Resources


def test_what_is_given_counts(settings: Settings) -> None:
    settings.NODE_GPUS = ["7"]
    found = capacity.find(cpus=1.5, memory_bytes=10**9, gpus=["0", "1"])
    assert (found.cpus, found.memory_bytes) == (1.5, 10**9)
    assert [gpu.id for gpu in found.gpus] == ["0", "1"]
    assert [gpu.id for gpu in capacity.find().gpus] == ["7"]
    assert capacity.find(gpus=[]).gpus == []


def test_the_rest_is_what_this_process_may_use() -> None:
    found = capacity.find(gpus=[])
    assert 0 < found.cpus <= len(os.sched_getaffinity(0))
    assert 0 < found.memory_bytes <= psutil.virtual_memory().total
    assert found.machine == capacity.this_machine() != ""


def test_a_control_group_says_how_much_of_the_machine_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "cpu.max").write_text("max 100000\n")
    (inner / "memory.max").write_text("max\n")
    (tmp_path / "outer" / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "outer" / "memory.max").write_text("12345678\n")
    monkeypatch.setattr(capacity, "own_groups", lambda: [inner, tmp_path / "outer", tmp_path])
    assert capacity.usable_cpus() == 0.5
    assert capacity.usable_memory_bytes() == 12345678


def test_the_devices_that_nvidia_smi_tells_of() -> None:
    answer = "0, GPU-aaaa, NVIDIA A100-SXM4-40GB, 40960\n1, GPU-bbbb, NVIDIA A100-SXM4-40GB, [N/A]\nNo devices\n"
    assert capacity.parsed_gpus(answer) == [
        Gpu(id="0", key="GPU-aaaa", name="NVIDIA A100-SXM4-40GB", memory_bytes=40960 * 1024**2),
        Gpu(id="1", key="GPU-bbbb", name="NVIDIA A100-SXM4-40GB"),
    ]


@pytest.mark.parametrize("script", ["exit 9", "echo garbage; exit 0"])
def test_a_driver_that_does_not_answer_means_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert capacity.found_gpus() == []


@pytest.mark.parametrize(
    ("given", "size_bytes"), [("16GB", 16 * 10**9), ("512 mb", 512 * 10**6), ("1.5TB", 1500 * 10**9)]
)
def test_memory_is_given_with_its_unit(given: str, size_bytes: int) -> None:
    assert command._memory(given) == size_bytes


@pytest.mark.parametrize("given", ["", "-1GB", "0", "5000TB", "much", "1e9GB", "16GiB"])
def test_no_such_memory(given: str) -> None:
    with pytest.raises(ArgumentTypeError, match="16GB"):
        command._memory(given)


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "many", "1e9"])
def test_no_such_number_of_cpus(given: str) -> None:
    with pytest.raises(ArgumentTypeError, match="number of CPUs"):
        command._cpus(given)


def test_a_gpu_is_named_once() -> None:
    assert command._gpus("0, 2,") == ["0", "2"]
    assert command._gpus("") == []
    with pytest.raises(ArgumentTypeError, match="once"):
        command._gpus("1,1")


def test_a_step_sees_its_own_devices_and_as_many_threads_as_it_asked_for() -> None:
    assert devices_visible(("1", "3"))["CUDA_VISIBLE_DEVICES"] == "1,3"
    assert devices_visible(())["CUDA_VISIBLE_DEVICES"] == ""
    assert thread_hints(Resources()) == {}
    assert thread_hints(Resources(cpus=0.5)) == {"OMP_NUM_THREADS": "1"}
    assert thread_hints(Resources(cpus=2.9)) == {"OMP_NUM_THREADS": "2"}
