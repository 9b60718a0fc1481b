"""CPUs are dealt out so that steps stand in each other's way as little as can be."""

import pytest

from compute.execution.bounds.affinity import Cpus


def test_each_step_gets_other_ones_while_there_are_any() -> None:
    cpus = Cpus(range(4))
    first, second = cpus.take(1.5), cpus.take(2)
    assert (first, second) == ({0, 1}, {2, 3})
    assert first is not None
    cpus.give_back(first)
    assert cpus.take(1) == {0}


@pytest.mark.parametrize("wanted", [4, 4.5, 4096, 3.1])
def test_all_that_there_are_is_no_limit(wanted: float) -> None:
    assert Cpus(range(4)).take(wanted) is None
