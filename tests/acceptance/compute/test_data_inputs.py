"""How files of a far store reach a step: copied, mounted, or by their address."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compute.execution.processes import mounts
from compute.models import Job
from compute.services import request_cancel
from compute.states import JobStatus
from tests.support.compute import Compute, in_state, log_of, over, says
from tests.support.data import LOOK, MIB, FarStore
from tests.support.servers.s3 import S3Server
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def _look(compute: Compute, **inputs: object) -> Job:
    arguments = [f"${{{{inputs.{name}}}}}" for name in inputs]
    return compute.job("python", "-c", LOOK, *arguments, inputs=inputs)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_each_mode_gives_the_same_bytes(compute: Compute, node: Stack, far: FarStore, node_home: Path) -> None:
    one, two = far.put("images/a/1.bin", 3 * MIB + 7), far.put("images/b.txt", b"two")
    for mode in ("download", "mount"):
        job = over(
            _look(
                compute,
                folder=far.input("images", mode=mode),
                glob=far.input("images/**/*.bin", mode=mode),
                file=far.input("images/b.txt", mode=mode),
                both=far.input("images/a/*", "images/b.txt", mode=mode),
                everything=far.input("", mode=mode),
            )
        )
        assert job.status == JobStatus.COMPLETED, (mode, job.reason, log_of(job))
        assert log_of(job, "o") == [
            f"a/1.bin {_sha(one)}",
            f"b.txt {_sha(two)}",
            f"a/1.bin {_sha(one)}",
            f"b.txt {_sha(two)}",
            f"images/a/1.bin {_sha(one)}",
            f"images/b.txt {_sha(two)}",
            f"images/a/1.bin {_sha(one)}",
            f"images/b.txt {_sha(two)}",
        ], mode
        assert any(("Mounted folder" if mode == "mount" else "Downloaded folder") in line for line in log_of(job, "s"))
    wait_for(lambda: not _below(node_home), what="all is unmounted")


def test_direct_gives_addresses_and_nothing_to_open_them_with(
    compute: Compute, node: Stack, far: FarStore, s3_server: S3Server
) -> None:
    far.put("images/a.txt", b"a")
    far.put("images/b.txt", b"b")
    script = "import os, sys; print(sys.argv[1]); print(open(sys.argv[2]).read()); print(dict(os.environ))"
    job = over(
        compute.job(
            "python",
            "-c",
            script,
            "${{inputs.one}}",
            "${{inputs.all}}",
            inputs={"one": far.input("images/a.txt", mode="direct"), "all": far.input("images/*.txt", mode="direct")},
        )
    )
    assert job.status == JobStatus.COMPLETED, job.reason
    bucket = far.folder.name
    assert log_of(job, "o")[:3] == [f"s3://{bucket}/images/{name}.txt" for name in "aab"]
    assert not [line for line in log_of(job) if s3_server.secret in line or s3_server.key in line]


def test_what_was_fetched_once_is_not_fetched_again(compute: Compute, node: Stack, far: FarStore) -> None:
    data = far.put("large.bin", 20 * MIB)
    assert over(_look(compute, data=far.input("large.bin"))).status == JobStatus.COMPLETED
    before = far.gate.came_bytes
    assert before > 20 * MIB
    again = over(_look(compute, data=far.input("large.bin")))
    assert log_of(again, "o") == [f"large.bin {_sha(data)}"]
    assert far.gate.came_bytes - before < MIB
    assert any("all of it from this node's cache" in line for line in log_of(again, "s"))
    other = far.put("large.bin", 20 * MIB)
    changed = over(_look(compute, data=far.input("large.bin")))
    assert log_of(changed, "o") == [f"large.bin {_sha(other)}"]


def test_two_steps_at_once_share_one_download(
    data_stack: Callable[..., Stack], compute: Compute, far: FarStore
) -> None:
    """On two processes of one machine."""
    data = far.put("large.bin", 24 * MIB)
    stack = data_stack()
    stack.node(compute.target.pk, slots=1)
    stack.node(compute.target.pk, slots=1, name="two")
    far.gate.bytes_per_s = MIB / 16
    jobs = [_look(compute, data=far.input("large.bin")) for _ in range(2)]
    for job in jobs:
        in_state(job, JobStatus.PREPARING)
    wait_for(lambda: far.gate.came_bytes > MIB, what="one of them has begun")
    far.gate.bytes_per_s = None
    for job in jobs:
        assert over(job).status == JobStatus.COMPLETED, job.reason
        assert log_of(job, "o") == [f"large.bin {_sha(data)}"]
    assert far.gate.came_bytes < 25 * MIB
    said = [line for job in jobs for line in log_of(job, "s")]
    assert sum("all of it from this node's cache" in line for line in said) == 1


def test_a_download_goes_on_when_the_server_comes_back(compute: Compute, node: Stack, far: FarStore) -> None:
    data = far.put("large.bin", 40 * MIB)
    far.gate.bytes_per_s = 4 * MIB
    job = _look(compute, data=far.input("large.bin"))
    wait_for(lambda: far.gate.came_bytes > 18 * MIB, what="half of it has come")
    far.gate.shut()
    says(job, "Trying again.")
    far.gate.bytes_per_s = None
    far.gate.open_again()
    assert over(job).status == JobStatus.COMPLETED, job.reason
    assert log_of(job, "o") == [f"large.bin {_sha(data)}"]
    assert any("Downloading data: " in line and "%), " in line for line in log_of(job, "s"))


def test_many_small_files_go_on_when_the_server_comes_back(compute: Compute, node: Stack, far: FarStore) -> None:
    wanted = {f"{number:03}.bin": far.put(f"many/{number:03}.bin", number % 7 * 3000) for number in range(400)}
    wanted["large.bin"] = far.put("many/large.bin", 5 * MIB)
    far.gate.bytes_per_s = MIB / 8
    job = _look(compute, many=far.input("many"))
    wait_for(lambda: far.gate.came_bytes > MIB, what="some of them have come")
    far.gate.shut()
    says(job, "Trying again.")
    far.gate.bytes_per_s = None
    far.gate.open_again()
    assert over(job).status == JobStatus.COMPLETED, job.reason
    assert log_of(job, "o") == [f"{name} {_sha(data)}" for name, data in wanted.items()]
    assert any("401 files" in line for line in log_of(job, "s"))


def test_a_killed_nodes_download_is_gone_on_with(
    data_stack: Callable[..., Stack], compute: Compute, far: FarStore
) -> None:
    data = far.put("large.bin", 64 * MIB)
    stack = data_stack(STUDIO_NODE_LEASE_S="600")
    first = stack.node(compute.target.pk)
    far.gate.bytes_per_s = 8 * MIB
    job = _look(compute, data=far.input("large.bin"))
    wait_for(lambda: far.gate.came_bytes > 68 * MIB * 3 // 4, what="most of it has come")
    first.kill()
    came = far.gate.came_bytes
    far.gate.bytes_per_s = None
    stack.node(compute.target.pk)
    assert over(job).status == JobStatus.COMPLETED, job.reason
    assert job.attempt_number == 2
    assert log_of(job, "o") == [f"large.bin {_sha(data)}"]
    assert far.gate.came_bytes - came < 56 * MIB
    assert any("that an earlier attempt had brought" in line for line in log_of(job, "s"))


def test_cancel_in_the_middle_of_a_download(compute: Compute, node: Stack, far: FarStore) -> None:
    far.put("large.bin", 40 * MIB)
    far.gate.bytes_per_s = MIB / 4
    job = _look(compute, data=far.input("large.bin"))
    wait_for(lambda: far.gate.came_bytes > 0, what="it has begun")
    asked = time.monotonic()
    request_cancel([job.pk])
    assert over(job).status == JobStatus.CANCELLED
    assert time.monotonic() - asked < 2


def test_the_cache_keeps_its_limit_and_what_was_used_last(
    data_stack: Callable[..., Stack], compute: Compute, far: FarStore, node_home: Path
) -> None:
    data_stack(STUDIO_DATA_CACHE_BYTES=str(10 * MIB)).node(compute.target.pk, slots=1)
    for name in "abc":
        far.put(f"{name}.bin", 4 * MIB)
    for name in "abac":  # a is used again before c needs room, so b goes
        assert over(_look(compute, data=far.input(f"{name}.bin"))).status == JobStatus.COMPLETED
    kept = [path for path in (node_home / "cache/data/objects").rglob("*") if path.is_file()]
    assert len(kept) == 2
    before = far.gate.came_bytes
    assert over(_look(compute, data=far.input("a.bin"))).status == JobStatus.COMPLETED
    assert far.gate.came_bytes - before < MIB


def test_a_damaged_copy_is_fetched_anew(compute: Compute, node: Stack, far: FarStore, node_home: Path) -> None:
    data = far.put("a.bin", MIB)
    over(_look(compute, data=far.input("a.bin")))
    (kept,) = [path for path in (node_home / "cache/data/objects").rglob("*") if path.is_file()]
    kept.chmod(0o600)
    kept.write_bytes(b"x" * MIB)
    later_s = time.time() + 60  # within a second of the original's time it would pass for whole
    os.utime(kept, (later_s, later_s))
    job = over(_look(compute, data=far.input("a.bin")))
    assert log_of(job, "o") == [f"a.bin {_sha(data)}"]


def test_what_is_mounted_is_unmounted_whatever_happens(
    data_stack: Callable[..., Stack], compute: Compute, far: FarStore, node_home: Path
) -> None:
    far.put("images/a.txt", b"a")
    stack = data_stack(STUDIO_NODE_LEASE_S="600")
    first = stack.node(compute.target.pk)
    script = "import os, sys, time; os.chdir(sys.argv[1]); held = open('a.txt'); print('busy'); time.sleep(600)"
    inputs = {"data": far.input("images", mode="mount")}
    job = in_state(compute.job("python", "-c", script, "${{inputs.data}}", inputs=inputs), JobStatus.RUNNING)
    says(job, "busy")
    assert _below(node_home)
    request_cancel([job.pk])
    over(job)
    wait_for(lambda: not _below(node_home), what="the cancelled step's is unmounted")
    again = in_state(compute.job("python", "-c", script, "${{inputs.data}}", inputs=inputs), JobStatus.RUNNING)
    says(again, "busy")
    assert _below(node_home)
    first.kill()
    wait_for(lambda: not _below(node_home), what="the guardian unmounts what a killed node had mounted")


def test_without_fuse_it_says_so_and_downloads(
    data_stack: Callable[..., Stack], compute: Compute, far: FarStore
) -> None:
    data_stack(FUSE_LIBRARY_PATH="/nowhere/libfuse.so").node(compute.target.pk)
    data = far.put("a.txt", b"a")
    job = over(_look(compute, data=far.input("a.txt", mode="mount")))
    assert log_of(job, "o") == [f"a.txt {_sha(data)}"]
    assert any("can't mount data" in line and "downloaded instead" in line for line in log_of(job, "s"))


def test_a_mounted_file_can_be_read_anywhere(compute: Compute, node: Stack, far: FarStore) -> None:
    data = far.put("large.bin", 24 * MIB)
    script = (
        "import os, sys, hashlib\n"
        "with open(sys.argv[1], 'rb') as file:\n"
        f"    file.seek({17 * MIB + 5}); print(file.read(9).hex()); file.seek(-3, 2); print(file.read().hex())\n"
        "    file.seek(0); print(hashlib.sha256(file.read()).hexdigest())\n"
        "try: open(sys.argv[1], 'ab')\n"
        "except OSError as error: print(error.errno)\n"
    )
    inputs = {"data": far.input("large.bin", mode="mount")}
    job = over(compute.job("python", "-c", script, "${{inputs.data}}", inputs=inputs))
    at = 17 * MIB + 5
    assert log_of(job, "o") == [data[at : at + 9].hex(), data[-3:].hex(), _sha(data), "30"]


def test_nothing_there_is_a_sentence(compute: Compute, node: Stack, far: FarStore) -> None:
    far.put("images/a.txt", b"a")
    assert "there is nothing at “nowhere”" in over(_look(compute, data=far.input("nowhere"))).reason
    assert "no file matches “images/*.png”" in over(_look(compute, data=far.input("images/*.png"))).reason
    assert "there is nothing at “nowhere”" in over(_look(compute, data=far.input("nowhere", mode="mount"))).reason


def _below(folder: Path) -> list[str]:
    return [point for _, point in mounts() if Path(point).is_relative_to(folder)]
