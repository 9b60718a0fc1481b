"""The benchmark's parts that need no studio: its pipelines, its bare processes, its arithmetic and its table."""

import json
import os
import sys
from pathlib import Path

from pipelines.definition import PipelineDefinition
from studio.installation.bench.figures import MEASUREMENTS, Figure, Measured
from studio.installation.bench.report import details, table
from studio.installation.bench.studio_side import Done, phases
from studio.installation.bench.workloads import CHAIN_STEPS, FAN_STEPS, Bare, bare_from, chain, fan, single

SOURCE = "0" * 64


def bare(tmp_path: Path) -> Bare:
    said = json.dumps({"python": sys.executable, "environment": {**os.environ, "STUDIO_JOB": "x"}})
    return bare_from(said, tmp_path / "bare")


def test_the_pipelines_are_of_the_right_shape_and_never_reuse() -> None:
    for definition, steps in (
        (chain(SOURCE), CHAIN_STEPS),
        (fan(SOURCE, 5), FAN_STEPS + 2),
        (single(SOURCE, "a.py"), 1),
    ):
        parsed = PipelineDefinition.model_validate(definition)
        assert len(parsed.steps) == steps
        assert not any(step.allow_reuse for step in parsed.steps)
    gather = PipelineDefinition.model_validate(fan(SOURCE, 5)).steps[-1]
    assert len(gather.inputs) == FAN_STEPS
    assert gather.arguments.count("${{inputs.") == FAN_STEPS


def test_bare_processes_do_the_whole_work(tmp_path: Path) -> None:
    processes = bare(tmp_path)
    assert "STUDIO_JOB" not in processes.environment
    assert processes.chain_s() > 0
    numbers = sorted(int(path.read_text()) for path in processes.home.glob("*/*/number"))
    assert numbers == list(range(1, CHAIN_STEPS + 1))
    assert 0 < processes.first_line_s() < 30


def test_where_the_time_goes_is_read_from_the_rows() -> None:
    def at(seconds: float) -> str:
        return f"2026-01-01T00:00:{seconds:06.3f}+00:00"

    steps = [{"name": name, "queued_at": at(start)} for name, start in (("a", 0.0), ("b", 1.0), ("c", 2.0))]
    attempts = {
        name: {"claimed_at": at(start + 0.01), "started_at": at(start + 0.03), "finished_at": at(start + 0.9)}
        for name, start in (("a", 0.0), ("b", 1.0), ("c", 2.0))
    }
    found = phases(Done(id=1, wall_s=3.0, state={"steps": steps}), attempts)
    assert [round(phase.median_ms) for phase in found] == [10, 20, 870, 100]


def test_the_table_says_what_was_reached() -> None:
    by_name = {measurement.name: measurement for measurement in MEASUREMENTS}
    values = {"chain_overhead_ms": 12.0, "log_mb_per_s": 12.0, "fanout_of_nothing_ratio": 2.0}
    results = {
        name: (by_name[name], Measured(Figure(value, "unit", 1.0, 1.5), [(1.5, 1.0)], []))
        for name, value in values.items()
    }
    lines = table(results).splitlines()
    assert lines[1].endswith("reached")
    assert lines[2].endswith("missed")
    assert "reached" not in lines[3]
    assert "missed" not in lines[3]
    assert "1.500 / 1.000" in details(*results["log_mb_per_s"])
