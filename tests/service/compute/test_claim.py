"""Taking a job: one winner, the best job first, and a late finisher finds that it is late."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from compute import listener
from compute.models import Attempt, Job
from compute.services import request_cancel
from compute.services.leases import Lease, Outcome, claim, expired, finish, lose, start
from compute.services.nodes import heartbeat
from compute.states import JobStatus
from tests.support.compute import DONE, Compute, Heard, completed


@pytest.fixture
def heard() -> Heard:
    heard = Heard()
    listener.listen(heard)
    yield heard
    listener._listeners.remove(heard)


@pytest.mark.django_db(transaction=True)
def test_of_two_claimers_one_gets_the_job() -> None:
    compute = Compute()
    nodes = [compute.node(f"n{number}") for number in range(4)]
    together = threading.Barrier(len(nodes))

    def take(node: object) -> Lease | None:
        together.wait()
        try:
            return claim(node)
        finally:
            connection.close()

    for _round in range(5):
        job = compute.job()
        with ThreadPoolExecutor(len(nodes)) as threads:
            leases = [lease for lease in threads.map(take, nodes) if lease is not None]
        assert [lease.job_id for lease in leases] == [job.pk]
        assert Attempt.objects.filter(job=job).count() == 1
        completed(leases[0])


@pytest.mark.django_db
def test_higher_priority_goes_first_then_whoever_waits_longest() -> None:
    compute = Compute()
    node = compute.node()
    late, urgent, later = compute.job(), compute.job(priority=5), compute.job()
    assert [claim(node).job_id for _ in range(3)] == [urgent.pk, late.pk, later.pk]
    assert claim(node) is None


@pytest.mark.django_db
def test_a_job_of_another_target_is_not_taken() -> None:
    Compute().job()
    assert claim(Compute().node()) is None


@pytest.mark.django_db
def test_the_owner_hears_every_step_of_the_way(heard: Heard) -> None:
    compute = Compute()
    job = compute.job()
    lease = claim(compute.node())
    assert start(lease, job.queued_at)
    held, _ = completed(lease)
    assert held
    assert heard.statuses == ["preparing", "running", "completed"]
    assert {change.attempt for change in heard.changes} == {1}


@pytest.mark.django_db
def test_what_the_owner_raises_rolls_the_change_back() -> None:
    compute = Compute()
    job = compute.job()

    def refuse(_changes: object) -> None:
        raise RuntimeError("no")

    listener.listen(refuse)
    try:
        with pytest.raises(RuntimeError):
            claim(compute.node())
    finally:
        listener._listeners.remove(refuse)
    job.refresh_from_db()
    assert job.status == JobStatus.QUEUED


@pytest.mark.django_db
def test_a_late_finisher_is_refused(heard: Heard) -> None:
    compute = Compute()
    job = compute.job()
    first = claim(compute.node("one"))
    job.refresh_from_db()
    assert lose(job, "it was pulled out of the wall")
    second = claim(compute.node("two"))
    assert completed(first) == (False, None)
    assert not start(first, job.queued_at)
    assert completed(second)[0]
    assert completed(second) == (False, None)  # twice
    job.refresh_from_db()
    assert (job.status, job.attempt_number, job.node_losses) == (JobStatus.COMPLETED, 2, 1)
    assert heard.statuses == ["preparing", "queued", "preparing", "completed"]


@pytest.mark.django_db
def test_too_many_losses_fail_the_job_and_name_the_node() -> None:
    compute = Compute()
    job = compute.job(max_node_losses=1)
    for _ in range(2):
        claim(compute.node(f"n{job.node_losses}"))
        job.refresh_from_db()
        assert lose(job, "it was not heard of for 15 s")
        assert not lose(job, "twice"), "the second to see it changes nothing"
        job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    assert job.reason.startswith("Node “n1” was lost: it was not heard of for 15 s.")
    assert "2 times" in job.reason


@pytest.mark.django_db
def test_a_failed_command_is_tried_again_while_it_may_be() -> None:
    compute = Compute()
    node = compute.node()
    job = compute.job(max_attempts=2)
    failure = Outcome(JobStatus.FAILED, exit_code=3, reason="The script ended with exit code 3.", failure="exit")
    assert finish(claim(node), failure, log=DONE, log_bytes=0)[0]
    job.refresh_from_db()
    assert (job.status, job.failures) == (JobStatus.QUEUED, 1)
    assert finish(claim(node), failure, log=DONE, log_bytes=0)[0]
    job.refresh_from_db()
    assert (job.status, job.failures, job.exit_code) == (JobStatus.FAILED, 2, 3)
    assert [attempt.exit_code for attempt in job.attempts.all()] == [3, 3]


@pytest.mark.django_db
def test_a_job_handed_back_counts_neither_as_failure_nor_as_loss() -> None:
    compute = Compute()
    node = compute.node()
    job = compute.job()
    finish(claim(node), Outcome(JobStatus.QUEUED, reason="stopped"), log=DONE, log_bytes=0)
    job.refresh_from_db()
    assert (job.status, job.failures, job.node_losses, job.attempt_number) == (JobStatus.QUEUED, 0, 0, 1)


@pytest.mark.django_db
def test_cancelling_a_queued_job_ends_it_at_once(heard: Heard) -> None:
    compute = Compute()
    job = compute.job()
    assert request_cancel([job.pk]) == 1
    assert request_cancel([job.pk]) == 0
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    assert heard.statuses == ["cancelled"]
    assert claim(compute.node()) is None


@pytest.mark.django_db
def test_cancelling_a_running_job_is_a_request() -> None:
    compute = Compute()
    node = compute.node()
    job = compute.job()
    lease = claim(node)
    assert request_cancel([job.pk]) == 1
    job.refresh_from_db()
    assert job.status == JobStatus.PREPARING
    assert job.cancel_requested_at is not None
    # Its node stops instead: it must not start again.
    finish(lease, Outcome(JobStatus.QUEUED), log=DONE, log_bytes=0)
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED


@pytest.mark.django_db
def test_a_lost_job_that_was_to_be_cancelled_is_cancelled() -> None:
    compute = Compute()
    job = compute.job()
    claim(compute.node())
    request_cancel([job.pk])
    job.refresh_from_db()
    assert lose(job, "gone")
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED


@pytest.mark.django_db
def test_leases_are_judged_by_the_time_that_was_believed_and_not_by_a_later_one() -> None:
    compute = Compute()
    node = compute.node()
    job = compute.job()
    claim(node)
    believed = timezone.now()  # and then the clock was set two hours on
    Job.objects.filter(pk=job.pk).update(lease_expires_at=believed - timedelta(hours=1))
    assert expired(believed - timedelta(hours=2)) == []
    assert [late.pk for late in expired(believed)] == [job.pk]


@pytest.mark.django_db
def test_a_heartbeat_renews_every_lease_and_another_incarnation_none() -> None:
    compute = Compute()
    node = compute.node()
    job = compute.job()
    claim(node)
    Job.objects.filter(pk=job.pk).update(lease_expires_at="2020-01-01T00:00Z")
    assert [late.pk for late in expired(timezone.now())] == [job.pk]
    assert heartbeat(node)
    assert expired(timezone.now()) == []
    node.incarnation = "00000000-0000-0000-0000-000000000000"
    assert not heartbeat(node)


@pytest.mark.django_db
def test_the_next_job_comes_with_the_end_of_the_last_where_one_writer_rules() -> None:
    compute = Compute()
    node = compute.node()
    compute.job()
    lease = claim(node)
    following = compute.job()
    held, taken = finish(lease, Outcome(JobStatus.COMPLETED), log=DONE, log_bytes=0, claim_for=node)
    assert held
    if connection.vendor == "sqlite":
        assert taken.job_id == following.pk
    else:
        assert taken is None
