"""A step in its sandbox: what is not its own is not there, however it asks."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings

from compute.models import Job
from compute.states import JobStatus
from tests.support.compute import Compute, DataPath, JobInput, JobOutput, in_state, log_of, over, says
from tests.support.data import FarStore
from tests.support.spying import found_by, spy, spy_warm
from tests.support.stack import Stack
from tests.support.warm import Scripts

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def node(data_stack: Callable[..., Stack], compute: Compute) -> Stack:
    """One whose steps see nothing of the test's own folder."""
    stack = data_stack(STUDIO_STEP_WRITABLE="", STUDIO_ISOLATION="require", STUDIO_LOG_LEVEL="DEBUG")
    stack.node(compute.target.pk)
    return stack


@pytest.fixture(params=["cold", "warm"])
def spied(request: pytest.FixtureRequest, compute: Compute, node: Stack) -> Callable[..., Job]:
    """Runs a spying step to its end, by a fresh interpreter or by one that was ready."""
    if request.param == "cold":
        return lambda *arguments, **values: over(spy(compute, *arguments, **values))
    if os.geteuid() != 0:
        pytest.skip("only root's nodes have warm steps in a sandbox")
    return partial(spy_warm, Scripts(compute), node.workers[0])


@pytest.fixture
def secret_key() -> Path:
    """Where an installation has one. Tests give theirs by the environment."""
    file = Path(settings.STUDIO_HOME) / "secret-key"
    file.write_text("a key")
    return file


def test_nothing_of_the_studio_can_be_reached(
    spied: Callable[..., Job], node: Stack, node_home: Path, secret_key: Path, tmp_path: Path
) -> None:
    home = Path("~").expanduser()
    # Of the home folder the ways to the interpreter and the SDK are there, where they lie below it, and nothing else.
    seen = (Path(sys.base_prefix), settings.BASE_DIR)
    shown = sorted({path.relative_to(home).parts[0] for path in seen if path.is_relative_to(home)})
    shared_memory = Path("/dev/shm") / f"studio-test-{os.getpid()}"
    shared_memory.write_text("of another process")
    try:
        tries = {
            "key": f"read({str(secret_key)!r})",
            "home": f"os.listdir({str(settings.STUDIO_HOME)!r})",
            "database": f"read({str(Path(settings.STUDIO_HOME) / 'test.sqlite3')!r})",
            "redis": f"connect({str(settings.EMBEDDED_REDIS_SOCKET)!r})",
            "code": f"read({str(settings.BASE_DIR / 'manage.py')!r})",
            "written code": f"write({str(settings.BASE_DIR / 'compute' / '__init__.py')!r})",
            "node's environment": f"read('/proc/{node.workers[0].pid}/environ')",
            "a signal to the node": f"os.kill({node.workers[0].pid}, 0)",
            "the test's folder": f"os.listdir({str(tmp_path / 'workers')!r})",
            "passwords": "read('/etc/shadow')",
            "sockets": "os.listdir('/run') != ['step'] or read('/run/nothing-else')",
            "shared memory": f"read({str(shared_memory)!r})",
            "home folder": f"sorted(os.listdir({str(home)!r})) != {shown!r} or read('/nothing-else')",
            "disks": "glob.glob('/dev/[sv]d*')[0]",
            "kernel's settings": "write('/proc/sys/kernel/core_pattern')",
            "programs": "write('/usr/bin/env')",
            "new programs": "make('/usr/bin/mine')",
            "environment": "write(sys.prefix + '/bin/mine')",
            "its packages": "write(sys.prefix + '/pyvenv.cfg')",
            "the root": "make('/mine')",
            "mounting": "call('mount', b'none', b'/usr', b'tmpfs', 0, None)",
            "writing again": "call('mount', None, b'/usr', None, 32 | 4096, None)",
            "unmounting": "call('umount2', b'/usr', 2)",
            "a device": "os.mknod('disk', 0o60600, os.makedev(254, 0))",
        }
        # The SDK lies beside it, so where the studio lies below /tmp there is a folder of the step's own at that place.
        beside = settings.BASE_DIR / "studio" / "__init__.py"
        before = beside.read_bytes()
        found = found_by(spied({**tries, "beside the SDK": f"write({str(beside)!r})"}))
        assert beside.read_bytes() == before
    finally:
        shared_memory.unlink()
    assert {name: found[name] for name in tries if found[name][0] != "refused"} == {}

    told = found_by(spied({"all": "[v.decode() for v in environments()]", "pids": "os.listdir('/proc')"}))
    assert not [said for said in told["all"][1] if said.startswith(("STUDIO_SECRET", "DATABASE_URL", "REDIS_URL"))]
    first, *others = sorted(int(pid) for pid in told["pids"][1] if pid.isdecimal())
    assert (first, len(others)) == (1, 1)


def test_another_steps_folder_is_not_there(compute: Compute, spied: Callable[..., Job], node_home: Path) -> None:
    beside = compute.script("import os, time; print(os.getcwd(), flush=True); time.sleep(600)")
    in_state(beside, JobStatus.RUNNING)
    says(beside, "attempts")
    (code,) = log_of(beside, "o")
    assert Path(code).is_dir()
    tries = {
        "its code": f"os.listdir({code!r})",
        "a file in its home": f"write({str(Path(code).parent / 'mine')!r})",
        "attempts": f"len(os.listdir({str(node_home / 'attempts')!r})) == 1",
        "node": f"sorted(os.listdir({str(node_home)!r}))",
        "of the node's cache": f"os.listdir({str(node_home / 'cache')!r})",
    }
    found = found_by(spied(tries))
    assert found.pop("attempts") == ("got", True)  # its own
    assert found.pop("node") == ("got", ["attempts", "environments"])
    assert {name: said for name, said in found.items() if said[0] != "refused"} == {}


def test_data_of_others_is_not_there_and_inputs_are_read_only(
    compute: Compute, spied: Callable[..., Job], far: FarStore
) -> None:
    own, others = compute.datastore("own"), Compute().datastore("theirs")
    roots = {store.pk: Path(settings.STUDIO_HOME) / "workspaces" / store.config["path"] for store in (own, others)}
    for root in roots.values():
        for name in ("data/a.txt", "data/deep/b.txt", "runs/1/other/1/out/secret.txt", "single/x.txt", "single/y.txt"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)
    far.put("images/a.bin", 1000)
    root = roots[own.pk]
    inputs = {
        "folder": JobInput(paths=[DataPath(datastore_id=own.pk, path="data")]),
        "glob": JobInput(paths=[DataPath(datastore_id=own.pk, path="single/x*")]),
        "copy": far.input("images"),
        "mounted": far.input("images", mode="mount"),
    }
    outputs = {"out": JobOutput(datastore_id=own.pk, path="runs/1/mine/{attempt}/out")}
    places = [f"${{{{inputs.{name}}}}}" for name in inputs] + ["${{outputs.out}}"]
    allowed = {
        "folder": "read(arguments[0] + '/deep/b.txt')",
        "glob": "os.listdir(arguments[1]) == ['x.txt'] and read(arguments[1] + '/x.txt')",
        "copy": "read(arguments[2] + '/a.bin')",
        "mounted": "read(arguments[3] + '/a.bin')",
        "output": "write(arguments[4] + '/result.txt')",
        "where": "arguments[0]",
        # The folders above an output are the sandbox's own where its /tmp holds them, and the test's lie in /tmp.
        "beside the output": f"write({str(root / 'runs/1/mine/mine.txt')!r})",
    }
    refused = {
        "folder's file written": "write(arguments[0] + '/a.txt')",
        "folder's file made": "write(arguments[0] + '/new.txt')",
        "folder's file removed": "os.remove(arguments[0] + '/a.txt')",
        "link's file written": "write(arguments[1] + '/x.txt')",
        "link replaced": "os.remove(arguments[1] + '/x.txt')",
        "copy written": "write(arguments[2] + '/a.bin')",
        "copy's mode": "os.chmod(arguments[2] + '/a.bin', 0o666)",
        "copy linked out": "os.link(arguments[2] + '/a.bin', 'mine.bin')",
        "mounted written": "write(arguments[3] + '/a.bin')",
        "what the glob does not mean": f"read({str(root / 'single/y.txt')!r})",
        "another step's output": f"read({str(root / 'runs/1/other/1/out/secret.txt')!r})",
        "another workspace": f"os.listdir({str(roots[others.pk])!r})",
        "all workspaces": f"os.listdir({str(roots[others.pk].parent.parent)!r})[1]",
    }
    job = spied({**allowed, **refused}, *places, inputs=inputs, outputs=outputs)
    found = found_by(job)
    assert {name: found[name] for name in allowed if found[name][0] != "got"} == {}
    assert found["where"] == ("got", str(root / "data"))
    assert {name: found[name] for name in refused if found[name][0] != "refused"} == {}
    assert (root / "runs/1/mine/1/out/result.txt").read_text() == "x"
    assert not (root / "runs/1/mine/mine.txt").exists()
    assert (root / "data/a.txt").read_text() == "data/a.txt"
    assert job.result is not None
    assert job.result.outputs["out"].file_count == 1


def test_many_files_of_a_glob_are_read_by_their_links(compute: Compute, node: Stack) -> None:
    store = compute.datastore("own")
    root = Path(settings.STUDIO_HOME) / "workspaces" / store.config["path"]
    (root / "many").mkdir(parents=True)
    (root / "elsewhere").mkdir()
    for number in range(100):
        (root / f"many/{number}.txt").write_text(str(number))
    (root / "elsewhere/real.txt").write_text("real")
    (root / "many/link.txt").symlink_to("../elsewhere/real.txt")
    inputs = {"all": JobInput(paths=[DataPath(datastore_id=store.pk, path="many/*.txt")])}
    tries = {
        "all": "sum(read(path) > 0 for path in glob.glob(arguments[0] + '/*.txt'))",
        "elsewhere": f"os.listdir({str(root / 'elsewhere')!r})",
    }
    found = found_by(over(spy(compute, tries, "${{inputs.all}}", inputs=inputs)))
    assert found == {"all": ("got", 101), "elsewhere": ("got", ["real.txt"])}


def test_a_plain_steps_needs_are_there(compute: Compute, node: Stack, node_home: Path) -> None:
    script = """
import getpass, hashlib, multiprocessing, os, pathlib, pwd, socket, ssl, subprocess, sys, tempfile, threading, zoneinfo
from multiprocessing import shared_memory

def square(n):
    return n * n

if __name__ == "__main__":
    assert pwd.getpwuid(os.getuid()).pw_name == getpass.getuser()
    with multiprocessing.Pool(2) as pool:
        assert pool.map(square, range(4)) == [0, 1, 4, 9]
    memory = shared_memory.SharedMemory(create=True, size=1 << 20)
    memory.buf[:3] = b"abc"
    memory.close()
    memory.unlink()
    for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp", os.environ["HOME"], "."):
        path = pathlib.Path(folder, "mine")
        path.write_text("mine")
        path.unlink(missing_ok=True)
    assert pathlib.Path(os.environ["HOME"]).samefile(pathlib.Path.cwd().parent)
    done = subprocess.run(["sh", "-c", "echo $((6 * 7)); exit 5"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (5, "42\\n")
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    assert socket.getaddrinfo("localhost", 80)
    assert os.getsid(0) == os.getpgid(0) == os.getpid()
    assert len(os.sched_getaffinity(0)) <= os.cpu_count()
    assert ssl.create_default_context().cert_store_stats()["x509_ca"] or not os.path.exists("/etc/ssl/certs")
    assert os.environ["VIRTUAL_ENV"] == sys.prefix
    assert os.path.realpath(os.getcwd()) == os.getcwd() or "link" in os.getcwd()
    print(socket.gethostname(), os.getcwd(), sys.executable)
"""
    job = over(compute.job("python", "-c", script))
    assert job.status == JobStatus.COMPLETED, log_of(job)
    host, folder, python = log_of(job, "o")[0].split()
    assert host == os.uname().nodename
    assert Path(folder).is_relative_to(node_home / "attempts")
    assert Path(python).is_relative_to(node_home / "environments")


def test_a_command_that_is_not_there_says_so(compute: Compute, node: Stack) -> None:
    job = over(compute.job("no-such-program", "--help"))
    assert job.reason == "The command “no-such-program” was not found in the step's environment."
    assert over(compute.job("sh", "-c", "exit 4")).exit_code == 4
    assert "too long" in over(compute.job("sh", "-c", "true", "x" * 200_000)).reason


def test_a_step_brings_no_library_into_what_starts_it(compute: Compute, node: Stack, tmp_path: Path) -> None:
    """A loader's variables are heard by the step alone: bubblewrap itself runs outside."""
    said = tmp_path / "said"
    said.mkdir()
    variables = {"LD_PRELOAD": "/nowhere.so", "LD_DEBUG": "files", "LD_DEBUG_OUTPUT": f"{said}/loader"}
    job = over(compute.job("sh", "-c", "true", environment_variables=variables))
    assert job.status == JobStatus.COMPLETED, log_of(job)
    assert not list(said.iterdir())
    assert any("nowhere.so" in line for line in log_of(job, "e"))


def test_a_node_home_behind_a_link(data_stack: Callable[..., Stack], compute: Compute, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    home = tmp_path / "link" / "node"
    stack = data_stack(STUDIO_STEP_WRITABLE="", STUDIO_ISOLATION="require", STUDIO_NODE_HOME=str(home))
    stack.node(compute.target.pk)
    job = over(compute.script("import os; print(os.environ['PWD'] if 'PWD' in os.environ else os.environ['HOME'])"))
    assert job.status == JobStatus.COMPLETED, (job.reason, log_of(job))
    assert Path(log_of(job, "o")[0]).is_relative_to(home)
