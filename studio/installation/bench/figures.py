"""The figures: what is measured, how, and what is to be reached."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Literal

from studio.installation.bench import downloads
from studio.installation.bench.studio_side import Phase, StudioSide, phases
from studio.installation.bench.workloads import (
    CHAIN_STEPS,
    FAN_LOOPS,
    LINE_BYTES,
    LOG_LINES,
    MANY_STEPS,
    WIDE_FAN_STEPS,
    Bare,
    chain,
    fan,
    many,
    reused_chain,
    single,
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One result, as `bench.json` has it. `ratio`: the studio's time, or rate, over that of the bare processes."""

    value: float
    unit: str
    bare: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with what a person wants to know beside it."""

    figure: Figure
    samples: list[tuple[float, float]]  # (studio, bare) seconds of each repetition
    phases: list[Phase]


@dataclass(frozen=True, slots=True)
class Measurement:
    """How one figure comes to be."""

    name: str
    what: str
    reach: float | None  # None: told for completeness
    better: Literal["less", "more"]
    measure: Callable[[StudioSide, Bare, int], Measured]

    def reached(self, figure: Figure) -> bool | None:
        if self.reach is None:
            return None
        return figure.value <= self.reach if self.better == "less" else figure.value >= self.reach


def chain_overhead(studio: StudioSide, bare: Bare, repetitions: int) -> Measured:
    pipeline = studio.pipeline("chain", chain(studio.source))
    runs = []
    samples = []
    for _ in range(repetitions):
        bare_s = bare.chain_s()
        runs.append(studio.run(pipeline))
        samples.append((runs[-1].wall_s, bare_s))
    overhead_s = median((ours - theirs) / CHAIN_STEPS for ours, theirs in samples)
    ours, theirs = _medians(samples)
    figure = Figure(1000 * overhead_s, "ms per step", 1000 * theirs / CHAIN_STEPS, ours / theirs)
    return Measured(figure, samples, phases(runs[-1], studio.attempts(runs[-1])))


def reuse(studio: StudioSide, bare: Bare, repetitions: int) -> Measured:
    pipeline = studio.pipeline("reused", reused_chain(studio.source))
    studio.run(pipeline)
    samples = [(studio.submit_s(pipeline), bare.chain_s()) for _ in range(max(3, repetitions))]
    ours, theirs = _medians(samples)
    return Measured(Figure(1000 * ours, "ms", 1000 * theirs, ours / theirs), samples, [])


def fanout(studio: StudioSide, bare: Bare, repetitions: int, *, loops: int = FAN_LOOPS) -> Measured:
    pipeline = studio.pipeline(f"fan-{loops}", fan(studio.source, loops))
    samples = []
    for _ in range(repetitions):
        bare_s = bare.fan_s(loops)
        samples.append((studio.run(pipeline).wall_s, bare_s))
    ratio = median(ours / theirs for ours, theirs in samples)
    return Measured(Figure(ratio, "times the bare time", _medians(samples)[1], ratio), samples, [])


def fanout_of_nothing(studio: StudioSide, bare: Bare, repetitions: int) -> Measured:
    return fanout(studio, bare, repetitions, loops=0)


def wide_fanout(studio: StudioSide, bare: Bare, _repetitions: int) -> Measured:
    """Once: it takes minutes."""
    pipeline = studio.pipeline("wide-fan", fan(studio.source, FAN_LOOPS, WIDE_FAN_STEPS))
    bare_s = bare.fan_s(FAN_LOOPS, WIDE_FAN_STEPS)
    samples = [(studio.run(pipeline).wall_s, bare_s)]
    ratio = samples[0][0] / bare_s
    return Measured(Figure(ratio, "times the bare time", bare_s, ratio), samples, [])


def submit_many(studio: StudioSide, bare: Bare, repetitions: int) -> Measured:
    definition = many(studio.source)
    pipeline = studio.pipeline("many", definition)
    samples = [(studio.submit_and_cancel_s(pipeline), bare.rows_s(definition)) for _ in range(min(3, repetitions))]
    ours, theirs = _medians(samples)
    return Measured(Figure(ours, "s", theirs, ours / theirs), samples, [])


def submit_to_first_line(studio: StudioSide, bare: Bare, repetitions: int) -> Measured:
    pipeline = studio.pipeline("first-line", single(studio.source, "first.py"))
    samples = [(studio.first_line_s(pipeline), bare.first_line_s()) for _ in range(5 * repetitions)]
    ours, theirs = _medians(samples)
    return Measured(Figure(1000 * ours, "ms", 1000 * theirs, ours / theirs), samples, [])


def log_throughput(studio: StudioSide, bare: Bare, repetitions: int) -> Measured:
    pipeline = studio.pipeline("log", single(studio.source, "lines.py"))
    samples = []
    for _ in range(repetitions):
        bare_s = bare.log_s()
        samples.append((studio.log_s(pipeline), bare_s))
    megabytes = LOG_LINES * LINE_BYTES / 1e6
    ours, theirs = _medians(samples)
    return Measured(Figure(megabytes / ours, "MB/s", megabytes / theirs, theirs / ours), samples, [])


def download_large(_studio: StudioSide, _bare: Bare, repetitions: int) -> Measured:
    return _beside_the_library(downloads.large_file(repetitions))


def download_small(_studio: StudioSide, _bare: Bare, repetitions: int) -> Measured:
    return _beside_the_library(downloads.many_small_files(repetitions))


def _beside_the_library(compared: downloads.Compared) -> Measured:
    figure = Figure(compared.ratio, "times s3fs's rate", compared.bare_mb_per_s, compared.ratio)
    return Measured(figure, compared.samples, [])


MEASUREMENTS = [
    Measurement(
        "chain_overhead_ms",
        f"{CHAIN_STEPS} Python steps in a chain, each reading its predecessor's file: time above the bare process",
        30,
        "less",
        chain_overhead,
    ),
    Measurement(
        "reuse_50_ms",
        f"{CHAIN_STEPS} Python steps in a chain that all take earlier results, from the submit call to its answer",
        100,
        "less",
        reuse,
    ),
    Measurement(
        "fanout_ratio",
        "1 → 100 → 1 Python steps, two at a time, each of the hundred computing for about a seventh of a second",
        1.3,
        "less",
        fanout,
    ),
    Measurement(
        "fanout_of_nothing_ratio",
        "the same with steps that only pass a file along: nearly all of a step's time is the start of its interpreter",
        None,
        "less",
        fanout_of_nothing,
    ),
    Measurement(
        "fanout_1000_ratio",
        f"1 → {WIDE_FAN_STEPS:,} → 1 of those that compute for about a seventh of a second, once",
        1.3,
        "less",
        wide_fanout,
    ),
    Measurement(
        "submit_10000_s",
        f"the submit call of a run of {MANY_STEPS:,} steps, beside as many rows of JSON into SQLite",
        5,
        "less",
        submit_many,
    ),
    Measurement(
        "submit_to_first_line_ms",
        "from the submit call until the first line of the first script can be read, on a warm node",
        60,
        "less",
        submit_to_first_line,
    ),
    Measurement(
        "log_mb_per_s",
        f"one step that prints {LOG_LINES:,} lines of {LINE_BYTES} bytes, until the last can be read",
        20,
        "more",
        log_throughput,
    ),
    Measurement(
        "download_large_ratio",
        f"a file of {downloads.LARGE_BYTES // 2**20} MB of an S3 server into a node's cache, beside s3fs (bare: MB/s)",
        0.8,
        "more",
        download_large,
    ),
    Measurement(
        "download_small_ratio",
        f"{downloads.SMALL_FILES:,} files of {downloads.SMALL_BYTES // 1000} kB in the same way (bare: MB/s)",
        0.8,
        "more",
        download_small,
    ),
]


def _medians(samples: list[tuple[float, float]]) -> tuple[float, float]:
    return median(ours for ours, _ in samples), median(theirs for _, theirs in samples)
