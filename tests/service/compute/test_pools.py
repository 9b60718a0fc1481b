"""A pool's rows: wanted, joined, drained and ended by guarded steps, whoever is faster."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from compute.models import Node, PoolNode, Quota, SpokenProtocol
from compute.node.capacity import NodeCapacity
from compute.pools.spec import SshHost
from compute.protocol import announce_protocol
from compute.providers import get_provider
from compute.services import pool_nodes, start_node, stop_node
from compute.services.leases import claim
from compute.services.nodes import heartbeat, register, say_goodbye
from compute.services.pools import reconcile, work_on_quick_ones
from compute.states import PoolNodeStatus, QuotaScope
from studio.lib.problems import ConflictError, UserError
from tests.support.compute import completed
from tests.support.pools import Pool

CAPACITY = NodeCapacity(cpus=2, memory_bytes=4 * 1024**3)


def step(pool: Pool) -> None:
    """What one round of the sweep does for a pool."""
    reconcile(pool.target.pk)
    work_on_quick_ones()


def joined(pool: Pool, row: PoolNode) -> Node:
    assert pool_nodes.take_place(row.pk, "this-machine")
    return register(target=pool.target, name=row.name, slots=row.slots, pool_node_id=row.pk, capacity=CAPACITY)


def long_idle(node: Node) -> None:
    Node.objects.filter(pk=node.pk).update(busy_at=timezone.now() - timedelta(hours=1))


@pytest.mark.django_db
def test_it_wants_as_many_nodes_as_the_work_needs_and_says_why() -> None:
    pool = Pool(slots=2, max_nodes=3)
    for _ in range(4):
        pool.job()
    step(pool)
    step(pool)
    assert [row.name for row in pool.rows()] == [f"{pool.target.name}-1", f"{pool.target.name}-2"]
    assert pool.told() == ["Starts 2 nodes (waiting or running: 4 jobs, at most 2 on a node)."]
    assert "waits for a supervisor" in pool.rows()[0].phase


@pytest.mark.django_db
def test_no_node_is_started_for_what_a_quota_holds_back() -> None:
    pool = Pool(slots=1, max_nodes=8)
    ada, bob, eve = (pool.person(name) for name in ("ada", "bob", "eve"))
    Quota.objects.create(workspace=pool.workspace, scope=QuotaScope.EACH, running_steps=2)
    Quota.objects.create(workspace=pool.workspace, scope=QuotaScope.PERSON, person=eve, running_steps=0)
    for person in (ada, ada, ada, ada, bob, eve, eve):
        pool.job(requested_by_id=person.pk)
    pool.job(requested_by_id=ada.pk, cpus=1)
    step(pool)
    assert len(pool.rows()) == 3
    Quota.objects.create(workspace=pool.workspace, running_steps=4)
    Quota.objects.filter(scope=QuotaScope.EACH).update(running_steps=3)
    for row in pool.rows():
        assert claim(joined(pool, row)) is not None
    step(pool)
    assert len(pool.rows()) == 4, "three run, and the workspace may run four"


@pytest.mark.django_db
def test_what_no_node_can_hold_takes_no_place_within_a_quota() -> None:
    pool = Pool(slots=1, max_nodes=2, idle_s=0)
    pool.job()
    step(pool)
    (row,) = pool.rows()
    node = joined(pool, row)  # now the size of a node is known
    lease = claim(node)
    assert lease is not None
    completed(lease)
    stop_node(node, stopped_by=None)
    say_goodbye(node)
    Quota.objects.create(workspace=pool.workspace, running_steps=1)
    for person in (pool.person("ada"), pool.person("bob")):  # whichever of them is counted first
        pool.job(requested_by_id=person.pk, gpus=8)
    pool.job(requested_by_id=pool.person("eve").pk)
    step(pool)
    assert [row.status for row in pool.rows()] == [PoolNodeStatus.STARTING]


@pytest.mark.django_db
def test_a_node_that_was_stopped_on_its_page_is_not_started_again_but_another_one_is() -> None:
    pool = Pool(max_nodes=1)
    pool.job()
    step(pool)
    (row,) = pool.rows()
    node = joined(pool, row)
    stop_node(node, stopped_by=None)
    say_goodbye(node)
    with pytest.raises(UserError, match="was stopped on its page"):  # its supervisor is faster than the sweep
        register(target=pool.target, name=row.name, slots=1, pool_node_id=row.pk, capacity=CAPACITY)
    step(pool)
    step(pool)
    another = PoolNode.objects.exclude(pk=row.pk).get()
    assert another.name == row.name
    assert joined(pool, another).stop_requested_at is None
    with pytest.raises(ConflictError, match="belongs to a pool"):
        start_node(Node.objects.get(pk=node.pk), started_by=None)


@pytest.mark.django_db
def test_a_node_that_joins_is_up_and_one_that_is_not_wanted_is_refused() -> None:
    pool = Pool(max_nodes=1)
    pool.job()
    step(pool)
    (row,) = pool.rows()
    node = joined(pool, row)
    assert pool.up == 1
    with pytest.raises(UserError, match=r"serves .* already"):
        register(target=pool.target, name=row.name, slots=1, pool_node_id=row.pk, capacity=CAPACITY)
    say_goodbye(node)
    step(pool)
    assert PoolNode.objects.get(pk=row.pk).status == PoolNodeStatus.GONE
    with pytest.raises(UserError, match="does not want the node"):
        register(target=pool.target, name=row.name, slots=1, pool_node_id=row.pk, capacity=CAPACITY)


@pytest.mark.django_db
def test_an_idle_node_is_closed_before_it_is_stopped_and_its_place_is_free_again() -> None:
    pool = Pool(max_nodes=1, idle_s=60)
    job = pool.job()
    step(pool)
    node = joined(pool, pool.rows()[0])
    lease = claim(node)
    step(pool)
    long_idle(node)
    step(pool)
    assert pool.up == 1, "it works"
    completed(lease)
    step(pool)
    assert [row.status for row in pool.rows()] == ["stopping"]
    pool.job()
    assert claim(node) is None
    step(pool)
    assert pool.live == 1, "what stops still counts: no second one beside it"
    say_goodbye(node)
    step(pool)
    step(pool)
    assert [row.status for row in pool.rows()] == ["starting"]
    assert [row.name for row in pool.rows()] == [node.name]
    assert job.attempts.count() == 1


@pytest.mark.django_db
def test_jobs_that_fill_a_node_by_what_they_ask_for_have_as_many_nodes() -> None:
    pool = Pool(slots=4, max_nodes=5)  # on nodes of two CPUs
    for _ in range(3):
        pool.job(cpus=1.5)
    step(pool)
    assert pool.live == 1, "what a node has is not known before there is one"
    joined(pool, pool.rows()[0])
    step(pool)
    assert pool.live == 3
    pool.job(cpus=5)
    step(pool)
    assert pool.live == 3, "no node has so much"
    pool.job()
    step(pool)
    assert pool.live == 4


@pytest.mark.django_db
def test_jobs_that_are_to_be_apart_have_a_node_each() -> None:
    pool = Pool(slots=4, max_nodes=5)
    for word in ("one", "one", "one", "two", "", ""):
        pool.job(apart=word)
    step(pool)
    assert pool.live == 3
    assert pool.told() == ["Starts 3 nodes (waiting or running: 6 jobs, 3 of them each on a node of its own)."]
    first, second = (joined(pool, row) for row in pool.rows()[:2])
    claimed = list(iter(lambda: claim(first), None))
    assert len(claimed) == 4, "one of each word, and those without one"
    assert claim(second) is not None
    assert claim(second) is None, "the third is for another node"


@pytest.mark.django_db
def test_where_slots_decide_the_pool_speaks_of_them_and_where_all_are_apart_of_that() -> None:
    for slots, more, said in ((1, 1, "3 jobs, at most 1 on a node"), (4, 0, "2 jobs, each on a node of its own")):
        pool = Pool(slots=slots, max_nodes=5)
        for word in ["one"] * 2 + [""] * more:
            pool.job(apart=word)
        step(pool)
        assert pool.told() == [f"Starts {2 + more} nodes (waiting or running: {said})."]


@pytest.mark.django_db
def test_a_lower_maximum_drains_and_a_higher_one_takes_it_back() -> None:
    pool = Pool(max_nodes=2)
    pool.job()
    pool.job()
    step(pool)
    nodes = [joined(pool, row) for row in pool.rows()]
    leases = [claim(node) for node in nodes]
    assert all(leases)
    pool.change(max_nodes=1)
    step(pool)
    (draining,) = pool.rows(PoolNodeStatus.DRAINING)
    pool.job()
    assert claim(draining.node) is None
    pool.change(max_nodes=2)
    step(pool)
    assert pool.up == 2
    assert claim(draining.node) is not None


@pytest.mark.django_db
def test_a_lost_node_is_replaced_and_finds_its_place_taken() -> None:
    pool = Pool(max_nodes=1)
    pool.job()
    step(pool)
    row = pool.rows()[0]
    node = joined(pool, row)
    Node.objects.filter(pk=node.pk).update(heartbeat_at="2020-01-01T00:00Z")
    step(pool)
    row.refresh_from_db()
    assert row.status == PoolNodeStatus.FAILED
    assert pool.live == 1
    assert not heartbeat(node), "back again, it hears that it was given up"
    assert claim(node) is None
    assert any("failed: It was not heard of" in told for told in pool.told())


@pytest.mark.django_db
def test_two_supervisors_share_the_nodes_and_none_has_two() -> None:
    pool = Pool(max_nodes=1)
    pool.job()
    step(pool)
    (row,) = pool.rows()
    assert [pool_nodes.take_place(row.pk, machine) for machine in ("here", "there")] == [True, False]


@pytest.mark.django_db(transaction=True)
def test_many_reconcilers_at_once_never_exceed_the_maximum() -> None:
    pool = Pool(max_nodes=3)
    for _ in range(20):
        pool.job()
    together = threading.Barrier(4)

    def look(_number: int) -> None:
        together.wait()
        try:
            for _ in range(3):
                reconcile(pool.target.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(look, range(4)))
    assert pool.live == 3


@pytest.mark.django_db(transaction=True)
def test_of_a_claim_and_a_stop_at_the_same_moment_one_wins() -> None:
    pool = Pool(max_nodes=1, idle_s=0)
    pool.job()
    step(pool)
    node = joined(pool, pool.rows()[0])
    (row,) = pool.rows()

    def stop() -> bool:
        together.wait()
        try:
            return pool_nodes.stop_if_idle(row, "a test")
        finally:
            connection.close()

    def take() -> bool:
        together.wait()
        try:
            return claim(node) is not None
        finally:
            connection.close()

    for _round in range(5):
        together = threading.Barrier(2)
        with ThreadPoolExecutor(2) as threads:
            futures = [threads.submit(stop), threads.submit(take)]
            stopped, taken = (future.result() for future in futures)
        assert stopped != taken
        PoolNode.objects.filter(pk=row.pk).update(status=PoolNodeStatus.UP)
        Node.objects.filter(pk=node.pk).update(draining_at=None)
        pool.target.jobs.update(status="cancelled", lease_node=None, lease_token=None, lease_expires_at=None)
        pool.job()


@pytest.mark.django_db
def test_a_node_of_another_protocol_is_refused_with_a_sentence() -> None:
    pool = Pool()
    announce_protocol()
    SpokenProtocol.objects.update(number=99, version="9.9")
    with pytest.raises(UserError, match=r"an older version of the studio .* Install 9\.9 on this machine"):
        register(target=pool.target, name="old", slots=1, capacity=CAPACITY)
    announce_protocol()
    assert SpokenProtocol.objects.get().number == 99, "an older process takes nothing back"
    SpokenProtocol.objects.update(number=0, version="0.0")
    with pytest.raises(UserError, match="a newer version"):
        register(target=pool.target, name="new", slots=1, capacity=CAPACITY)
    announce_protocol()
    assert (
        register(target=pool.target, name="new", slots=1, capacity=CAPACITY).protocol
        == SpokenProtocol.objects.get().number
    )


@pytest.mark.django_db
def test_the_same_event_again_only_counts_on() -> None:
    pool = Pool()
    for _ in range(3):
        pool_nodes.note_event(pool.target.pk, "Host a is away.", is_problem=True)
    assert [event.times for event in pool.target.pool_events.all()] == [3]


@pytest.mark.django_db
def test_a_pool_that_is_drained_lets_its_nodes_go_and_one_that_is_paused_keeps_them() -> None:
    pool = Pool(max_nodes=2, min_nodes=1)
    step(pool)
    node = joined(pool, pool.rows()[0])
    pool.target.intake = "paused"
    pool.target.save()
    pool.job()
    long_idle(node)
    step(pool)
    assert (pool.up, pool.live) == (1, 1)
    pool.target.intake = "draining"
    pool.target.save()
    step(pool)
    assert [row.status for row in pool.rows()] == ["stopping"]


@pytest.mark.django_db
def test_a_node_that_is_drained_by_hand_goes_and_the_next_of_its_name_is_open() -> None:
    pool = Pool(max_nodes=1, min_nodes=1)
    step(pool)
    node = joined(pool, pool.rows()[0])
    Node.objects.filter(pk=node.pk).update(intake="draining")
    step(pool)
    (row,) = pool.rows()
    assert (row.status, row.reason) == ("stopping", "it was drained by hand.")
    say_goodbye(node)
    step(pool)
    step(pool)
    again = joined(pool, pool.rows()[0])
    assert (again.pk, Node.objects.get(pk=again.pk).intake) == (node.pk, "open")


@pytest.mark.django_db
def test_a_host_that_failed_is_left_alone_until_its_key_is_entered_anew() -> None:
    host = SshHost(host="node.example.com", user="studio", host_key="SHA256:" + "A" * 43)
    pool = Pool(provider="ssh", hosts=[host], max_nodes=1)
    row = pool_nodes.add_pool_node(pool.target, provider="ssh", host=host.address)
    assert pool_nodes.failed(row, "It shows another host key.")
    provider = get_provider("ssh")
    assert provider.places(pool.target, [], 1) == ([], f"Waits before it tries again what failed: {host.address}.")
    pool.change(hosts=[host.model_copy(update={"host_key": "SHA256:" + "B" * 43})])
    assert provider.places(pool.target, [], 1) == ([host.address], "")
