"""Watching a run over REST: its states and logs as they come, through restarts of the studio."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from studio_sdk._client import Client
from studio_sdk.exceptions import ServiceException

OVER = ("completed", "failed", "cancelled", "skipped", "not_taken")
_WORKS = ("preparing", "running", *OVER)
_SHORTEST_S, _LONGEST_S = 0.3, 5.0
_LAST_WORDS_S = 5.0  # that those of a step which is over may take
_PATIENCE_S = 600.0  # that a studio may be away
_LINES = 2000  # of one answer
_TAIL = 10

Answer = TypeVar("Answer")
_WORDS = {
    "queued": "Queued",
    "preparing": "Preparing",
    "running": "Running",
    "completed": "Finished",
    "failed": "Failed",
    "cancelled": "Canceled",
    "waiting": "NotStarted",
    "skipped": "Skipped",
    "not_taken": "NotTaken",
}


def status_word(status: str) -> str:
    """azureml's word for the studio's."""
    return _WORDS.get(status, status)


class Unhurried:
    """Asks again when the studio is away for a while. Raises ServiceException when that takes too long."""

    def __init__(self, client: Client, *, patience_s: float = _PATIENCE_S) -> None:
        self._client = client
        self._patience_s = patience_s

    def get(self, path: str, **query: str) -> Any:
        return self._patiently(lambda: self._client.get(path, **query))

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        began, pause_s, has_told = time.monotonic(), _SHORTEST_S, False
        while True:
            try:
                return ask()
            except ServiceException as error:
                if time.monotonic() - began > self._patience_s:
                    raise
                if not has_told:
                    has_told = True
                    print(f"{error} Waiting for it …", file=sys.stderr)
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_S)


class Watch:
    """Of one run, or with `only` of one step of it: what has been told so far.

    `tell` gets each line once.
    """

    def __init__(
        self,
        client: Client,
        run: int,
        *,
        only: str | None = None,
        show: bool = True,
        tell: Callable[[str], None] = print,
    ) -> None:
        self._asker = Unhurried(client)
        self._run = run
        self._only = only
        self._show = show
        self._tell = tell
        self._told: dict[str, tuple[str, int, str]] = {}  # by step: its status, which attempt, and how far it is
        self._read: dict[str, tuple[int, int]] = {}  # by step: the attempt, and how many lines of it
        self._last: dict[str, tuple[int, int, str]] = {}  # by step: the last line, which may become longer

    def until_over(self, timeout_s: float) -> dict[str, Any]:
        """The run as it is in the end, or when the time is up."""
        began, pause_s = time.monotonic(), _SHORTEST_S
        while True:
            state: dict[str, Any] = self._asker.get(f"/runs/{self._run}/")
            has_told = self.look(state) if self._show else False
            if self._is_over(state):
                return state
            left_s = timeout_s - (time.monotonic() - began)
            if left_s <= 0:
                self._tell(f"Timed out of waiting after {time.monotonic() - began:.0f} s.")
                return state
            pause_s = _SHORTEST_S if has_told else min(pause_s * 1.5, _LONGEST_S)
            time.sleep(min(pause_s, left_s))

    def look(self, state: Mapping[str, Any]) -> bool:
        """Tell what is new. Whether anything was."""
        is_new = False
        for step in sorted(state["steps"], key=lambda each: each["position"]):
            if self._only is None or step["name"] == self._only:
                is_new = self._look_at(step) or is_new
        return is_new

    def _look_at(self, step: Mapping[str, Any]) -> bool:
        name, status = step["name"], step["status"]
        is_new = False
        # A step without a process, as a search, says in its reason how far it is.
        now = (status, int(step["attempt"] or 0), step["reason"] if step["job_id"] is None else "")
        if self._told.get(name) != now and status != "waiting":
            is_ended = status in OVER
            if is_ended:
                self._log(step)
            self._told[name] = now
            reused = f", reused from run {step['reused_from']}" if step["reused_from"] else ""
            why = f": {step['reason']}" if step["reason"] and status != "completed" else ""
            self._tell(f"{self._mark(name)}{status_word(status)}{reused}{why}")
            is_new = True
        elif status in _WORKS and status not in OVER:
            is_new = self._log(step)
        return is_new

    def _log(self, step: Mapping[str, Any]) -> bool:
        """Tell further lines of the step's last attempt. A line that may not be whole waits until it stays the same."""
        name, number = step["name"], int(step["attempt"])
        if not number or step["job_id"] is None or step["reused_from"]:
            return False
        if self._read.get(name, (number, 0))[0] != number:
            self._read[name] = (number, 0)
            self._tell(f"{self._mark(name)}Attempt {number}")
        is_new, is_ended = False, step["status"] in OVER
        until = time.monotonic() + _LAST_WORDS_S
        while True:
            start = self._read.get(name, (number, 0))[1]
            query = {"attempt": str(number), "start": str(start), "count": str(_LINES)}
            page = self._asker.get(f"/runs/{self._run}/steps/{name}/log/", **query)
            texts = [line_text(line) for line in page["lines"]]
            is_last = start + len(texts) >= page["total_lines"]
            if texts and is_last and not is_ended and self._may_grow(name, (number, start + len(texts), texts[-1])):
                texts.pop()
            for text in texts:
                self._tell(f"{self._mark(name)}{text}")
            self._read[name] = (number, start + len(texts))
            is_new = is_new or bool(texts)
            if page["lines"] and not is_last:
                continue
            if not is_ended or page["complete"] or time.monotonic() > until:
                return is_new
            time.sleep(_SHORTEST_S)  # the last words of what is over may be on their way

    def _may_grow(self, name: str, line: tuple[int, int, str]) -> bool:
        """Whether the last line was not the same the last time."""
        is_other = self._last.get(name) != line
        self._last[name] = line
        return is_other

    def _mark(self, name: str) -> str:
        return "" if self._only is not None else f"[{name}] "

    def _is_over(self, state: Mapping[str, Any]) -> bool:
        if self._only is None:
            return state["status"] in OVER
        return any(step["name"] == self._only and step["status"] in OVER for step in state["steps"])


def line_text(line: Mapping[str, Any]) -> str:
    """A line of a log as text."""
    return str(line["t"])


def why_failed(client: Client, run: int, state: Mapping[str, Any], only: str | None = None) -> str:
    """The reason of a failure: of the run, and of its first failed step with the last lines of its log."""
    failed = [step for step in state["steps"] if step["status"] == "failed" and only in (None, step["name"])]
    said = [] if only is not None else [state["reason"] or f"The run was {status_word(state['status']).lower()}."]
    for step in failed[:1]:
        said.append(f"Step “{step['name']}” failed: {step['reason']}")
        if step["job_id"] is not None:
            page = client.get(f"/runs/{run}/steps/{step['name']}/log/", start=str(-_TAIL), count=str(_TAIL))
            said += [f"    {line_text(line)}" for line in page["lines"]]
    return "\n".join(said)


def stream_of(line: Mapping[str, Any]) -> str:
    """`stdout`, `stderr`, or `studio` for what the studio says."""
    return {"o": "stdout", "e": "stderr"}.get(str(line["s"]), "studio")
