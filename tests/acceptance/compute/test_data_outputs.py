"""How what a step wrote gets to a far store, and what becomes of a step whose store is not what it was."""

from collections.abc import Callable
from pathlib import Path

import pytest

from compute.models import Job
from compute.services import request_cancel
from compute.spec import JobInput
from compute.states import JobStatus
from datastores.models import DataPath, Datastore
from studio.lib.secrets import Sealed
from tests.support.compute import Compute, in_state, log_of, over, says
from tests.support.data import LOOK, MIB, FarStore
from tests.support.servers.s3 import S3Server
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

WRITE = """
import os, pathlib, sys
out = pathlib.Path(sys.argv[1])
(out / "sub").mkdir()
(out / "sub" / "r.txt").write_text("two")
(out / "large.bin").write_bytes(bytes(range(256)) * 4096 * 20)
os.symlink("/etc/passwd", out / "leak")
os.symlink("sub/r.txt", out / "again.txt")
"""
WAIT = "import pathlib, sys, time\nprint('runs')\nwhile not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.02)\n"


def _write(compute: Compute, far: FarStore, script: str = WRITE, *arguments: str, **values: object) -> Job:
    output = values.pop("output", far.output("runs/1/{attempt}/out"))
    command = ("python", "-c", script, "${{outputs.out}}", *arguments)
    return compute.job(*command, outputs={"out": output}, **values)


def test_outputs_are_uploaded_when_the_command_has_ended_well(compute: Compute, node: Stack, far: FarStore) -> None:
    far.put("runs/1/1/out/sub/r.txt", b"left by another attempt, half")
    job = over(_write(compute, far))
    assert job.status == JobStatus.COMPLETED, job.reason
    record = job.result.outputs["out"]
    assert (record.path, record.file_count, record.size_bytes) == ("runs/1/1/out", 3, 20 * MIB + 6)
    assert (far.folder / "runs/1/1/out/sub/r.txt").read_bytes() == b"two"
    assert (far.folder / "runs/1/1/out/again.txt").read_bytes() == b"two"
    assert (far.folder / "runs/1/1/out/large.bin").stat().st_size == 20 * MIB
    assert not (far.folder / "runs/1/1/out/leak").exists()
    assert any("Uploaded out: 21.0 MB in 3 files" in line for line in log_of(job, "s")), log_of(job, "s")
    same = over(_write(compute, far))
    assert same.result.outputs["out"].fingerprint == record.fingerprint


def test_of_an_output_that_is_one_file_nothing_else_is_uploaded(compute: Compute, node: Stack, far: FarStore) -> None:
    one = far.output("runs/1/{attempt}/out").model_copy(update={"file": "model.txt"})
    script = "import pathlib, sys\np = pathlib.Path(sys.argv[1])\np.write_text('one')\np.with_name('b').write_text('b')"
    job = over(_write(compute, far, script, output=one))
    record = job.result.outputs["out"]
    assert (record.path, record.is_file, record.size_bytes) == ("runs/1/1/out/model.txt", True, 3)
    assert (far.folder / "runs/1/1/out/model.txt").read_text() == "one"
    assert not (far.folder / "runs/1/1/out/b").exists()
    reads = ("python", "-c", "import sys; print(open(sys.argv[1]).read())", "${{inputs.model}}")
    path = DataPath(datastore_id=record.datastore_id, path=record.path)
    job = over(compute.job(*reads, inputs={"model": JobInput(paths=[path])}))
    assert log_of(job, "o") == ["one"]


def test_a_mounted_output_is_uploaded_and_says_so(compute: Compute, node: Stack, far: FarStore) -> None:
    job = over(_write(compute, far, output=far.output("mounted", mode="mount")))
    assert job.status == JobStatus.COMPLETED, job.reason
    assert (far.folder / "mounted/sub/r.txt").read_bytes() == b"two"
    assert any("out is uploaded when the step has ended" in line for line in log_of(job, "s"))


def test_nothing_is_uploaded_of_a_command_that_failed(compute: Compute, node: Stack, far: FarStore) -> None:
    job = over(_write(compute, far, f"{WRITE}\nsys.exit(3)"))
    assert (job.status, job.exit_code) == (JobStatus.FAILED, 3)
    assert not (far.folder / "runs").exists()


def test_a_bucket_that_vanished_is_noticed_before_the_step_computes(
    compute: Compute, node: Stack, far: FarStore, s3_server: S3Server
) -> None:
    s3_server.remove_bucket(far.folder.name)
    job = over(_write(compute, far, max_attempts=3))
    assert job.status == JobStatus.FAILED
    assert job.attempt_number == 1, "trying again would not bring it back"
    assert far.folder.name in job.reason
    assert job.reason.startswith("Output “out”: ")
    job = over(compute.job("python", "-c", LOOK, "${{inputs.data}}", inputs={"data": far.input("a.txt")}))
    assert far.folder.name in job.reason


def test_a_bucket_that_vanishes_meanwhile_fails_the_step_with_a_sentence(
    compute: Compute, node: Stack, far: FarStore, s3_server: S3Server, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    job = in_state(_write(compute, far, WAIT + WRITE, str(go)), JobStatus.RUNNING)
    says(job, "runs")
    s3_server.remove_bucket(far.folder.name)
    go.touch()
    assert over(job).status == JobStatus.FAILED
    assert far.folder.name in job.reason
    # Nothing else broke: the next step runs.
    assert over(compute.script("print('fine')")).status == JobStatus.COMPLETED


def test_wrong_credentials_are_a_sentence_and_new_ones_are_used_at_once(
    compute: Compute, node: Stack, far: FarStore, s3_server: S3Server
) -> None:
    far.put("a.txt", b"a")
    row = Datastore.objects.filter(pk=far.row.pk)
    row.update(credentials=Sealed.seal({**s3_server.secrets, "secret_key": "expired"}))
    inputs = {"data": far.input("a.txt")}
    job = over(compute.job("python", "-c", LOOK, "${{inputs.data}}", inputs=inputs, max_attempts=3))
    assert (job.status, job.attempt_number) == (JobStatus.FAILED, 1)
    assert job.reason.startswith("Input “data”: ")
    assert "The secret key does not belong to the access key" in job.reason
    row.update(credentials=Sealed.seal(s3_server.secrets))
    assert over(compute.job("python", "-c", LOOK, "${{inputs.data}}", inputs=inputs)).status == JobStatus.COMPLETED


def test_an_upload_goes_on_when_the_server_comes_back(
    compute: Compute, node: Stack, far: FarStore, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    job = in_state(_write(compute, far, WAIT + WRITE, str(go)), JobStatus.RUNNING)
    says(job, "runs")
    far.gate.shut()
    go.touch()
    says(job, "Trying again.")
    far.gate.open_again()
    assert over(job).status == JobStatus.COMPLETED, job.reason
    assert (far.folder / "runs/1/1/out/large.bin").stat().st_size == 20 * MIB


def test_cancel_in_the_middle_of_an_upload(compute: Compute, node: Stack, far: FarStore, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = in_state(_write(compute, far, WAIT + WRITE, str(go)), JobStatus.RUNNING)
    says(job, "runs")
    far.gate.shut()
    go.touch()
    says(job, "Uploading out")
    request_cancel([job.pk])
    assert over(job, timeout_s=5).status == JobStatus.CANCELLED


def test_an_address_that_the_guard_refuses(data_stack: Callable[..., Stack], compute: Compute, far: FarStore) -> None:
    far.put("a.txt", b"a")
    data_stack(STUDIO_PRIVATE_HOSTS="").node(compute.target.pk)
    inputs = {"data": far.input("a.txt")}
    job = over(compute.job("python", "-c", LOOK, "${{inputs.data}}", inputs=inputs, max_attempts=3))
    assert (job.status, job.attempt_number) == (JobStatus.FAILED, 1)
    assert "127.0.0.1" in job.reason


def test_a_steps_processes_files_and_log_hold_no_credentials(
    compute: Compute, data_stack: Callable[..., Stack], far: FarStore, s3_server: S3Server, tmp_path: Path
) -> None:
    """Looked at while it runs, with a mounted input and one that was downloaded; by a step that no sandbox blinds."""
    node = data_stack(STUDIO_ISOLATION="off")
    node.node(compute.target.pk)
    far.put("a/a.txt", b"a")
    hunt = """
import os, pathlib, sys
found = []
for process in pathlib.Path("/proc").iterdir():
    if process.name.isdecimal():
        for what in ("cmdline", "environ"):
            try:
                text = (process / what).read_bytes()
                if b"RCLONE_" not in text:  # the server itself knows its key
                    found.append(text)
            except OSError:
                pass
for folder, _, files in os.walk(os.environ["HOME"]):
    found += [pathlib.Path(folder, name).read_bytes() for name in files]
pathlib.Path(sys.argv[2]).write_bytes(b"".join(found))
print("runs")
"""
    job = over(
        compute.job(
            "python",
            "-c",
            hunt,
            "${{outputs.out}}",
            str(tmp_path / "found"),
            "${{inputs.mounted}}",
            "${{inputs.copied}}",
            inputs={"mounted": far.input("a", mode="mount"), "copied": far.input("a")},
            outputs={"out": far.output("out")},
        )
    )
    assert job.status == JobStatus.COMPLETED, (job.reason, log_of(job))
    found = (tmp_path / "found").read_bytes()
    assert b"compute.data.mount_process" in found, "it saw the process that serves the mount"
    for secret in s3_server.secrets.values():
        assert secret.encode() not in found
        assert not [line for line in log_of(job) if secret in line]
    wait_for(lambda: not [w for w in node.workers if s3_server.secret in w.log.read_text()], what="the node is silent")
