"""What a step's imports cost: in an interpreter that is kept ready, in a fresh one, and without a studio."""

import time
from statistics import median

from studio.installation.bench.figures import Figure, Measured, Measurement
from studio.installation.bench.left_out import LeftOut
from studio.installation.bench.studio_side import COLD, WARM, Phase, StudioSide
from studio.installation.bench.workloads import Bare, bare_from, single

_READY_S = 180.0


def warm_start(studio: StudioSide, _bare: Bare, repetitions: int) -> Measured:
    """From the submit call, or the start of the bare process, until the line after the imports can be read."""
    where = studio.run(studio.pipeline("where-warm", single(studio.source, "where.py", environment=WARM)))
    bare = bare_from(studio.said_by(where), studio.installation.home / "bare-warm")
    cold = studio.pipeline("cold-start", single(studio.source, "imports.py", environment=COLD))
    warm = studio.pipeline("warm-start", single(studio.source, "imports.py", environment=WARM))
    studio.first_line_s(cold)  # its environment is built, and what it imports compiled
    _wait_until_ready(studio, warm)
    samples, cold_s = [], []
    for _ in range(repetitions):
        bare_s = bare.first_line_s("imports.py")
        cold_s.append(studio.first_line_s(cold))
        samples.append((studio.first_line_s(warm), bare_s))
    ratio = median(ours / theirs for ours, theirs in samples)
    beside = [
        Phase("submitted → imported, warm", 1000 * median(ours for ours, _ in samples)),
        Phase("submitted → imported, cold", 1000 * median(cold_s)),
        Phase("started → imported, bare", 1000 * median(theirs for _, theirs in samples)),
    ]
    return Measured(
        Figure(ratio, "times the bare time", median(theirs for _, theirs in samples), ratio), samples, beside
    )


def _wait_until_ready(studio: StudioSide, pipeline: int) -> None:
    """The first steps teach the node what to import ahead."""
    ready = studio.pipeline("is-ready", single(studio.source, "ready.py", environment=WARM))
    until = time.monotonic() + _READY_S
    while time.monotonic() < until:
        studio.run(pipeline)
        if studio.said_by(studio.run(ready)) == "True":
            return
        time.sleep(0.5)
    raise LeftOut(f"no interpreter was ready within {_READY_S:.0f} s.")


WARM_MEASUREMENTS = [
    Measurement(
        "warm_start_ratio",
        "a step that imports pandas and scikit-learn, from the submit call until its next line, beside `python SCRIPT`",
        0.2,
        "less",
        warm_start,
    ),
]
