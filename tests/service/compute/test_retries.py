"""A failed attempt is followed by another one, or not, or later."""

from datetime import timedelta

import pytest
import redis
from django.db.models.functions import Now
from django.utils import timezone

from compute.models import Job
from compute.retrying import Failure
from compute.services import request_cancel, sweeping
from compute.services.leases import Outcome, claim, finish
from compute.spec import Retry
from compute.states import JobStatus
from tests.support.compute import DONE, Compute, completed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def compute() -> Compute:
    return Compute()


def _fail(compute: Compute, job: Job, failure: Failure | None = "exit", code: int | None = 3) -> Job:
    lease = claim(compute.target.nodes.first() or compute.node())
    assert lease is not None
    outcome = Outcome(JobStatus.FAILED, exit_code=code, reason="It failed.", failure=failure)
    assert finish(lease, outcome, log=DONE, log_bytes=0)[0]
    job.refresh_from_db()
    return job


def _comes_due(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(not_before=Now() - timedelta(seconds=1))


def test_only_after_the_failures_that_were_chosen(compute: Compute) -> None:
    job = compute.job(retry=Retry(max_attempts=5, on=["exit"], exit_codes="3"))
    assert _fail(compute, job).status == JobStatus.QUEUED
    assert job.reason == "It failed. It is tried again at once: attempt 2 of 5."
    assert _fail(compute, job, code=4).status == JobStatus.FAILED
    assert (job.reason, job.failures) == ("It failed.", 2)
    assert _fail(compute, compute.job(retry=job.spec.retry), "timeout", -15).status == JobStatus.FAILED
    assert _fail(compute, compute.job(retry=job.spec.retry), None).status == JobStatus.FAILED
    assert _fail(compute, compute.job(retry=job.spec.retry), "passing", None).status == JobStatus.QUEUED


def test_an_attempt_that_waits_is_not_claimed_before_its_time(compute: Compute) -> None:
    job = compute.job(retry=Retry(max_attempts=3, backoff_s=60, backoff_factor=2))
    before = timezone.now()
    _fail(compute, job)
    assert "It is tried again in 60 s: attempt 2 of 3." in job.reason
    assert job.not_before is not None
    assert 59 < (job.not_before - before).total_seconds() < 90
    node = compute.node("two")
    assert claim(node) is None
    other = compute.job()
    lease = claim(node)
    assert lease is not None
    assert lease.job_id == other.pk, "those behind it go first"
    completed(lease)

    _comes_due(job)
    _fail(compute, job)
    assert "in 120 s: attempt 3 of 3" in job.reason
    _comes_due(job)
    lease = claim(node)
    assert lease is not None
    job.refresh_from_db()
    assert (job.not_before, job.status, lease.attempt) == (None, JobStatus.PREPARING, 3)


def test_the_sweep_rings_when_the_time_has_come_and_not_before(compute: Compute, redis_server: redis.Redis) -> None:
    job = compute.job(retry=Retry(max_attempts=2, backoff_s=60))
    _fail(compute, job)
    Job.objects.filter(pk=job.pk).update(queued_at=Now() - timedelta(seconds=30))
    redis_server.delete(compute.target.queue)
    sweeping.sweep()
    assert redis_server.llen(compute.target.queue) == 0
    _comes_due(job)
    sweeping.sweep()
    assert redis_server.llen(compute.target.queue) == 1


def test_an_attempt_that_waits_can_be_cancelled(compute: Compute) -> None:
    job = compute.job(retry=Retry(max_attempts=2, backoff_s=600))
    _fail(compute, job)
    request_cancel([job.pk])
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED


def test_a_job_of_before_the_upgrade_keeps_its_count(compute: Compute) -> None:
    """Its specification says nothing of attempts; its row does."""
    job = compute.job()
    Job.objects.filter(pk=job.pk).update(max_attempts=2)
    assert _fail(compute, job).status == JobStatus.QUEUED
    assert _fail(compute, job).status == JobStatus.FAILED
