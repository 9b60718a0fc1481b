"""Which ways on the page of a run offers."""

import pytest

from pipelines.run_page import WaysOn, ways_on

UNTOLD = {"finished_at": None, "exit_code": 1, "reason": "", "log_tail": [], "has_job": True}


def state(status: str, *steps: str, cancelling: bool = False) -> dict:
    return {
        "status": status,
        "reason": "",
        "cancel_requested_at": "2026-01-01T00:00:00+00:00" if cancelling else None,
        "steps": [{"name": f"s{at}", "status": each, **UNTOLD} for at, each in enumerate(steps)],
    }


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (state("failed", "completed", "failed", "skipped"), WaysOn(True, "Continue from the failed step", "s1")),
        (state("cancelled", "completed", "cancelled", cancelling=True), WaysOn(True, "Continue", None)),
        (state("cancelled", "failed", "cancelled"), WaysOn(True, "Continue from the failed step", "s0")),
        (state("running", "failed", "running"), WaysOn(True, "Continue from the failed step", "s0")),
        (state("running", "failed", "running", cancelling=True), WaysOn(False, "Continue from the failed step", None)),
        (state("running", "completed", "running"), WaysOn(False, "Continue", None)),
        (state("completed", "completed"), WaysOn(False, "Continue", None)),
    ],
)
def test_ways_on(given: dict, wanted: WaysOn) -> None:
    assert ways_on(given) == wanted
