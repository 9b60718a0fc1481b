"""What metrics cost: a million points of a series, until all of them can be read, beside as many lines in a file."""

from statistics import median

from studio.installation.bench.figures import Figure, Measured, Measurement
from studio.installation.bench.studio_side import StudioSide
from studio.installation.bench.workloads import POINTS, Bare, single


def metrics_of_a_million(studio: StudioSide, bare: Bare, repetitions: int) -> Measured:
    """A step completes once all that it said is stored."""
    pipeline = studio.pipeline("points", single(studio.source, "points.py"))
    samples = []
    for _ in range(repetitions):
        bare_s = bare.points_s()
        run = studio.run(pipeline)
        (metric,) = studio.client.get(f"runs/{run.id}/metrics/")["metrics"]
        if metric["count"] != POINTS:
            raise RuntimeError(f"Run {run.id} kept {metric['count']:,} of {POINTS:,} points.")
        samples.append((run.wall_s, bare_s))
    ours, theirs = median(ours for ours, _ in samples), median(theirs for _, theirs in samples)
    return Measured(Figure(ours, "s", theirs, ours / theirs), samples, [])


METRIC_MEASUREMENTS = [
    Measurement(
        "metrics_1m_s",
        f"one step that logs {POINTS:,} points of a series, until all can be read, beside as many lines in a file",
        10,
        "less",
        metrics_of_a_million,
    ),
]
