"""A node on a machine that reaches the database and Redis and nothing else: the studio's folders are hidden from it."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compute.execution.processes import mounts
from compute.models import Job
from compute.spec import EnvironmentSpec, JobInput, JobOutput
from compute.states import JobStatus
from datastores import snapshots
from datastores.backends import get_backend
from datastores.models import StudioHome
from datastores.relay.frames import MOST_BYTES
from datastores.relay.homes import home_mark
from datastores.sources import Column, DataPath, DelimitedFormat, FilesSource, QuerySource, TabularDefinition
from tests.support.afar import FOLDERS, without_the_studios_folders
from tests.support.compute import Compute, log_of, over, says
from tests.support.data import LOOK
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

READ_TABLE = """
import sys
import pyarrow.parquet as pq
print(pq.read_table(sys.argv[1]).column("b").to_pylist())
"""
WRITE = """
import os, sys
os.makedirs(os.path.join(sys.argv[1], "deep"))
open(os.path.join(sys.argv[1], "deep", "large.bin"), "wb").write(b"0123456789abcdef" * 600_000)
open(os.path.join(sys.argv[1], "empty"), "w").close()
for number in range(200):
    open(os.path.join(sys.argv[1], f"{number:03}.txt"), "w").write(str(number))
"""


class Afar:
    """A stack whose data worker is beside the studio's folders and whose node is not."""

    def __init__(self, stack: Stack, compute: Compute, home: Path) -> None:
        self.stack, self.compute, self.home = stack, compute, home
        self.store = compute.datastore("here")

    def start(self) -> None:
        self.data = self.stack.data()
        wait_for(_noted, what="the data worker says whose folders it serves", timeout_s=90)
        self.stack.node(self.compute.target.pk, under=without_the_studios_folders(), STUDIO_HOME=str(self.home))

    def put(self, path: str, data: bytes) -> str:
        get_backend(self.store).write(path, io.BytesIO(data))
        return hashlib.sha256(data).hexdigest()

    def input(self, path: str, mode: str = "download") -> JobInput:
        return JobInput(paths=[DataPath(datastore_id=self.store.pk, path=path)], mode=mode)


def _noted() -> bool:
    return StudioHome.objects.filter(mark=home_mark()[1]).exists()


@pytest.fixture
def afar(data_stack: Callable[..., Stack], compute: Compute, tmp_path: Path) -> Iterator[Afar]:
    found = Afar(data_stack(), compute, tmp_path / "afar")
    found.start()
    yield found
    assert not [folder for folder in FOLDERS if (found.home / folder).exists()], "nothing is made up there"


def _completed(job: Job, timeout_s: float = 90.0) -> Job:
    over(job, timeout_s)
    assert job.status == JobStatus.COMPLETED, (job.reason, log_of(job))
    return job


def test_sources_inputs_and_outputs_travel(afar: Afar, compute: Compute, node_home: Path) -> None:
    large = afar.put("in/large.bin", os.urandom(3 * MOST_BYTES + 5))
    small = {f"{number:03}.txt": afar.put(f"in/many/{number:03}.txt", b"x" * number) for number in range(150)}
    big_source = b"# " + b"y" * (MOST_BYTES + 10)
    snapshot = snapshots.add_files(
        compute.workspace,
        None,
        [
            ("look.py", io.BytesIO(LOOK.encode())),
            ("write.py", io.BytesIO(WRITE.encode())),
            ("big.py", io.BytesIO(big_source)),
            ("empty.txt", io.BytesIO(b"")),
        ],
    )
    for mode in ("download", "mount", "direct"):
        job = _completed(
            compute.job(
                "python",
                "look.py",
                "${{inputs.file}}",
                "${{inputs.many}}",
                "big.py",
                snapshot=snapshot.digest,
                inputs={"file": afar.input("in/large.bin", mode), "many": afar.input("in/many", mode)},
            )
        )
        assert log_of(job, "o") == [
            f"large.bin {large}",
            *(f"{name} {digest}" for name, digest in small.items()),
            f"big.py {hashlib.sha256(big_source).hexdigest()}",
        ], mode
    wait_for(lambda: not [mount for mount in mounts() if str(node_home) in str(mount)], what="all is unmounted")
    job = _completed(
        compute.job(
            "python",
            "write.py",
            "${{outputs.result}}",
            snapshot=snapshot.digest,
            outputs={"result": JobOutput(datastore_id=afar.store.pk, path="runs/1")},
        )
    )
    backend = get_backend(afar.store)
    found = {entry.path: entry.size_bytes for entry in backend.glob("runs/1")}
    assert len(found) == 202
    assert found["runs/1/deep/large.bin"] == 9_600_000
    assert found["runs/1/empty"] == 0
    assert job.result is not None
    assert job.result.outputs["result"].file_count == 202


def test_tables_come_from_files_there_and_not_from_sqlite(afar: Afar, compute: Compute) -> None:
    afar.put("t.csv", b"a,b\n" + b"".join(b"x,%d\n" % number for number in range(5)))
    table = TabularDefinition(
        source=FilesSource(paths=[DataPath(datastore_id=afar.store.pk, path="t.csv")], format=DelimitedFormat()),
        columns=[Column(name="a", type="string"), Column(name="b", type="integer")],
    )
    job = compute.job(
        "python",
        "-c",
        READ_TABLE,
        "${{inputs.table}}",
        inputs={"table": JobInput(table=table)},
        environment=EnvironmentSpec(pip=["pyarrow"]),
    )
    assert log_of(_completed(job, 180), "o") == ["[0, 1, 2, 3, 4]"]
    shop = compute.store("shop", "sqlite", {"path": f"{compute.workspace.pk}/shop.sqlite"}, {})
    query = TabularDefinition(
        source=QuerySource(datastore_id=shop.pk, query="SELECT 1 AS a"), columns=[Column(name="a", type="integer")]
    )
    refused = over(compute.job("python", "-c", "", inputs={"table": JobInput(table=query)}))
    assert refused.status == JobStatus.FAILED
    assert "which this node does not share" in refused.reason


def test_a_step_waits_for_a_data_worker_that_is_away(afar: Afar, compute: Compute) -> None:
    digest = afar.put("a.bin", b"a" * 1000)
    afar.data.kill()
    job = compute.job("python", "-c", LOOK, "${{inputs.a}}", inputs={"a": afar.input("a.bin")})
    says(job, "no data worker of the studio answered", timeout_s=60)
    afar.stack.data()
    assert log_of(_completed(job), "o") == [f"a.bin {digest}"]
