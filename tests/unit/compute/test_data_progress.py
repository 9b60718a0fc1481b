"""What a transfer says of itself."""

import pytest

from compute.data.progress import Progress, size, size_of


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (4e9, "4.0 GB"),
        (1.25e12, "1.2 TB"),
        (123_456_789, "123 MB"),
    ],
)
def test_sizes_are_short(size_bytes: float, said: str) -> None:
    assert size(size_bytes) == said


def test_a_part_is_told_in_the_unit_of_the_whole() -> None:
    assert size_of(1_200_000_000, 4_000_000_000) == "1.2 of 4.0 GB"
    assert size_of(5_000_000, 4_200_000_000) == "0.0 of 4.2 GB"


def test_a_line_tells_share_and_rate() -> None:
    progress = Progress("Downloading images")
    for _ in range(2):
        progress.found(2_000_000_000)
    progress.moved(1_200_000_000)
    progress.done()
    assert progress.line().startswith("Downloading images: 1.2 GB so far, 1 of 2 or more files, ")
    progress.is_listed = True
    assert progress.line(elsewhere_bytes=800_000_000).startswith(
        "Downloading images: 2.0 of 4.0 GB (50 %), 1 of 2 files, "
    )
    assert progress.line().endswith("/s")


def test_who_waits_for_another_step_says_so() -> None:
    progress = Progress("Downloading images")
    progress.found(1_000_000)
    progress.is_listed = True
    assert progress.line(elsewhere_bytes=500_000) == (
        "Downloading images: 0.5 of 1.0 MB (50 %), brought by another step of this node"
    )
    assert progress.line().endswith(", 0 bytes/s")


def test_the_last_line_tells_where_it_came_from() -> None:
    progress = Progress("Downloading images")
    progress.found(3000)
    progress.cached(3000)
    assert progress.summary("Downloaded images") == (
        "Downloaded images: 3.0 kB in 1 file, all of it from this node's cache."
    )
    progress.found(5000)
    progress.moved(4000)
    progress.kept(1000)
    said = progress.summary("Downloaded images")
    assert said.startswith("Downloaded images: 8.0 kB in 2 files, 4.0 kB in ")
    assert said.endswith("3.0 kB from this node's cache, 1.0 kB that an earlier attempt had brought.")
