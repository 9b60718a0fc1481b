"""Which waiting job is next on a node: priority, then fair between people, then age; and when a node keeps room."""

from compute.queueing import Head, NodeLoad, holding_nodes, in_order, lane_of, to_try
from compute.resources import Capacity
from compute.spec import Resources

ADA, BOB, EVE = 1, 2, 3
NODE = Capacity(cpus=4, memory_bytes=None, gpus=0)


def head(job_id: int, person: int = ADA, *, priority: int = 0, cpus: float | None = None) -> Head:
    request = Resources(cpus=cpus)
    lane = lane_of(workspace_id=1, person=person, priority=priority, request=request)
    return Head(job_id, lane, 1, person, priority, age=job_id, request=request)


def order(*heads: Head, running: dict[int, int] | None = None, served: dict[int, int] | None = None) -> list[int]:
    return [each.job_id for each in in_order(heads, running or {}, served or {})]


def test_age_decides_between_equals() -> None:
    assert order(head(3), head(1), head(2)) == [1, 2, 3]


def test_whoever_has_fewer_running_goes_first() -> None:
    assert order(head(1, ADA), head(2, BOB), head(3, EVE), running={ADA: 2, BOB: 1}) == [3, 2, 1]


def test_of_two_with_as_many_running_the_one_goes_first_whose_turn_is_longer_ago() -> None:
    assert order(head(1, ADA), head(2, BOB), head(3, EVE), served={ADA: 20, BOB: 10}) == [3, 2, 1]


def test_priority_goes_before_fairness() -> None:
    assert order(head(1, BOB), head(2, ADA, priority=1), running={ADA: 5}) == [2, 1]


def test_jobs_stand_in_one_lane_only_where_nothing_but_age_tells_them_apart() -> None:
    base = {"workspace_id": 1, "person": ADA, "priority": 0, "request": Resources(cpus=1)}
    others = [
        {"workspace_id": 2},
        {"person": BOB},
        {"priority": 1},
        {"request": Resources(cpus=1, gpus=1)},
        {"apart": "a"},
    ]
    lanes = [lane_of(**base), *(lane_of(**base | other) for other in others)]
    assert len(set(lanes)) == len(lanes)
    assert all(0 <= lane < 2**63 for lane in lanes)
    assert lane_of(**base) == lane_of(**base)


def tried(*heads: Head, free: float, holds: bool) -> tuple[list[int], list[int]]:
    """The jobs that may start, and those for which it was asked whether the node keeps room."""
    asked: list[int] = []

    def holds_back_for(head: Head) -> bool:
        asked.append(head.job_id)
        return holds

    found = to_try(heads, free=Capacity(free, None), whole=NODE, holds_back_for=holds_back_for)
    return [each.job_id for each in found], asked


def test_what_does_not_fit_is_passed_over() -> None:
    assert tried(head(1, cpus=3), head(2, cpus=2), head(3), free=2, holds=False) == ([2, 3], [1])


def test_a_node_that_keeps_room_starts_only_what_leaves_as_much() -> None:
    assert tried(head(1, cpus=3), head(2, cpus=1), head(3), free=2, holds=True) == ([3], [1])


def test_room_is_kept_for_the_best_job_only() -> None:
    found, asked = tried(head(1, cpus=3), head(2, cpus=4), head(3, cpus=1), free=2, holds=False)
    assert (found, asked) == ([3], [1])


def test_no_room_is_kept_for_what_the_node_can_never_run() -> None:
    assert tried(head(1, cpus=5), head(2, cpus=1), free=2, holds=True) == ([2], [])


def test_one_node_keeps_room_at_first_and_one_more_for_each_further_period() -> None:
    small = NodeLoad(1, Capacity(1, None), running=0)
    busy, idle = NodeLoad(2, NODE, running=3), NodeLoad(3, NODE, running=1)

    def holding(waited_s: float) -> set[int]:
        return holding_nodes(Resources(cpus=2), [small, busy, idle], waited_s=waited_s, after_s=60)

    assert holding(59.9) == set()
    assert holding(60) == {3}
    assert holding(120) == {3, 2}
    assert holding(6000) == {3, 2}, "never one on which it does not fit"
