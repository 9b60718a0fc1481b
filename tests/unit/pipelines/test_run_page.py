"""What the page of a run says first."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.run_page import exit_words, failure_of, run_seconds, shown_status, step_rows, steps_words

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def step(name: str, status: str, **more: Any) -> dict[str, Any]:
    row = {
        "name": name,
        "status": status,
        "queued_at": None,
        "started_at": None,
        "finished_at": None,
        "attempt": 1,
        "exit_code": None,
        "reason": "",
        "reused_from": None,
        "reuse_note": "",
        "log_tail": [],
        "has_job": True,
        "asks": False,
    }
    return row | more


def state(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    row = {"status": "running", "reason": "", "started_at": None, "finished_at": None, "cancel_requested_at": None}
    return row | {"steps": list(steps)} | more


def test_the_step_that_failed_first_leads_with_its_last_lines() -> None:
    late = step("late", "failed", finished_at=NOW.isoformat(), exit_code=1)
    early = step(
        "early",
        "failed",
        finished_at=(NOW - timedelta(seconds=5)).isoformat(),
        exit_code=3,
        reason="The script ended with exit code 3.",
        log_tail=[f"line {n}" for n in range(30)] + ["10%\r\x1b[31m99%\x1b[0m\r"],
    )
    failure = failure_of(state(late, early, step("ok", "completed"), status="failed", reason="x"))
    assert failure
    assert (failure.step, failure.exit_words, failure.reason) == ("early", "exit code 3", "")
    assert failure.tail[-1].text == "99%"
    assert len(failure.tail) == 12
    assert failure.others == ["late"]


def test_a_reason_that_says_more_than_the_code_is_shown() -> None:
    killed = step("a", "failed", exit_code=137, reason="The script ended with exit code 137. That often means …")
    failure = failure_of(state(killed))
    assert failure
    assert failure.exit_words == "exit code 137 (SIGKILL)"
    assert failure.reason.endswith("often means …")


def test_nothing_failed() -> None:
    assert failure_of(state(step("a", "completed"))) is None


def test_a_run_can_fail_without_a_step() -> None:
    failure = failure_of(state(status="failed", reason="The target is gone."))
    assert failure
    assert (failure.step, failure.reason) == (None, "The target is gone.")


@pytest.mark.parametrize(
    ("code", "words"),
    [(None, ""), (0, "exit code 0"), (2, "exit code 2"), (-9, "ended by SIGKILL"), (-200, "ended by signal 200")],
)
def test_exit_codes_in_words(code: int | None, words: str) -> None:
    assert exit_words(code) == words


def test_rows_say_how_long_and_why() -> None:
    queued, claimed = NOW - timedelta(seconds=30), NOW - timedelta(seconds=20)
    rows = step_rows(
        state(
            step("running", "running", queued_at=queued.isoformat(), started_at=claimed.isoformat()),
            step("reused", "completed", reused_from=7),
            step("again", "queued", attempt=2),
            step("approval", "running", asks=True, has_job=False, reason="Waits for the answer of an owner."),
        ),
        NOW,
    )
    assert [(row.shown_status, row.waited_s, row.worked_s, row.note) for row in rows] == [
        ("running", 10, 20, ""),
        ("reused", None, None, "Reused from run 7"),
        ("queued", None, None, "Attempt 2"),
        ("asking", None, None, "Waits for the answer of an owner."),
    ]


def test_words_for_the_whole() -> None:
    run = state(step("a", "completed", reused_from=1), step("b", "failed"), step("c", "skipped"), step("d", "waiting"))
    assert steps_words(run) == "1 of 4 steps completed, 1 reused, 1 failed, 1 skipped"
    assert steps_words(state(step("a", "queued"))) == "0 of 1 step completed"


def test_cancelling_is_between_the_request_and_the_end() -> None:
    assert shown_status(state(cancel_requested_at=NOW)) == "cancelling"
    assert shown_status(state(cancel_requested_at=NOW, status="cancelled")) == "cancelled"


def test_a_run_that_has_not_started_has_no_duration() -> None:
    assert run_seconds(state(), NOW) is None
    assert run_seconds(state(started_at=NOW.isoformat()), NOW - timedelta(seconds=5)) == 0
