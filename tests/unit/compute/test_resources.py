"""What is asked for and what there is: compared and put into words."""

import pytest

from compute.resources import Capacity, bytes_in_words, fits, in_words, lacking, spares, total
from compute.spec import Resources

GB = 10**9
NODE = Capacity(cpus=4, memory_bytes=8 * GB, gpus=2)


@pytest.mark.parametrize(
    ("request_", "missing"),
    [
        (Resources(), []),
        (Resources(cpus=4, memory_bytes=8 * GB, gpus=2), []),
        (Resources(cpus=4.01), ["cpus"]),
        (Resources(memory_bytes=8 * GB + 1), ["memory_bytes"]),
        (Resources(cpus=8, gpus=3), ["cpus", "gpus"]),
    ],
)
def test_a_request_fits_where_there_is_as_much_of_everything(request_: Resources, missing: list[str]) -> None:
    assert lacking(request_, NODE) == missing
    assert fits(request_, NODE) is not bool(missing)


def test_nobody_is_given_what_nobody_knows_to_be_there() -> None:
    unknown = Capacity(cpus=None, memory_bytes=None)
    assert fits(Resources(), unknown)
    assert lacking(Resources(cpus=0.1, memory_bytes=GB), unknown) == ["cpus", "memory_bytes"]


def test_tenths_of_a_cpu_add_up() -> None:
    taken = total([Resources(cpus=0.1)] * 9)
    assert fits(Resources(cpus=0.1), Capacity(cpus=1, memory_bytes=GB).less(taken))
    assert not fits(Resources(cpus=0.11), Capacity(cpus=1, memory_bytes=GB).less(taken))


def test_a_node_that_has_less_than_before_has_nothing_free_not_less_than_nothing() -> None:
    assert NODE.less(Resources(cpus=9, memory_bytes=9 * GB, gpus=3)) == Capacity(cpus=0, memory_bytes=0, gpus=0)


def test_what_leaves_enough_of_the_things_that_are_set_aside_is_spared() -> None:
    waits = Resources(gpus=2)
    free = Capacity(cpus=4, memory_bytes=8 * GB, gpus=1)
    assert spares(Resources(), waits, free)
    assert spares(Resources(cpus=4), waits, free), "it asks for nothing that the other waits for"
    assert not spares(Resources(gpus=1), waits, free)
    assert spares(Resources(cpus=2), Resources(cpus=2, gpus=2), free), "as much remains"
    assert not spares(Resources(cpus=3), Resources(cpus=2, gpus=2), free)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (Resources(), ""),
        (Resources(cpus=1), "1 CPU"),
        (Resources(cpus=0.5, gpus=1), "0.5 CPUs and 1 GPU"),
        (Resources(cpus=2, memory_bytes=4 * GB, gpus=2), "2 CPUs, 4 GB of memory and 2 GPUs"),
    ],
)
def test_a_request_in_words(resources: Resources, words: str) -> None:
    assert in_words(resources) == words


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [(10**6, "1 MB"), (3 * GB // 2, "1.5 GB"), (8 * 1024**3, "8.58 GB"), (10**15, "1000 TB"), (GB - 1, "999 MB")],
)
def test_memory_in_words(size_bytes: int, words: str) -> None:
    assert bytes_in_words(size_bytes) == words
