"""How many nodes the work of a pool would fill."""

from fractions import Fraction

import pytest

from compute.pools.load import nodes_filled
from compute.resources import Capacity
from compute.spec import Resources

NODE = Capacity(cpus=4.0, memory_bytes=16 * 10**9, gpus=2)
ANYTHING = Resources()


@pytest.mark.parametrize(
    ("asked", "count", "filled"),
    [
        (ANYTHING, 0, 0),
        (ANYTHING, 3, Fraction(1, 2)),  # six slots
        (Resources(cpus=2), 4, 2),
        (Resources(cpus=3), 4, 4),  # two of them fit on no node, though its CPUs would do for one and a third
        (Resources(cpus=0.1), 6, 1),  # more would fit, were there slots
        (Resources(memory_bytes=5 * 10**9), 6, 2),
        (Resources(gpus=1), 5, Fraction(5, 2)),
        (Resources(cpus=1, gpus=2), 2, 2),
        (Resources(cpus=4.5), 7, 0),  # no number of nodes runs them
        (Resources(gpus=3), 1, 0),
    ],
)
def test_a_kind_of_job(asked: Resources, count: int, filled: Fraction) -> None:
    assert nodes_filled([(asked, count)], slots=6, node=NODE) == filled


def test_kinds_of_jobs_add_up_exactly() -> None:
    assert nodes_filled([(Resources(cpus=share), 1) for share in (1.0, 1.1, 1.2)] * 3, slots=3, node=NODE) == 3


def test_before_any_node_has_told_what_it_has_slots_alone_count() -> None:
    assert nodes_filled([(Resources(cpus=3), 4)], slots=2, node=None) == 2


def test_what_a_node_does_not_know_of_itself_it_gives_to_nobody() -> None:
    unknown = Capacity(cpus=None, memory_bytes=None)
    assert nodes_filled([(Resources(cpus=1), 4)], slots=2, node=unknown) == 0
    assert nodes_filled([(Resources(gpus=1), 4)], slots=2, node=Capacity(None, None, gpus=1)) == 4
