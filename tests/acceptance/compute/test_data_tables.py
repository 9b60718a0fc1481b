"""A table reaches a step as a folder of Parquet, read once for all steps that want the same rows."""

from collections.abc import Callable

import pytest

from compute.models import Job
from compute.spec import EnvironmentSpec, JobInput
from compute.states import JobStatus
from datastores.backends import get_backend
from datastores.sources import (
    Column,
    Condition,
    DataPath,
    DelimitedFormat,
    FilesSource,
    Filter,
    PartitionBy,
    TabularDefinition,
    Transformation,
)
from tests.support.compute import Compute, log_of, over
from tests.support.data import MIB, FarStore
from tests.support.stack import Stack

pytestmark = pytest.mark.django_db(transaction=True)

READ = """
import sys
import pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
print(table.num_rows, sorted(table.column_names), sum(table.column("b").to_pylist()))
"""
CSV = "a,b\n" + "".join(f"{'xy'[n % 2]},{n}\n" for n in range(1000))


def _table(datastore_id: int, path: str, *changes: Transformation) -> JobInput:
    return JobInput(
        table=TabularDefinition(
            source=FilesSource(paths=[DataPath(datastore_id=datastore_id, path=path)], format=DelimitedFormat()),
            columns=[Column(name="a", type="string"), Column(name="b", type="integer")],
            transformations=list(changes),
        )
    )


def _read(compute: Compute, table: JobInput) -> Job:
    return over(
        compute.job(
            "python",
            "-c",
            READ,
            "${{inputs.table}}",
            inputs={"table": table},
            environment=EnvironmentSpec(pip=["pyarrow"]),
        ),
        timeout_s=120,
    )


def test_a_table_of_a_far_store_is_read_in_one_line_and_kept(compute: Compute, node: Stack, far: FarStore) -> None:
    far.put("t.csv", CSV.encode())
    job = _read(compute, _table(far.row.pk, "t.csv"))
    assert job.status == JobStatus.COMPLETED, (job.reason, log_of(job))
    assert log_of(job, "o") == [f"1000 ['a', 'b'] {sum(range(1000))}"]
    assert any("Read table: 1,000 rows" in line for line in log_of(job, "s"))
    again = _read(compute, _table(far.row.pk, "t.csv"))
    assert log_of(again, "o") == log_of(job, "o")
    assert any("all of it from this node's cache" in line for line in log_of(again, "s"))
    filtered = _read(
        compute,
        _table(far.row.pk, "t.csv", Filter(conditions=[Condition(column="a", operator="=", value="x")])),
    )
    assert log_of(filtered, "o") == [f"500 ['a', 'b'] {sum(range(0, 1000, 2))}"]
    far.put("t.csv", CSV.encode() + b"z,1\n")
    changed = _read(compute, _table(far.row.pk, "t.csv"))
    assert log_of(changed, "o") == [f"1001 ['a', 'b'] {sum(range(1000)) + 1}"]


def test_a_table_of_this_machine_parted_by_a_key(compute: Compute, node: Stack) -> None:
    store = compute.datastore("here")
    root = get_backend(store).local_path("")
    assert root is not None
    (root / "t.csv").write_text(CSV)
    job = _read(compute, _table(store.pk, "t.csv", PartitionBy(keys=["a"])))
    assert job.status == JobStatus.COMPLETED, (job.reason, log_of(job))
    assert log_of(job, "o") == [f"1000 ['a', 'b'] {sum(range(1000))}"]


def test_rows_that_don_t_fit_end_in_a_sentence(compute: Compute, node: Stack, far: FarStore) -> None:
    far.put("t.csv", b"a,b\nx,1\ny,not a number\n")
    job = _read(compute, _table(far.row.pk, "t.csv"))
    assert job.status == JobStatus.FAILED
    assert job.reason.startswith("Input “table”: ")
    assert "not a number" in job.reason
    assert over(compute.script("print('fine')")).status == JobStatus.COMPLETED


def test_two_steps_at_once_read_it_once(data_stack: Callable[..., Stack], compute: Compute, far: FarStore) -> None:
    rows = "".join(f"{'xy'[n % 2]},{n}\n" for n in range(600_000))
    far.put("t.csv", f"a,b\n{rows}".encode())
    data_stack().node(compute.target.pk, slots=2)
    _read(compute, _table(far.row.pk, "t.csv", Filter(conditions=[Condition(column="b", operator="<", value="9")])))
    before = far.gate.came_bytes
    far.gate.bytes_per_s = 8 * MIB
    table = _table(far.row.pk, "t.csv")
    command = ("python", "-c", READ, "${{inputs.table}}")
    environment = EnvironmentSpec(pip=["pyarrow"])
    jobs = [compute.job(*command, inputs={"table": table}, environment=environment) for _ in range(2)]
    for job in jobs:
        assert over(job).status == JobStatus.COMPLETED, (job.reason, log_of(job))
    assert log_of(jobs[0], "o") == log_of(jobs[1], "o")
    said = [line for job in jobs for line in log_of(job, "s")]
    assert sum("Read table: 600,000 rows" in line for line in said) == 1
    assert sum("reads table already" in line for line in said) == 1
    assert far.gate.came_bytes - before < 1.9 * len(rows)
