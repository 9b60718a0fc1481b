"""The sweep re-reads reality and makes good what was lost."""

import json
import re

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compute.models import Attempt, Job
from compute.services import sweeping
from compute.services.leases import claim
from compute.services.nodes import heartbeat, held_jobs
from compute.states import JobStatus
from tests.support.compute import Compute, completed

# A partial index holds what is queued or running; anything else of these tables holds all that ever was.
WHOLE_TABLE = re.compile(
    r"(SCAN|SEARCH) compute_(job|attempt)(?! USING INTEGER PRIMARY KEY)"
    r"(?! USING (COVERING )?INDEX (job_lanes|job_active|job_leases|attempt_log_to_archive|compute_job_lease_node))"
    r"(?! USING (COVERING )?INDEX job_by_target \(target_id=\? AND status=\?)"
)

pytestmark = pytest.mark.django_db


def _expire(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_expires_at="2020-01-01T00:00Z")


def _old(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(queued_at="2020-01-01T00:00Z")


def _rings(client: redis.Redis, compute: Compute) -> int:
    return client.llen(compute.target.queue)


def _with_no_rings(client: redis.Redis) -> Compute:
    """A target that nobody has rung for: an earlier test's may have had the same id."""
    compute = Compute()
    client.delete(compute.target.queue)
    return compute


def test_a_silent_nodes_job_is_queued_again_with_a_reason() -> None:
    compute = Compute()
    job = compute.job()
    claim(compute.node("tower"))
    sweeping.sweep()
    job.refresh_from_db()
    assert job.status == JobStatus.PREPARING, "its lease still holds"
    _expire(job)
    sweeping.sweep()
    job.refresh_from_db()
    assert (job.status, job.node_losses) == (JobStatus.QUEUED, 1)
    attempt = Attempt.objects.get(job=job)
    assert attempt.log_complete
    assert attempt.finished_at is not None
    assert "“tower” was lost" in attempt.reason


def test_one_broken_job_does_not_stop_the_round(monkeypatch: pytest.MonkeyPatch) -> None:
    compute = Compute()
    jobs = [compute.job() for _ in range(3)]
    node = compute.node()
    for job in jobs:
        claim(node)
        _expire(job)
    lose = sweeping.lose

    def broken_for_one(job: Job, what: str) -> bool:
        if job.pk == jobs[1].pk:
            raise RuntimeError("broken")
        return lose(job, what)

    monkeypatch.setattr(sweeping, "lose", broken_for_one)
    sweeping.sweep()
    assert [Job.objects.get(pk=job.pk).status for job in jobs] == ["queued", "preparing", "queued"]


def test_a_job_that_came_back_after_its_cancel_request_is_cancelled() -> None:
    job = Compute().job()
    Job.objects.filter(pk=job.pk).update(cancel_requested_at=timezone.now())
    sweeping.sweep()
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED


def test_waiting_jobs_are_rung_for_again_while_a_slot_is_free(redis_server: redis.Redis) -> None:
    compute = _with_no_rings(redis_server)
    jobs = [compute.job() for _ in range(5)]
    sweeping.sweep()
    assert _rings(redis_server, compute) == 0, "they were rung for just now"
    for job in jobs:
        _old(job)
    sweeping.sweep()
    assert _rings(redis_server, compute) == 0, "no node lives"
    node = compute.node()
    compute.node("silent", heard_of=False)
    sweeping.sweep()
    assert _rings(redis_server, compute) == 2
    redis_server.delete(compute.target.queue)
    claim(node), claim(node)
    sweeping.sweep()
    assert _rings(redis_server, compute) == 0, "every slot is busy and will look for itself"


def test_new_jobs_ring_once_for_each_and_at_most_once_for_a_slot(
    redis_server: redis.Redis, django_capture_on_commit_callbacks: object
) -> None:
    compute = _with_no_rings(redis_server)
    compute.node(slots=3)
    with django_capture_on_commit_callbacks(execute=True):
        compute.job()
    assert _rings(redis_server, compute) == 1
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(10):
            compute.job()
    assert _rings(redis_server, compute) >= 3
    message = json.loads(redis_server.lindex(compute.target.queue, 0))
    assert message["headers"]["task"] == "compute.ring"
    assert message["headers"]["expires"] is not None


def test_a_round_costs_the_same_however_much_is_over() -> None:
    compute = Compute()
    node = compute.node()

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            sweeping.sweep()
        return len(queries)

    cost()  # the first round of an installation announces itself
    before = cost()
    for _ in range(20):
        compute.job()
        completed(claim(node))
    assert cost() == before
    assert before <= 17


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_no_statement_of_a_round_or_a_heartbeat_reads_jobs_that_are_over() -> None:
    compute = Compute()
    node = compute.node()
    job = compute.job()
    _old(job)
    with CaptureQueriesContext(connection) as queries:
        sweeping.sweep()
        heartbeat(node)
        held_jobs(node)
        claim(node)
    statements = [query["sql"] for query in queries if query["sql"].startswith(("SELECT", "UPDATE"))]
    assert len(statements) >= 10
    for statement in statements:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}".replace("%", "%%"))
            plan = " | ".join(row[3] for row in cursor.fetchall())
        assert not WHOLE_TABLE.search(plan), (plan, statement)
