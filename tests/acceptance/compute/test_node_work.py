"""What a node does itself: data moved between real servers and verified, SQL on real databases, ended like any step."""

import hashlib
import io
import signal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from compute.execution.processes import marker_of, processes, send
from compute.models import Attempt, Job
from compute.services.jobs import request_cancel
from compute.spec import JobInput, JobOutput, NodeWork, WorkStore
from compute.states import JobStatus
from datastores.backends import get_backend
from datastores.models import Datastore
from datastores.sources import DataPath
from tests.support.compute import Compute, log_of, over
from tests.support.data import MIB, FarStore
from tests.support.servers.postgresql import PostgreSql
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("loopback_admitted")]


def work_of_node() -> set[int]:
    """The processes that do some node's own work now."""
    return {
        pid
        for pid in processes()
        if marker_of(pid) and b"compute.work.process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    }


def moved(compute: Compute, source: JobInput, target: JobOutput, *, existing: str = "fail", **values: Any) -> Job:
    settings = {"format": "", "existing": existing, "table": ""}
    work = NodeWork(program="transfer", settings=settings, notes="runs/1/move/notes", resumes=True)
    return compute.job(work=work, inputs={"data": source}, outputs={"copy": target}, **values)


def asked(compute: Compute, store: Datastore, statements: str, *, reads_only: bool = True, **values: Any) -> Job:
    settings = {"statements": statements, "values": values.pop("values", {}), "reads_only": reads_only}
    work = NodeWork(program="sql", settings=settings, datastores={"database": WorkStore(datastore_id=store.pk)})
    return compute.job(work=work, **values)


def shop(compute: Compute, server: PostgreSql, *, allow_writes: bool = True) -> Datastore:
    config = {"host": server.host, "port": server.port, "database": server.database, "user": server.user}
    return compute.store("shop", "postgresql", {**config, "allow_writes": allow_writes}, {"password": server.password})


def text(store: Datastore, path: str) -> bytes:
    with get_backend(store).open_read(path) as stream:
        return stream.read()


@pytest.mark.parametrize(
    ("place", "folder"), [("mirror", "mirror"), ("runs/1/move/{attempt}/copy", "runs/1/move/all/copy")]
)
def test_a_transfer_goes_on_where_a_killed_one_was(
    compute: Compute, node: Stack, far: FarStore, place: str, folder: str
) -> None:
    contents = {f"photos/{number:03}.bin": far.put(f"photos/{number:03}.bin", MIB) for number in range(24)}
    near = compute.datastore("near")
    far.gate.bytes_per_s = 600_000
    output = JobOutput(datastore_id=near.pk, path=place)
    job = moved(compute, far.input("photos"), output, max_attempts=3)
    notes = get_backend(near)
    wait_for(lambda: len(list(notes.glob("runs/1/move/notes"))) > 1, what="some files are noted", timeout_s=60)
    (process,) = work_of_node()
    send({process}, signal.SIGKILL)
    far.gate.bytes_per_s = None
    job = over(job)
    log = "\n".join(log_of(job))
    assert job.status == JobStatus.COMPLETED, (job.reason, log)
    assert Attempt.objects.filter(job=job).count() == 2
    assert "that an earlier attempt had brought" in log, log
    assert "24 files, 25.2 MB: size and SHA-256 verified at the destination." in log, log
    assert job.result is not None
    record = job.result.outputs["copy"]
    digest = hashlib.sha256()
    for path, content in sorted(contents.items()):
        name = path.removeprefix("photos/").encode()
        digest.update(b"%d:%b:%b\n" % (len(name), name, hashlib.sha256(content).hexdigest().encode()))
        assert text(near, path.replace("photos", folder)) == content
    assert record.path == folder
    assert (record.fingerprint, record.file_count, record.size_bytes) == (digest.hexdigest(), 24, 24 * MIB)
    assert not list(notes.glob("runs/1/move/notes")), "what is whole needs no notes"
    said = "\n".join(log_of(job))
    assert "secret" not in said


def test_a_connection_that_breaks_is_waited_for(compute: Compute, node: Stack, far: FarStore) -> None:
    near = compute.datastore("near")
    content = b"x" * (9 * MIB)
    get_backend(near).write("large.bin", io.BytesIO(content))
    far.gate.bytes_per_s = 3_000_000
    source = JobInput(paths=[DataPath(datastore_id=near.pk, path="large.bin")])
    job = moved(compute, source, far.output("taken"))
    wait_for(lambda: bool(work_of_node()), what="the work has begun")
    wait_for(lambda: any("Copying" in line for line in log_of(job)), what="it says how far it is")
    far.gate.shut()
    far.gate.bytes_per_s = None
    far.gate.open_again()
    job = over(job)
    assert job.status == JobStatus.COMPLETED, (job.reason, log_of(job))
    assert (far.folder / "taken" / "large.bin").read_bytes() == content


def test_sql_with_an_output(compute: Compute, node: Stack, postgresql_server: PostgreSql) -> None:
    store, near = shop(compute, postgresql_server), compute.datastore("near")
    statements = """
        -- a table; of this run
        DROP TABLE IF EXISTS sold;
        CREATE TABLE sold AS SELECT n AS id, 'item ' || n AS name FROM generate_series(1, 100000) n;
        SELECT * FROM sold WHERE name <> ${{parameters.not}} AND id <= ${{parameters.most}} ORDER BY id
    """
    values = {"not": "item 7'; DROP TABLE sold; --", "most": 90_000}
    output = JobOutput(datastore_id=near.pk, path="rows")
    job = over(asked(compute, store, statements, reads_only=False, values=values, outputs={"rows": output}))
    assert job.status == JobStatus.COMPLETED, (job.reason, log_of(job))
    table = pq.read_table(io.BytesIO(text(near, "rows/part-00000.parquet")))
    assert (table.num_rows, table.column_names) == (90_000, ["id", "name"])
    assert postgresql_server.run("SELECT count(*) FROM sold") == [(100_000,)]
    said = "\n".join(log_of(job))
    assert "100,000 rows" in said
    assert "drop table" not in said.lower().replace("drop table if exists", "")
    assert postgresql_server.password not in said
    wrong = over(asked(compute, store, "SELECT 1;\n\nSELECT id,\n  nothing FROM sold", outputs={"rows": output}))
    assert wrong.status == JobStatus.FAILED
    assert wrong.reason.startswith('Line 4: The database refused the query: column "nothing" does not exist'), (
        wrong.reason
    )


def test_a_time_limit_and_a_cancel_end_the_query_on_the_server(
    compute: Compute, node: Stack, postgresql_server: PostgreSql
) -> None:
    store = shop(compute, postgresql_server)
    sleeping = "SELECT pg_sleep(600), 'of the studio'"

    def runs() -> bool:
        found = postgresql_server.run(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND usename = 'studio'"
        )
        return bool(found[0][0])

    limited = asked(compute, store, sleeping, timeout_s=12.0)
    wait_for(runs, what="the query runs")
    limited = over(limited)
    assert limited.status == JobStatus.FAILED
    assert "took" in limited.reason or "longer" in limited.reason, limited.reason
    wait_for(lambda: not runs(), what="the server has ended it")
    cancelled = asked(compute, store, sleeping)
    wait_for(runs, what="the query runs")
    request_cancel([cancelled.pk])
    cancelled = over(cancelled)
    assert cancelled.status == JobStatus.CANCELLED, cancelled.reason
    wait_for(lambda: not runs(), what="the server has ended it")
