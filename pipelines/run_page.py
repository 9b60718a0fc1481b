"""What the page of a run says before its script takes over, from the run's state. `static/src/run/store.js` agrees."""

import re
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipelines.states import RUN_TERMINAL, STEP_UNDONE, RunStatus, StepStatus

TAIL_LINES = 12
OTHERS_SHOWN = 20
ROWS = 200  # of the table, before somebody asks for more
_ALSO = (StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED, StepStatus.NOT_TAKEN)
_AT_WORK = (StepStatus.PREPARING, StepStatus.RUNNING)
ASKING = "asking"
_NEVER = datetime.max.replace(tzinfo=UTC)
# What colours and moves the cursor of a terminal means nothing on a page without one.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


@dataclass(frozen=True, slots=True)
class TailLine:
    """One of the last lines of a log."""

    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """What a reader of a failed run wants to know first. Without a step, the run itself could not go on."""

    step: str | None
    has_log: bool = False
    exit_words: str = ""
    reason: str = ""
    tail: list[TailLine] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    more_others: int = 0


@dataclass(frozen=True, slots=True)
class WaysOn:
    """What the page offers to do next. `static/src/run/ways_on.js` agrees."""

    can_continue: bool
    continue_words: str
    step_to_edit: str | None  # the one that failed first


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step as a line of the table. Seconds are None for what has not begun."""

    name: str
    shown_status: str
    waited_s: float | None
    worked_s: float | None
    note: str


def failure_of(state: Mapping[str, Any]) -> Failure | None:
    """The step that failed first, its last lines, and the names of the others; None where nothing failed."""
    failed = [step for step in state["steps"] if step["status"] == StepStatus.FAILED]
    if not failed:
        return Failure(step=None, reason=state["reason"]) if state["status"] == RunStatus.FAILED else None
    failed.sort(key=lambda step: _instant(step["finished_at"]) or _NEVER)
    first, *others = failed
    return Failure(
        step=first["name"],
        has_log=first["has_job"],
        exit_words=exit_words(first["exit_code"]),
        reason="" if first["reason"] == _plain_reason(first["exit_code"]) else first["reason"] or state["reason"],
        tail=[_tail_line(line) for line in first["log_tail"][-TAIL_LINES:]],
        others=[step["name"] for step in others[:OTHERS_SHOWN]],
        more_others=max(0, len(others) - OTHERS_SHOWN),
    )


def ways_on(state: Mapping[str, Any]) -> WaysOn:
    """A run goes on where a step of it failed, or where it is over and not all was done; not while it is cancelled."""
    statuses = {step["status"] for step in state["steps"]}
    is_over = state["status"] in RUN_TERMINAL
    left = statuses & (STEP_UNDONE if is_over else {StepStatus.FAILED})
    can_continue = bool(left) and (is_over or not state["cancel_requested_at"])
    failure = failure_of(state) if can_continue else None
    words = "Continue from the failed step" if StepStatus.FAILED in statuses else "Continue"
    return WaysOn(can_continue, words, failure.step if failure else None)


def can_pause(state: Mapping[str, Any]) -> bool:
    return shown_status(state) in {RunStatus.QUEUED, RunStatus.RUNNING}


def may_ask(state: Mapping[str, Any]) -> bool:
    """Whether a step of it may wait for somebody's answer."""
    return any(step["status"] == StepStatus.RUNNING and not step["has_job"] for step in state["steps"])


def step_rows(state: Mapping[str, Any], now: datetime) -> list[StepRow]:
    """The first of them: the page's script shows more."""
    return [_row(step, now) for step in state["steps"][:ROWS]]


def run_seconds(state: Mapping[str, Any], now: datetime) -> float | None:
    return seconds_between(state["started_at"], state["finished_at"], now)


def steps_words(state: Mapping[str, Any]) -> str:
    """How far the run is: `2 of 4 steps completed, 1 failed, 1 skipped`."""
    counts = Counter(str(step["status"]) for step in state["steps"])
    reused = sum(1 for step in state["steps"] if step["reused_from"])
    total = len(state["steps"])
    words = [f"{counts[StepStatus.COMPLETED]} of {total} step{'' if total == 1 else 's'} completed"]
    more = {"reused": reused, **{status.label.lower(): counts[status] for status in _ALSO}}
    return ", ".join(words + [f"{count} {word}" for word, count in more.items() if count])


def shown_status(state: Mapping[str, Any]) -> str:
    """The run's status, but "cancelling" between the request and the end, and "paused" until somebody resumes it."""
    if state["status"] in RUN_TERMINAL:
        return str(state["status"])
    return "cancelling" if state["cancel_requested_at"] else "paused" if state["paused_at"] else str(state["status"])


def shown_step(step: Mapping[str, Any]) -> str:
    """The step's status, but "reused", and "asking" while it waits for an answer. `static/src/run/store.js` agrees."""
    if step["reused_from"]:
        return "reused"
    return ASKING if step["asks"] and step["status"] == StepStatus.RUNNING else str(step["status"])


def paused_words(state: Mapping[str, Any]) -> str:
    """Who paused the run, and what that means now. `static/src/run/ways_on.js` agrees."""
    if not state["paused_at"]:
        return ""
    running = sum(step["status"] in _AT_WORK and not step["asks"] for step in state["steps"])
    some = f"{running} {'step still runs to its' if running == 1 else 'steps still run to their'} end, and nothing"
    return f"Paused by {state['paused_by'] or 'somebody who is gone'}: {some if running else 'nothing'} further starts."


def seconds_between(start: datetime | str | None, end: datetime | str | None, now: datetime) -> float | None:
    """From `start` to `end`, or to `now` where there is none yet; never negative."""
    since = _instant(start)
    return None if since is None else max(0.0, ((_instant(end) or now) - since).total_seconds())


def exit_words(code: int | None) -> str:
    """An exit code in words: a negative one is the signal that ended the process, as are 128 + n of a shell."""
    if code is None:
        return ""
    if code < 0:
        return f"ended by {_signal_name(-code)}"
    return f"exit code {code} ({_signal_name(code - 128)})" if 128 < code < 160 else f"exit code {code}"


def _row(step: Mapping[str, Any], now: datetime) -> StepRow:
    if step["reused_from"]:
        note = step["reuse_note"] or f"Reused from run {step['reused_from']}"
        return StepRow(name=step["name"], shown_status=shown_step(step), waited_s=None, worked_s=None, note=note)
    note = step["reason"] or (step["reuse_note"] if step["status"] == StepStatus.WAITING else "")
    if step["status"] == StepStatus.FAILED:
        note = note or exit_words(step["exit_code"])
    elif not note and step["attempt"] > 1:
        note = f"Attempt {step['attempt']}"
    return StepRow(
        name=step["name"],
        shown_status=shown_step(step),
        waited_s=seconds_between(step["queued_at"], step["started_at"] or step["finished_at"], now),
        worked_s=seconds_between(step["started_at"], step["finished_at"], now),
        note=note,
    )


def _plain_reason(code: int | None) -> str:
    """What compute says where there is nothing to say but the exit code, which the headline has already."""
    return f"The script ended with exit code {code}."


def _instant(value: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail_line(line: Mapping[str, Any] | str) -> TailLine:
    text, stream = (line, "o") if isinstance(line, str) else (line["t"], line["s"])
    return TailLine(text=_ESCAPES.sub("", text.rstrip("\r").rpartition("\r")[2]), is_error=stream == "e")
