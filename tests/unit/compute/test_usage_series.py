"""What a step used over time keeps its shape in a bounded number of points."""

from hypothesis import given
from hypothesis import strategies as st

from compute.execution.usage.series import MAX_POINTS, Point, Recorder, UsageTotals


def _point(at_s: float, memory_bytes: int = 1) -> Point:
    return Point(at_s=at_s, cpu_s=at_s / 2, memory_bytes=memory_bytes, read_bytes=int(at_s), written_bytes=0)


@given(st.lists(st.floats(0.01, 1000), max_size=700))
def test_however_long_it_runs_the_points_are_few_and_in_order(gaps: list[float]) -> None:
    recorder = Recorder()
    at_s = 0.0
    for gap in gaps:
        at_s += gap
        recorder.take(_point(at_s))
    assert len(recorder.points) <= MAX_POINTS
    times = [point.at_s for point in recorder.points]
    assert times == sorted(times)
    if gaps:
        assert times[-1] == at_s, "the last instant is there"


def test_a_day_keeps_its_highest_moment() -> None:
    recorder = Recorder()
    for second in range(0, 86_400, 5):
        recorder.take(_point(second, memory_bytes=10_000 if second == 43_200 else 10))
    series = recorder.series(UsageTotals())
    assert MAX_POINTS / 2 - 1 <= len(series.at_s) <= MAX_POINTS
    assert max(series.memory_bytes) == 10_000
    assert series.at_s[series.memory_bytes.index(10_000)] - 43_200 < series.every_s
    assert series.cpu_s[-1] == series.at_s[-1] / 2
    assert (series.gpu_percent, series.gpu_memory_bytes) == ([], [])


def test_points_of_one_stretch_become_one() -> None:
    recorder = Recorder()
    recorder.take(_point(0.1, memory_bytes=5))
    recorder.take(_point(0.9, memory_bytes=3))
    recorder.take(_point(1.2, memory_bytes=1))
    assert [(point.at_s, point.memory_bytes) for point in recorder.points] == [(0.9, 5), (1.2, 1)]
