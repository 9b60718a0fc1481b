"""A node never gives out more than it has, and a GPU never twice; what a job had is free when its lease ends."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from compute.models import Attempt, Job, Node
from compute.services import request_cancel
from compute.services.leases import Lease, Outcome, claim, finish, lose
from compute.states import ACTIVE, JobStatus
from tests.support.compute import DONE, Compute, completed

GB = 1024**3


def taken(node: Node) -> list[int]:
    """Claim until nothing more fits. Returns the jobs."""
    jobs = []
    while (lease := claim(node)) is not None:
        jobs.append(lease.job_id)
    return jobs


@pytest.mark.django_db
def test_what_does_not_fit_beside_what_runs_waits_for_it() -> None:
    compute = Compute()
    node = compute.node(cpus=2, memory_bytes=4 * GB)
    first, second = compute.job(cpus=1.5), compute.job(cpus=1)
    lease = claim(node)
    assert lease.job_id == first.pk
    assert claim(node) is None
    completed(lease)
    assert claim(node).job_id == second.pk


@pytest.mark.django_db
def test_memory_counts_as_cpus_do() -> None:
    compute = Compute()
    node = compute.node(cpus=8, memory_bytes=4 * GB)
    jobs = [compute.job(memory_bytes=2 * GB) for _ in range(3)]
    assert taken(node) == [jobs[0].pk, jobs[1].pk]


@pytest.mark.django_db
def test_a_smaller_job_goes_before_one_that_does_not_fit_yet() -> None:
    compute = Compute()
    node = compute.node(cpus=2)
    compute.job(cpus=2)
    lease = claim(node)
    compute.job(cpus=1)
    plain = compute.job()
    assert claim(node).job_id == plain.pk, "a job that asks for nothing takes a slot alone"
    completed(lease)


@pytest.mark.django_db
def test_a_node_whose_capacity_nobody_knows_runs_only_what_asks_for_nothing() -> None:
    compute = Compute()
    compute.job(cpus=1)
    plain = compute.job()
    assert taken(compute.node()) == [plain.pk]


@pytest.mark.django_db
def test_each_job_is_given_gpus_of_its_own() -> None:
    compute = Compute()
    node = compute.node(gpus=["0", "1", "2"])
    compute.job(gpus=2)
    compute.job(gpus=1)
    waits = compute.job(gpus=1)
    first, second = claim(node), claim(node)
    assert (first.gpus, second.gpus) == (("0", "1"), ("2",))
    assert claim(node) is None
    assert list(Attempt.objects.order_by("pk").values_list("gpus", flat=True)) == ["0,1", "2"]
    completed(second)
    third = claim(node)
    assert (third.job_id, third.gpus) == (waits.pk, ("2",))


@pytest.mark.django_db
def test_two_nodes_of_one_machine_do_not_give_out_the_same_gpu() -> None:
    here, there = Compute(), Compute()
    nodes = [each.node(gpus=["0", "1"], machine="one boot") for each in (here, there)]
    for each in (here, there):
        each.job(gpus=1)
    assert [claim(node).gpus for node in nodes] == [("0",), ("1",)]
    elsewhere = Compute()
    elsewhere.job(gpus=2)
    assert claim(elsewhere.node(gpus=["0", "1"], machine="another boot")).gpus == ("0", "1")


@pytest.mark.django_db
@pytest.mark.parametrize("end", ["completed", "failed", "handed back", "cancelled", "lost"])
def test_what_a_job_had_is_free_however_its_lease_ends(end: str) -> None:
    compute = Compute()
    node = compute.node(cpus=1, gpus=["0"])
    job = compute.job(cpus=1, gpus=1)
    lease = claim(node)
    job.refresh_from_db()
    assert job.lease_gpus == "0"
    match end:
        case "completed":
            assert completed(lease)[0]
        case "failed":
            assert finish(lease, Outcome(JobStatus.FAILED, exit_code=1), log=DONE, log_bytes=0)[0]
        case "handed back":
            assert finish(lease, Outcome(JobStatus.QUEUED), log=DONE, log_bytes=0)[0]
            request_cancel([job.pk])
        case "cancelled":
            request_cancel([job.pk])
            assert finish(lease, Outcome(JobStatus.CANCELLED), log=DONE, log_bytes=0)[0]
        case "lost":
            assert lose(job, "it was pulled out of the wall")
            request_cancel([job.pk])
    job.refresh_from_db()
    assert (job.lease_gpus, job.lease_node) == ("", None)
    compute.job(cpus=1, gpus=1)
    assert claim(node).gpus == ("0",)


@pytest.mark.django_db(transaction=True)
def test_slots_that_claim_at_once_never_give_out_more_than_there_is() -> None:
    compute = Compute()
    nodes = [
        compute.node(f"n{number}", cpus=3, memory_bytes=8 * GB, gpus=["0", "1"], machine=f"m{number // 2}")
        for number in range(4)
    ]
    for number in range(30):
        compute.job(cpus=1 + number % 2, memory_bytes=GB, gpus=number % 3 % 2)
    slots = [node for node in nodes for _ in range(3)]
    together = threading.Barrier(len(slots))

    def take(node: Node) -> list[Lease]:
        together.wait()
        try:
            return [lease for _ in range(4) if (lease := claim(node)) is not None]
        finally:
            connection.close()

    with ThreadPoolExecutor(len(slots)) as threads:
        leases = [lease for leases in threads.map(take, slots) for lease in leases]
    assert len({lease.job_id for lease in leases}) == len(leases), "no job twice"
    running = list(Job.objects.filter(target=compute.target, status__in=ACTIVE).select_related("lease_node"))
    assert len(running) == len(leases)
    for node in nodes:
        here = [job for job in running if job.lease_node_id == node.pk]
        assert sum(job.cpus for job in here) <= 3
        assert sum(job.cpus for job in here) >= 2, "whoever lost a race went on to the next job"
    for machine in ("m0", "m1"):
        given = [
            key for job in running if job.lease_node.machine == machine for key in job.lease_gpus.split(",") if key
        ]
        assert sorted(given) == sorted(set(given)), "no GPU of a machine twice"


@pytest.mark.django_db
def test_a_large_job_does_not_starve_behind_small_ones(settings: Settings) -> None:
    settings.HOLD_BACK_AFTER_S = 60
    compute = Compute()
    node = compute.node(cpus=2)
    compute.job(cpus=1)
    small = claim(node)
    large = compute.job(cpus=2)
    compute.job(cpus=1)
    overtakes = claim(node)
    assert overtakes is not None, "the large one has not waited for long"
    completed(overtakes)
    compute.job(cpus=1)
    plain = compute.job()
    Job.objects.filter(pk=large.pk).update(queued_at=timezone.now() - timedelta(seconds=61))
    assert claim(node).job_id == plain.pk, "a CPU is free, but it is kept"
    completed(small)
    assert claim(node).job_id == large.pk


@pytest.mark.django_db
def test_one_node_of_two_keeps_room_at_first(settings: Settings) -> None:
    settings.HOLD_BACK_AFTER_S = 60
    compute = Compute()
    one, two = compute.node("one", cpus=2), compute.node("two", cpus=2)
    for node in (one, two):
        compute.job(cpus=1)
        claim(node)
    large = compute.job(cpus=2)
    Job.objects.filter(pk=large.pk).update(queued_at=timezone.now() - timedelta(seconds=61))
    compute.job(cpus=1)
    assert claim(one) is None, "the first of those with the fewest jobs"
    assert claim(two) is not None
    compute.job(cpus=1)
    Job.objects.filter(pk=large.pk).update(queued_at=timezone.now() - timedelta(seconds=121))
    assert claim(one) is None
    assert claim(two) is None
