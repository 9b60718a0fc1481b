"""Waiting for a run, with its states and logs as they come. What is asked is asked from where the last answer ended."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from studio_sdk.core._remote import OVER, status_of
from studio_sdk.data._transfer import patiently
from studio_sdk.exceptions import ActivityFailedException

if TYPE_CHECKING:
    from studio_sdk.core.run import Run

POLL_S = 0.5
LONGEST_POLL_S = 3.0
PATIENCE_S = 1800.0  # with a studio that is down: a run goes on without anybody who watches
_LINES = 2000
_WITH_LOG = ("preparing", "running", "completed", "failed", "cancelled")


class _Watch:
    """What was told so far of a run."""

    def __init__(self, run: Run, show_output: bool) -> None:
        self._run, self._show = run, show_output
        self._status: dict[str, str] = {}
        self._lines: dict[str, int] = {}
        self._whole: set[str] = set()
        self._attempts: dict[str, int] = {}
        self._held: dict[str, tuple[int, str] | None] = {}  # the last line of a log that goes on
        self._told: dict[str, tuple[int, str]] = {}  # the last line that was printed

    def look(self) -> tuple[bool, bool]:
        """Whether it is over, and whether there was anything new."""
        path = f"/runs/{self._run._number}/"
        state = patiently(lambda: self._run._client.get(path), PATIENCE_S)
        steps = [step for step in state["steps"] if self._run._step in ("", step["name"])]
        is_new = False
        for step in steps:
            is_new |= self._tell_step(step)
        watched = steps[0] if self._run._step else state
        if self._run._step == "" and self._status.get("") != state["status"]:
            self._status[""] = state["status"]
            self._say(f"Run {self._run.id}: {status_of(state)}.")
            is_new = True
        return watched["status"] in OVER and self._is_read(steps), is_new

    def _tell_step(self, step: Mapping[str, Any]) -> bool:
        name, status = str(step["name"]), str(step["status"])
        # A step without a process, as a search, says in its reason how far it is.
        now = status if step["job_id"] is not None or status in OVER else f"{status} {step['reason']}"
        was = self._status.get(name)
        if self._attempts.get(name) and self._attempts[name] != step["attempt"]:
            self._read(name)
            self._lines.pop(name, None)
            self._held.pop(name, None)
            self._told.pop(name, None)
            self._whole.discard(name)
        self._attempts[name] = step["attempt"]
        is_new = now != was
        if is_new and status not in OVER:
            self._tell_status(step)
        if self._show and _has_log(step) and name not in self._whole:
            is_new |= self._read(name)
        if is_new and status in OVER and now != was:
            self._tell_status(step)
        self._status[name] = now
        return is_new

    def _tell_status(self, step: Mapping[str, Any]) -> None:
        words = "Reused" if step.get("reused_from") else status_of(step)
        reason = f": {step['reason']}" if step.get("reason") else "."
        if step["status"] != "waiting":
            self._say(f"Step {step['name']}: {words}{reason}")

    def _read(self, name: str) -> bool:
        """Prints the lines that came; whether there were any."""
        from studio_sdk.core._remote import _step_path

        start = self._lines.get(name, 0)
        attempt = self._attempts.get(name)
        is_new = False
        while True:
            query = {"start": str(start), "count": str(_LINES), **({"attempt": str(attempt)} if attempt else {})}
            page = patiently(partial(self._run._client.get, f"{_step_path(self._run, name)}log/", **query), PATIENCE_S)
            lines = list(page["lines"])
            at_end = start + len(lines) >= page["total_lines"]
            # The last line may be unfinished: it is asked for again, and told once it stays as it is.
            held = lines.pop() if lines and at_end and not page["complete"] else None
            for line in lines:
                is_new |= self._tell_line(name, line["n"], line["t"])
            if held is not None and self._held.get(name) == (held["n"], held["t"]):
                is_new |= self._tell_line(name, held["n"], held["t"])
            self._held[name] = (held["n"], held["t"]) if held is not None else None
            start += len(lines)
            self._lines[name] = start
            if at_end:
                if page["complete"]:
                    self._whole.add(name)
                return is_new

    def _tell_line(self, name: str, number: int, text: str) -> bool:
        if self._told.get(name) == (number, text):
            return False
        self._told[name] = (number, text)
        self._say(f"[{name}] {text}")
        return True

    def _is_read(self, steps: list[Mapping[str, Any]]) -> bool:
        if not self._show:
            return True
        return all(step["name"] in self._whole or not _has_log(step) for step in steps)

    def _say(self, text: str) -> None:
        if self._show:
            print(text, flush=True)


def wait(run: Run, *, show_output: bool, raise_on_error: bool, timeout_s: float = math.inf) -> dict[str, Any]:
    """Until it is over, or the time is up. Raises ActivityFailedException."""
    if show_output:
        print(f"Run {run.id}: {run.get_portal_url()}", flush=True)
    watch = _Watch(run, show_output)
    pause, until = POLL_S, time.monotonic() + timeout_s
    while True:
        is_over, is_new = watch.look()
        if is_over:
            break
        left = until - time.monotonic()
        if left <= 0:
            print(f"Run {run.id} is not over after {timeout_s:g} s: it goes on.", flush=True)
            break
        pause = POLL_S if is_new else min(pause * 1.5, LONGEST_POLL_S)
        time.sleep(min(pause, left))
    details = patiently(run.get_details, PATIENCE_S)
    if details["status"] in ("Failed", "Canceled"):
        reason = why(run)
        if show_output:
            print(reason, file=sys.stderr, flush=True)
        if raise_on_error:
            raise ActivityFailedException(reason)
    return details


def _has_log(step: Mapping[str, Any]) -> bool:
    """A step without a process has none, nor has one that took an earlier result."""
    return bool(
        step["status"] in _WITH_LOG and step["attempt"] and step["job_id"] is not None and not step["reused_from"]
    )


def why(run: Run) -> str:
    """Why it came to nothing: what the studio says, and the last words of the steps that failed."""
    state = patiently(lambda: run._client.get(f"/runs/{run._number}/"), PATIENCE_S)
    steps = [step for step in state["steps"] if run._step in ("", step["name"])]
    watched = steps[0] if run._step else state
    word = (
        "was cancelled"
        if watched["status"] == "cancelled"
        else "was not run"
        if watched["status"] == "skipped"
        else "failed"
    )
    said = [f"Run {run.id} {word}" + (f": {watched['reason']}" if watched["reason"] else ".")]
    for step in steps:
        if step["status"] == "failed":
            if not run._step:
                said.append(f"Step {step['name']}: {step['reason']}")
            said += [f"  {line}" for line in _last_words(step)]
    return "\n".join(said)


def _last_words(step: Mapping[str, Any]) -> list[str]:
    return [str(line["t"] if isinstance(line, Mapping) else line) for line in step.get("log_tail") or []]
