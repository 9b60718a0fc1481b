"""Why a job waits, in words: the first thing that stands in its way."""

import pytest

from compute.models import Quota
from compute.quotas import AtLimit
from compute.resources import Capacity
from compute.spec import Resources
from compute.states import Intake, QuotaScope
from compute.waiting import NodeNow, TargetNow, Waiting, too_large_in_words, why

GB = 10**9
WHOLE = Capacity(cpus=4, memory_bytes=16 * GB, gpus=2)


def node(name: str = "a", *, free: Capacity = WHOLE, is_open: bool = True, slots_free: int = 1) -> NodeNow:
    return NodeNow(name, is_open, WHOLE, free, slots_free)


def target(*nodes: NodeNow, intake: Intake = Intake.OPEN) -> TargetNow:
    return TargetNow("training", intake, nodes)


def pool(*had: Capacity, **is_so: bool) -> TargetNow:
    """Without a node that lives."""
    return TargetNow("burst", Intake.OPEN, [], is_pool=True, had=had, **is_so)


def job(position: int | None = 1, *, ahead: dict[str, int] | None = None, **request: object) -> Waiting:
    return Waiting(Resources(**request), position, ahead or {})


@pytest.mark.parametrize(
    ("waiting", "there", "words"),
    [
        (Waiting(Resources(), 1, due_in_s=39.6), target(node()), "It is tried again in 40 s"),
        (job(), target(node(), intake=Intake.PAUSED), "“training” is paused"),
        (job(), target(node(), intake=Intake.DRAINING), "“training” is draining: nothing new starts there"),
        (job(), target(), "No node of this target lives"),
        (
            Waiting(Resources(), 1, beside=frozenset({"a", "b"})),
            target(node(), node("b")),
            "Waits for a node of its own: every node works on another part of the same",
        ),
        (Waiting(Resources(), 1, beside=frozenset({"a"})), target(node(), node("b")), "Starts in a moment"),
        (job(), pool(), "Its pool starts a node in a moment"),
        (job(), pool(is_in_trouble=True), "Its pool could not start a node: the pool's page says why"),
        (job(), pool(is_starting=True), "Waits for a node: its pool is starting one"),
        (job(gpus=3), pool(WHOLE, is_starting=True), "No node of this pool has 3 GPUs: the largest has 2 GPUs"),
        (
            Waiting(Resources(), 1, at_limit=AtLimit(Quota(), 2, 2), whose_limit="carl"),
            pool(WHOLE),
            "carl runs 2 steps: a quota allows 2 at once",
        ),
        (job(), target(node(is_open=False)), "Every node that lives is paused or draining"),
        (
            job(memory_bytes=64 * GB),
            target(node()),
            "No node that lives has 64 GB of memory: the largest has 16 GB of memory",
        ),
        (job(gpus=3), target(node()), "No node that lives has 3 GPUs: the largest has 2 GPUs"),
        (
            job(gpus=2),
            target(node(free=Capacity(4, 16 * GB, 1)), node("b", free=Capacity(4, 16 * GB, 0))),
            "Waits for 2 GPUs: node a has 1 free of 2",
        ),
        (
            job(cpus=3, memory_bytes=8 * GB),
            target(node(free=Capacity(4, 2 * GB, 0)), node("b", free=Capacity(0.5, 16 * GB, 0))),
            "Waits for 8 GB of memory: node a has 2 GB free of 16 GB",
        ),
        (job(), target(node(slots_free=0)), "Next in line: every slot is busy"),
        (job(), target(node()), "Starts in a moment"),
        (job(3, ahead={"ada's": 2}), target(node()), "3rd in line: 2 of ada's steps before it"),
        (job(2, ahead={"bob's": 1}), target(node()), "2nd in line: 1 of bob's steps before it"),
        (
            job(5, ahead={"ada's": 2, "bob's": 1, "other workspaces'": 1}),
            target(node()),
            "5th in line: 2 of ada's, 1 of bob's and 1 of other workspaces' steps before it",
        ),
        (job(112), target(node()), "112th in line"),
        (job(None), target(node()), "Many steps go before it"),
    ],
)
def test_the_first_thing_in_its_way_is_said(waiting: Waiting, there: TargetNow, words: str) -> None:
    assert why(waiting, there) == words


def test_a_quota_is_named_with_its_numbers() -> None:
    whole = Quota(scope=QuotaScope.WORKSPACE, running_steps=4)
    waiting = Waiting(Resources(), 1, at_limit=AtLimit(whole, 4, 4))
    assert why(waiting, target(node())) == "Your workspace runs 4 steps: a quota allows 4 at once"
    own = Quota(scope=QuotaScope.EACH, running_steps=2)
    waiting = Waiting(Resources(), 1, at_limit=AtLimit(own, 2, 2), whose_limit="ada")
    assert why(waiting, target(node())) == "ada runs 2 steps: a quota allows 2 at once"


def test_what_is_there_but_not_together_is_said_so() -> None:
    nodes = [Capacity(16, 8 * GB, 0), Capacity(2, 64 * GB, 1)]
    asked = Resources(cpus=8, gpus=1)
    assert too_large_in_words(asked, nodes, largest="x") == {"": "No node has 8 CPUs and 1 GPU together"}
    assert too_large_in_words(Resources(cpus=17), nodes, largest="The largest") == {"cpus": "The largest has 16 CPUs"}
    assert too_large_in_words(Resources(cpus=8), nodes, largest="x") == {}
