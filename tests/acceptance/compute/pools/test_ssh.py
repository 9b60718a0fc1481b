"""A pool of SSH nodes on a real sshd: the studio installs itself there, and the nodes come and go with the work."""

import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compute.models import Attempt, Job, Node, PoolNode
from compute.spec import JobOutput
from compute.states import JobStatus, PoolNodeStatus
from datastores.backends import get_backend
from datastores.models import StudioHome
from datastores.snapshots import add_files
from tests.support.afar import without_the_studios_folders
from tests.support.compute import in_state, is_alive, log_of, over
from tests.support.pools import Pool
from tests.support.servers.sshd import SshServer, sshd
from tests.support.stack import Stack
from tests.support.waiting import wait_for

LONG_S = 240.0  # the first node of a host fetches every package

# Each of them installs the studio with all its packages, once for all.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def far_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the studio is installed on the host: once for the tests of this file."""
    return tmp_path_factory.mktemp("far") / "studio"


@pytest.fixture(scope="module")
def host() -> Iterator[SshServer]:
    """A host whose sessions find the packages that this machine has fetched already."""
    with sshd(variables={"UV_CACHE_DIR": os.environ["UV_CACHE_DIR"]}) as server:
        yield server


@pytest.fixture
def stack(worker_stack: Callable[..., Stack]) -> Stack:
    stack = worker_stack(
        STUDIO_NODE_LEASE_S="20",
        STUDIO_NODE_HEARTBEAT_S="1",
        STUDIO_SWEEP_INTERVAL_S="0.5",
        STUDIO_PRIVATE_HOSTS="127.0.0.1,localhost",
    )
    stack.control()
    stack.scheduler()
    return stack


def pool_on(host: SshServer, folder: Path, **spec: object) -> Pool:
    address = {"host": host.host, "port": host.port, "user": host.user, "host_key": host.host_key}
    settings = {"provider": "ssh", "hosts": [address], "nodes_per_host": 3, "max_nodes": 3, "idle_s": 1} | spec
    return Pool(secrets={"private_key": host.private_key}, folder=str(folder), **settings)


def gone(pool: Pool, folder: Path) -> None:
    """Every node went, and nothing of it is left on the host."""
    wait_for(lambda: pool.live == 0, what="the idle nodes go", timeout_s=LONG_S)
    pids = Node.objects.filter(target=pool.target).values_list("pid", flat=True)
    wait_for(lambda: not any(is_alive(pid) for pid in pids), what="their processes end", timeout_s=LONG_S)
    nodes = folder / "nodes"
    wait_for(lambda: not list(nodes.iterdir()), what="their folders are removed", timeout_s=LONG_S)


def test_it_grows_from_0_to_3_and_back_while_60_steps_run(stack: Stack, host: SshServer, far_folder: Path) -> None:
    pool = pool_on(host, far_folder)
    for _ in range(60):
        pool.script("import time; time.sleep(0.3)")
    most = 0

    def done() -> bool:
        nonlocal most
        most = max(most, pool.live)
        return pool.left() == 0

    wait_for(done, what=f"60 steps end ({pool.told})", timeout_s=2 * LONG_S)
    assert most == 3
    jobs = Job.objects.filter(target=pool.target)
    assert set(jobs.values_list("status", "attempt_number")) == {(JobStatus.COMPLETED, 1)}
    assert Attempt.objects.filter(job__target=pool.target).values("node_name").distinct().count() == 3
    gone(pool, far_folder)
    assert set(PoolNode.objects.filter(target=pool.target).values_list("status", flat=True)) == {"gone"}


def test_settings_are_private_and_no_argument_holds_them(stack: Stack, host: SshServer, far_folder: Path) -> None:
    pool = pool_on(host, far_folder, min_nodes=1, max_nodes=1)
    wait_for(lambda: pool.up == 1, what="the node is up", timeout_s=LONG_S)
    (settings,) = (far_folder / "nodes").glob("*/settings.json")
    assert settings.stat().st_mode & 0o777 == 0o600
    variables = json.loads(settings.read_text())["variables"]
    key = os.environ["STUDIO_SECRET_KEY"]
    assert variables["STUDIO_SECRET_KEY"] == key
    pid = Node.objects.get(target=pool.target).pid
    family = [Path(f"/proc/{pid}/cmdline"), *Path("/proc").glob("[0-9]*/cmdline")]
    for command in family:
        try:
            said = command.read_bytes()
        except OSError:
            continue
        assert key.encode() not in said
        assert variables["DATABASE_URL"].encode() not in said
    pool.change(min_nodes=0)
    gone(pool, far_folder)


def test_a_host_that_shares_no_folder_gets_sources_and_brings_outputs(stack: Stack, far_folder: Path) -> None:
    stack.data()
    wait_for(StudioHome.objects.exists, what="the data worker says whose folders it serves", timeout_s=90)
    variables = {"UV_CACHE_DIR": os.environ["UV_CACHE_DIR"]}
    with sshd(variables=variables, under=without_the_studios_folders()) as host:
        pool = pool_on(host, far_folder)
        store = pool.datastore("here")
        write = b"import sys; open(sys.argv[1] + '/a.txt', 'w').write(open(sys.argv[0]).read())"
        snapshot = add_files(pool.workspace, None, [("write.py", io.BytesIO(write))])
        job = pool.job(
            "python",
            "write.py",
            "${{outputs.result}}",
            snapshot=snapshot.digest,
            outputs={"result": JobOutput(datastore_id=store.pk, path="runs/1")},
        )
        assert over(job, LONG_S).status == JobStatus.COMPLETED, (job.reason, log_of(job))
        with get_backend(store).open_read("runs/1/a.txt") as stream:
            assert stream.read() == write
        gone(pool, far_folder)


def test_a_node_that_is_killed_is_replaced_and_one_is_found_again_after_a_restart(
    stack: Stack, host: SshServer, far_folder: Path
) -> None:
    pool = pool_on(host, far_folder, min_nodes=1, max_nodes=1, idle_s=60)
    wait_for(lambda: pool.up == 1, what="the node is up", timeout_s=LONG_S)
    job = in_state(pool.script("import time; time.sleep(3)"), JobStatus.RUNNING)
    node = Node.objects.get(target=pool.target)
    # The studio is started again meanwhile: the node goes on, and so does its step.
    for worker in stack.workers:
        worker.stop()
    stack.control()
    stack.scheduler()
    assert over(job, LONG_S).status == JobStatus.COMPLETED
    assert job.attempt_number == 1
    os.kill(node.pid, signal.SIGKILL)
    wait_for(lambda: bool(pool.rows(PoolNodeStatus.FAILED)), what="it is missed", timeout_s=LONG_S)
    wait_for(lambda: pool.up == 1, what="another one takes its place", timeout_s=LONG_S)
    assert over(pool.script("print('hello')"), LONG_S).status == JobStatus.COMPLETED
    pool.change(min_nodes=0, idle_s=0)
    gone(pool, far_folder)


def test_a_host_that_shows_another_key_is_left_alone_and_the_next_one_takes_the_work(
    stack: Stack, host: SshServer, far_folder: Path
) -> None:
    good = {"host": host.host, "port": host.port, "user": host.user, "host_key": host.host_key}
    changed = good | {"host": "localhost", "host_key": "SHA256:" + "A" * 43}
    pool = pool_on(host, far_folder, hosts=[changed, good], max_nodes=1)
    stack_admits = pool.script("print('hello')")
    assert over(stack_admits, LONG_S).status == JobStatus.COMPLETED
    told = " ".join(pool.told())
    assert "another host key than the one that is registered" in told
    gone(pool, far_folder)
