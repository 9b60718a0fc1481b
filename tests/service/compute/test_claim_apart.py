"""Jobs that are to be apart: no node runs two of them at once, however many of its slots ask together."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from compute.models import Job, Node
from compute.services.leases import Lease, claim
from compute.states import ACTIVE
from tests.support.compute import Compute, completed


@pytest.mark.django_db
def test_the_next_of_them_starts_when_the_one_before_is_over_and_others_go_before_it() -> None:
    compute = Compute(slots=4)
    node = compute.node()
    first, second = compute.job(apart="both"), compute.job(apart="both")
    beside = compute.job()
    lease = claim(node)
    assert lease is not None
    other = claim(node)
    assert other is not None
    assert (lease.job_id, other.job_id) == (first.pk, beside.pk)
    assert claim(node) is None
    completed(lease)
    after = claim(node)
    assert after is not None
    assert after.job_id == second.pk


@pytest.mark.django_db(transaction=True)
def test_slots_that_ask_at_the_same_moment_never_get_two() -> None:
    compute = Compute(slots=3)
    nodes = [compute.node(name) for name in ("a", "b")]
    for number in range(12):
        compute.job(apart=f"word {number % 3}")
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
    running = Job.objects.filter(target=compute.target, status__in=ACTIVE)
    assert running.count() == len(leases)
    assert Counter(running.values_list("lease_node__name", "apart")) == {
        (node.name, f"word {number}"): 1 for node in nodes for number in range(3)
    }
