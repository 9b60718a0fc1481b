"""A real node, a real Redis, real processes: what a step does and what the studio makes of it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compute.logs.reading import read_lines, total_lines
from compute.models import EnvironmentBuild, Job, LogChunk
from compute.services import request_cancel
from compute.spec import EnvironmentSpec
from compute.states import JobStatus
from datastores.backends import get_backend
from tests.support.compute import (
    Compute,
    DataPath,
    JobInput,
    JobOutput,
    in_state,
    is_alive,
    last_attempt,
    log_of,
    over,
    pid_outside,
    says,
)
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

# One write for each line: unbuffered prints of two processes may fall into one another.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        os.write(1, b"pid %d\\n" % os.getpid())
        time.sleep(600)
    os._exit(0)
os.write(1, b"pid %d\\n" % os.getpid())
time.sleep(600)
"""


@pytest.fixture
def compute() -> Compute:
    return Compute()


@pytest.fixture
def node(worker_stack: Callable[..., Stack], compute: Compute) -> Stack:
    stack = worker_stack(STUDIO_CANCEL_GRACE_S="0.3", STUDIO_NODE_HEARTBEAT_S="0.5")
    stack.node(compute.target.pk)
    return stack


def _pids(job: Job, count: int) -> list[int]:
    def look() -> list[int]:
        job.refresh_from_db()
        said = [int(line.split()[1]) for line in log_of(job, "o") if line.startswith("pid ")]
        found = [pid for inside in said if (pid := pid_outside(job, inside))]
        return found if len(found) == count else []

    try:
        return wait_for(look, what=f"{count} processes say their number")
    except AssertionError as error:
        job.refresh_from_db()
        raise AssertionError(f"{error}\nits job is {job.status}, its log {log_of(job)}") from None


def test_what_scripts_do_and_what_is_said_of_it(compute: Compute, node: Stack) -> None:
    cases = {
        "print('hello')": (JobStatus.COMPLETED, 0, ""),
        "import sys; print('oops', file=sys.stderr); sys.exit(3)": (JobStatus.FAILED, 3, "exit code 3"),
        "import sys; sys.exit(137)": (JobStatus.FAILED, 137, "often stands for SIGKILL"),
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": (JobStatus.FAILED, -11, "signal 11 (SIGSEGV)"),
        "import os; os.close(1); os.write(2, b'still here')": (JobStatus.COMPLETED, 0, ""),
        r"import os; os.write(1, b'\0 half \xc3')": (JobStatus.COMPLETED, 0, ""),
        "import os, shutil; shutil.rmtree(os.getcwd()); os.getcwd()": (JobStatus.FAILED, 1, "deleted its working"),
        "import time; time.sleep(600)": (JobStatus.FAILED, -15, "time limit of 1 s"),
        "import subprocess; subprocess.Popen(['sleep', '600']); print('left')": (JobStatus.COMPLETED, 0, ""),
    }
    jobs = {text: compute.script(text, timeout_s=1 if "time.sleep" in text else None) for text in cases}
    for text, (status, exit_code, reason) in cases.items():
        job = over(jobs[text])
        assert (job.status, job.exit_code) == (status, exit_code), (text, job.reason)
        assert reason in job.reason, text
    by_text = {text: log_of(job, "oe") for text, job in jobs.items()}
    assert by_text["print('hello')"] == ["hello"]
    assert by_text[r"import os; os.write(1, b'\0 half \xc3')"] == ["\0 half �"]
    assert by_text["import os; os.close(1); os.write(2, b'still here')"] == ["still here"]
    (left,) = [job for text, job in jobs.items() if "Popen" in text]
    assert log_of(left, "o") == ["left"]
    assert "left 1 process behind" in log_of(left, "s")[-1]


def test_a_step_sees_nothing_of_the_node(compute: Compute, node: Stack) -> None:
    job = over(compute.script("import json, os; print(json.dumps(dict(os.environ)))"))
    (line,) = log_of(job, "o")
    for secret in ("DATABASE_URL", "STUDIO_SECRET_KEY", "REDIS_URL", "STUDIO_HOME", "DJANGO"):
        assert secret not in line
    assert '"PIP_REQUIRE_VIRTUALENV": "1"' in line


def test_a_command_that_is_not_there_fails_with_its_name(compute: Compute, node: Stack) -> None:
    assert "“no-such-program” was not found" in over(compute.job("no-such-program")).reason


def test_inputs_and_outputs_are_folders(compute: Compute, node: Stack) -> None:
    store = compute.datastore("data")
    root = get_backend(store).local_path("")
    (root / "images" / "a").mkdir(parents=True)
    (root / "images" / "a" / "1.txt").write_text("one")
    (root / "images" / "b.txt").write_text("two")
    script = (
        "import sys, pathlib, os\n"
        "plain, globbed, out = map(pathlib.Path, sys.argv[1:])\n"
        "print(sorted(str(p.relative_to(globbed)) for p in globbed.rglob('*.txt')))\n"
        "(out / 'sub').mkdir(); (out / 'sub' / 'r.txt').write_text((plain / 'b.txt').read_text())\n"
        "os.symlink('/etc/passwd', out / 'leak')\n"
    )
    job = over(
        compute.job(
            "python",
            "-c",
            script,
            "${{inputs.plain}}",
            "${{inputs.globbed}}",
            "${{outputs.out}}",
            inputs={
                "plain": JobInput(paths=[DataPath(datastore_id=store.pk, path="images")]),
                "globbed": JobInput(paths=[DataPath(datastore_id=store.pk, path="images/**/*.txt")]),
            },
            outputs={"out": JobOutput(datastore_id=store.pk, path="runs/1/{attempt}/out")},
        )
    )
    assert job.status == JobStatus.COMPLETED, job.reason
    assert log_of(job, "o") == ["['a/1.txt', 'b.txt']"]
    record = job.result.outputs["out"]
    assert (record.path, record.file_count, record.size_bytes) == ("runs/1/1/out", 1, 3)
    assert (root / "runs/1/1/out/sub/r.txt").read_text() == "two"
    assert any("“leak” is no file of the folder" in line for line in log_of(job, "s"))
    missing = {"plain": JobInput(paths=[DataPath(datastore_id=store.pk, path="nowhere")])}
    failed = over(compute.script("", inputs=missing))
    assert "Input “plain”: there is nothing at “nowhere”" in failed.reason


def test_an_empty_output_is_a_warning_and_of_a_required_one_a_failure(compute: Compute, node: Stack) -> None:
    store = compute.datastore("data")

    def run(name: str, *, required: bool) -> Job:
        out = JobOutput(datastore_id=store.pk, path=f"{name}/{{attempt}}/out", required=required)
        makes_folders = (
            "import os, sys; os.mkdir(sys.argv[1] + '/no file'); os.symlink('/etc/passwd', sys.argv[1] + '/a')"
        )
        return over(compute.script(makes_folders, "${{outputs.out}}", outputs={"out": out}))

    warned = run("warned", required=False)
    assert (warned.status, warned.result.outputs["out"].file_count) == (JobStatus.COMPLETED, 0)
    assert [line for line in log_of(warned, "s") if "left no file in output “out”" in line]
    refused = run("refused", required=True)
    assert (refused.status, refused.attempt_number) == (JobStatus.FAILED, 1)
    assert refused.reason == "Output “out” is required, and the script ended without a file in it."


def test_cancel_ends_a_tree_that_does_not_want_to_go(compute: Compute, node: Stack) -> None:
    job = in_state(compute.script(STUBBORN), JobStatus.RUNNING)
    pids = _pids(job, 2)
    asked = time.monotonic()
    request_cancel([job.pk])
    over(job)
    assert job.status == JobStatus.CANCELLED
    assert time.monotonic() - asked < 5
    assert not [pid for pid in pids if is_alive(pid)]


def test_cancel_reaches_a_polite_step_at_once(worker_stack: Callable[..., Stack], compute: Compute) -> None:
    # No heartbeat within the test: only the nudge can have told the node.
    worker_stack(STUDIO_NODE_HEARTBEAT_S="60", STUDIO_NODE_LEASE_S="120").node(compute.target.pk)
    job = in_state(compute.script("import time; time.sleep(600)"), JobStatus.RUNNING)
    asked = time.monotonic()
    request_cancel([job.pk])
    over(job)
    assert time.monotonic() - asked < 2


def test_a_failed_build_says_what_the_resolver_said(compute: Compute, node: Stack) -> None:
    spec = EnvironmentSpec(pip=["no-such-package-at-all==1.0"])
    job = over(compute.script("print('never')", environment=spec))
    assert job.status == JobStatus.FAILED
    assert "no-such-package-at-all" in job.reason
    assert any("no-such-package-at-all" in line for line in log_of(job, "s"))


def test_two_steps_wait_for_one_build_and_both_show_it(compute: Compute, node: Stack) -> None:
    spec = EnvironmentSpec(pip=["packaging>=23"])
    text = "import packaging; print(packaging.__name__)"
    jobs = [compute.script(text, environment=spec) for _ in range(2)]
    for job in jobs:
        assert over(job).status == JobStatus.COMPLETED, job.reason
        assert log_of(job)[-1] == "packaging"
    assert EnvironmentBuild.objects.count() == 1


def test_a_million_lines_are_all_there(compute: Compute, node: Stack) -> None:
    text = "import sys\nfor n in range(1_000_000): sys.stdout.write(f'{n:099d}\\n')"
    job = over(compute.script(text), timeout_s=100)
    attempt = last_attempt(job)
    assert job.status == JobStatus.COMPLETED
    assert (attempt.log_lines, attempt.log_bytes) == (1_000_000, 100_000_000)
    assert int(read_lines(attempt, 765_432, 1).lines[0].text) == 765_432
    assert int(read_lines(attempt, -1, 1).lines[0].text) == total_lines(attempt) - 1
    assert LogChunk.objects.filter(attempt=attempt).count() < 1000


def test_a_log_beyond_its_limit_ends_the_step(worker_stack: Callable[..., Stack], compute: Compute) -> None:
    worker_stack(STUDIO_LOG_LIMIT_BYTES="1000000").node(compute.target.pk)
    job = over(compute.script("while True: print('x' * 100)"))
    assert job.status == JobStatus.FAILED
    assert "grew beyond its limit" in job.reason


def test_attempt_folders_are_gone_afterwards(compute: Compute, node: Stack) -> None:
    job = over(compute.script("import os; os.mkdir('locked'); os.chmod('locked', 0); print(os.getcwd())"))
    (folder,) = log_of(job, "o")
    wait_for(lambda: not Path(folder).parent.exists(), what="the folder is removed")


def test_a_retry_runs_again_and_says_so(compute: Compute, node: Stack) -> None:
    job = over(compute.script("import sys; sys.exit(4)", max_attempts=3))
    assert (job.status, job.attempt_number, job.failures) == (JobStatus.FAILED, 3, 3)


def test_a_stopped_node_hands_its_job_back(worker_stack: Callable[..., Stack], compute: Compute) -> None:
    stack = worker_stack(STUDIO_CANCEL_GRACE_S="0.3")
    first = stack.node(compute.target.pk)
    job = compute.script(STUBBORN)
    pids = _pids(in_state(job, JobStatus.RUNNING), 2)
    asked = time.monotonic()
    first.stop(timeout_s=10)
    assert time.monotonic() - asked < 5
    assert first.process.returncode == 0
    assert not [pid for pid in pids if is_alive(pid)]
    job.refresh_from_db()
    assert (job.status, job.node_losses, job.attempt_number) == (JobStatus.QUEUED, 0, 1)
    second = stack.node(compute.target.pk)
    in_state(job, JobStatus.RUNNING)
    assert job.attempt_number == 2
    request_cancel([job.pk])
    over(job)
    second.stop()


def test_jobs_that_were_queued_before_the_node_came_are_run(
    worker_stack: Callable[..., Stack], compute: Compute
) -> None:
    job = compute.script("print('late')")
    worker_stack().node(compute.target.pk)
    says(over(job), "late")
