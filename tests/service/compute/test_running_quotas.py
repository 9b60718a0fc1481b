"""Quotas on running steps keep jobs in the queue: of a workspace, of each person in it, of one person."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from compute.models import Job, Quota
from compute.services.leases import claim
from compute.states import ACTIVE, QuotaScope
from tests.support.compute import Compute, completed


def running(compute: Compute) -> list[int | None]:
    """Claim all that may start. Whose jobs they are."""
    node = compute.node(f"n{Job.objects.count()}")
    found = []
    while (lease := claim(node)) is not None:
        found.append(Job.objects.get(pk=lease.job_id).requested_by_id)
    return found


@pytest.mark.django_db
def test_a_workspace_runs_no_more_than_its_quota_on_all_targets_together() -> None:
    compute = Compute()
    Quota.objects.create(workspace=compute.workspace, running_steps=2)
    for _ in range(4):
        compute.job()
    node = compute.node()
    first, _second = claim(node), claim(node)
    assert claim(node) is None
    other = Compute()
    other.job()
    assert claim(other.node()) is not None, "nobody else is held to it"
    completed(first)
    assert claim(node) is not None
    assert claim(node) is None


@pytest.mark.django_db
def test_each_person_is_held_to_theirs_and_one_to_a_limit_of_their_own() -> None:
    compute = Compute()
    ada, bob = compute.person("ada"), compute.person("bob")
    Quota.objects.create(workspace=compute.workspace, scope=QuotaScope.EACH, running_steps=1)
    Quota.objects.create(workspace=compute.workspace, scope=QuotaScope.PERSON, person=bob, running_steps=3)
    for person in (ada, bob):
        for _ in range(5):
            compute.job(requested_by_id=person.pk)
    assert sorted(running(compute)) == sorted([ada.pk, bob.pk, bob.pk, bob.pk])


@pytest.mark.django_db
def test_whoever_is_at_their_limit_keeps_nobody_else_waiting() -> None:
    compute = Compute()
    ada, bob = compute.person("ada"), compute.person("bob")
    Quota.objects.create(workspace=compute.workspace, scope=QuotaScope.PERSON, person=ada, running_steps=0)
    compute.job(requested_by_id=ada.pk, priority=10)
    compute.job(requested_by_id=bob.pk)
    assert running(compute) == [bob.pk]


@pytest.mark.django_db(transaction=True)
def test_nodes_that_claim_at_once_do_not_go_beyond_it() -> None:
    compute = Compute()
    Quota.objects.create(workspace=compute.workspace, running_steps=3)
    for _ in range(20):
        compute.job()
    nodes = [compute.node(f"n{number}") for number in range(6)]
    together = threading.Barrier(len(nodes))

    def take(node: object) -> int:
        together.wait()
        try:
            return sum(claim(node) is not None for _ in range(3))
        finally:
            connection.close()

    with ThreadPoolExecutor(len(nodes)) as threads:
        assert sum(threads.map(take, nodes)) == 3
    assert Job.objects.filter(status__in=ACTIVE).count() == 3
