"""What a person reads of a benchmark."""

import os
import platform
from collections.abc import Mapping

from studio.installation.bench.figures import Measured, Measurement


def machine() -> str:
    """One line about where the figures come from; they compare only with others from the same machine."""
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, load {load:.1f}; "
        "SQLite, embedded broker, one node of 2 slots"
    )


def table(results: Mapping[str, tuple[Measurement, Measured]]) -> str:
    """All figures beside their bare processes and what is to be reached."""
    head = ("figure", "value", "unit", "bare", "ratio", "reach", "")
    rows = [head]
    for name, (measurement, measured) in results.items():
        figure = measured.figure
        sign = "≤" if measurement.better == "less" else "≥"
        verdict = {True: "reached", False: "missed", None: ""}[measurement.reached(figure)]
        reach = "" if measurement.reach is None else f"{sign} {measurement.reach:g}"
        numbers = (f"{figure.value:.2f}", figure.unit, f"{figure.bare:.2f}", f"{figure.ratio:.2f}")
        rows.append((name, *numbers, reach, verdict))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def details(measurement: Measurement, measured: Measured) -> str:
    """What was measured, every repetition, and where the time goes."""
    samples = ", ".join(f"{ours:.3f} / {theirs:.3f}" for ours, theirs in measured.samples)
    lines = [f"{measurement.name}: {measurement.what}", f"  studio / bare, seconds: {samples}"]
    lines += [f"  {phase.median_ms:8.1f} ms  {phase.name} (median over the steps)" for phase in measured.phases]
    return "\n".join(lines)
