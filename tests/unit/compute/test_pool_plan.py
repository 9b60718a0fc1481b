"""How many nodes a pool has: the plan, without a database."""

import math
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compute.pools.plan import NodeView, Plan, PoolView, plan_for, wanted_nodes
from compute.states import PoolNodeStatus

LEASE_S = 15.0
UP, STARTING = PoolNodeStatus.UP, PoolNodeStatus.STARTING
DRAINING, STOPPING = PoolNodeStatus.DRAINING, PoolNodeStatus.STOPPING


def pool(jobs: int = 0, **values: object) -> PoolView:
    """One whose nodes run two jobs each."""
    usual = {"min_nodes": 0, "max_nodes": 3, "idle_s": 60, "start_s": 600, "load": Fraction(jobs, 2)}
    return PoolView(**{**usual, **values})


def plan(**values: object) -> Plan:
    return plan_for(pool(**values), lease_s=LEASE_S)


def up(number: int, **values: object) -> NodeView:
    return NodeView(id=number, status=UP, is_alive=True, **values)


@pytest.mark.parametrize(("jobs", "wanted"), [(0, 0), (1, 1), (2, 1), (3, 2), (6, 3), (700, 3)])
def test_it_grows_with_its_work_to_its_maximum(jobs: int, wanted: int) -> None:
    assert plan(jobs=jobs).add == wanted


def test_it_keeps_its_least_number() -> None:
    assert plan(min_nodes=2).add == 2
    idle = [up(1, idle_for_s=900), up(2, idle_for_s=900), up(3, idle_for_s=900)]
    assert len(plan(min_nodes=2, nodes=idle).stop_if_idle) == 1


def test_nodes_on_their_way_in_or_out_count_against_the_maximum() -> None:
    nodes = [NodeView(id=1, status=STARTING), NodeView(id=2, status=STOPPING)]
    assert plan(jobs=100, nodes=nodes).add == 1


def test_a_node_that_somebody_started_counts_too_and_is_left_alone() -> None:
    assert plan(jobs=100, by_hand=2).add == 1
    assert plan(jobs=100, by_hand=5).add == 0
    assert plan(jobs=2, by_hand=1).add == 0


def test_an_idle_node_goes_only_after_its_time_and_never_while_it_works() -> None:
    assert plan(nodes=[up(1, idle_for_s=59)]).stop_if_idle == []
    assert plan(nodes=[up(1, idle_for_s=60)]).stop_if_idle == [1]
    assert plan(nodes=[up(1, idle_for_s=60, jobs=1)]).stop_if_idle == []


def test_no_node_goes_that_the_work_needs() -> None:
    assert plan(jobs=3, nodes=[up(1, idle_for_s=99), up(2, idle_for_s=99)]).stop_if_idle == []


def test_the_longest_idle_goes_first() -> None:
    nodes = [up(1, idle_for_s=70), up(2, idle_for_s=300), up(3, jobs=1)]
    assert plan(jobs=2, nodes=nodes).stop_if_idle == [2, 1]


def test_a_lower_maximum_drains_the_surplus_the_least_busy_first() -> None:
    nodes = [up(1, jobs=2), up(2, jobs=1), up(3, jobs=2), NodeView(id=4, status=STARTING)]
    assert plan(max_nodes=2, jobs=5, nodes=nodes).drain == [4, 2]


def test_what_drains_is_kept_when_work_comes_and_stops_when_it_does_not() -> None:
    draining = NodeView(id=1, status=DRAINING, is_alive=True, jobs=1)
    assert plan(jobs=1, nodes=[draining]).keep == [1]
    assert plan(jobs=1, nodes=[draining]).add == 0
    assert plan(jobs=0, nodes=[draining]).stop_drained == [1]


def test_a_node_that_is_silent_has_failed_and_is_replaced_at_once() -> None:
    planned = plan(jobs=1, max_nodes=1, nodes=[NodeView(id=1, status=UP)])
    assert [row for row, _ in planned.failed] == [1]
    assert planned.add == 1


def test_a_node_that_was_stopped_on_its_machine_is_gone() -> None:
    planned = plan(nodes=[NodeView(id=1, status=UP, said_goodbye=True)])
    assert (planned.gone, planned.failed) == ([1], [])


def test_a_start_that_takes_too_long_has_failed() -> None:
    assert plan(nodes=[NodeView(id=1, status=STARTING, age_s=601)]).failed == [
        (1, "It did not come up within 10 minutes.")
    ]


def test_a_node_of_another_version_drains_and_is_replaced() -> None:
    planned = plan(jobs=2, nodes=[up(1, jobs=1, is_to_go=True)])
    assert (planned.drain, planned.add) == ([1], 1)


def test_a_pool_that_was_deleted_lets_everything_go() -> None:
    planned = plan(is_closed=True, min_nodes=2, jobs=1, nodes=[up(1, jobs=1), NodeView(id=2, status=STARTING)])
    assert (planned.drain, planned.add) == ([2, 1], 0)


def test_a_paused_pool_keeps_its_nodes_and_adds_none() -> None:
    planned = plan(is_paused=True, jobs=9, nodes=[up(1, idle_for_s=900)])
    assert (planned.add, planned.stop_if_idle, planned.drain) == (0, [], [])


NODES = st.lists(
    st.builds(
        NodeView,
        id=st.integers(1, 10_000),
        status=st.sampled_from([UP, STARTING, DRAINING, STOPPING]),
        age_s=st.floats(0, 2000),
        is_alive=st.booleans(),
        said_goodbye=st.booleans(),
        jobs=st.integers(0, 4),
        idle_for_s=st.floats(0, 500),
        is_to_go=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda node: node.id,
)
POOLS = st.builds(
    PoolView,
    min_nodes=st.integers(0, 3),
    max_nodes=st.integers(3, 6),
    idle_s=st.floats(0, 300),
    start_s=st.just(600.0),
    load=st.fractions(0, 60, max_denominator=12),
    nodes=NODES,
    by_hand=st.integers(0, 8),
    is_closed=st.booleans(),
    is_paused=st.booleans(),
)


@given(POOLS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_there_is_the_bounds_hold_and_no_node_that_works_is_stopped(pool: PoolView) -> None:
    planned = plan_for(pool, lease_s=LEASE_S)
    ended = {*planned.gone, *(row for row, _ in planned.failed)}
    live = len(pool.nodes) - len(ended)
    assert planned.add == 0 or live + planned.add + pool.by_hand <= pool.max_nodes
    working = {node.id for node in pool.nodes if node.jobs}
    assert not working & set(planned.stop_if_idle)
    deeds = [*planned.gone, *planned.stop_if_idle, *planned.keep, *planned.stop_drained]
    deeds += [row for row, _ in planned.failed]
    assert len(deeds) == len(set(deeds)), "one thing at a time for a node"
    assert not ended & set(planned.drain)
    assert not set(planned.keep) & set(planned.drain)


@given(POOLS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_wanted_lies_within_the_bounds_and_is_enough(pool: PoolView) -> None:
    wanted = wanted_nodes(pool)
    if pool.is_closed:
        assert wanted == 0
        return
    together = wanted + pool.by_hand
    assert together <= max(pool.max_nodes, pool.by_hand)
    assert together >= min(pool.max_nodes, max(pool.min_nodes, math.ceil(pool.load)))
