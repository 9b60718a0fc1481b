"""A run while it goes on: a live table in a notebook, lines of text in a terminal."""

from __future__ import annotations

import html
import sys
import threading
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from studio_sdk.core import _following
from studio_sdk.core._remote import OVER, status_of
from studio_sdk.core.run import Run
from studio_sdk.data._transfer import patiently
from studio_sdk.exceptions import AzureMLException, UserErrorException
from studio_sdk.pipeline.core._words import line_text

__all__ = ["RunDetails"]

_PAUSE_S = 2.0
_TAIL = 12
_COLOURS = {
    "completed": "#2fb344",
    "failed": "#d63939",
    "running": "#4299e1",
    "preparing": "#4299e1",
    "queued": "#f59f00",
    "cancelled": "#667382",
}


class RunDetails:
    """Shows a run: its steps with their states and times, and the log of the one that works or failed.

    In a notebook a cell stays up to date until the run is over, by ipywidgets where they are installed and else by
    IPython's own display; nothing waits for it. In a terminal the states and logs are printed, and `show` ends with the
    run.

    ```python
    RunDetails(run).show()
    ```
    """

    def __init__(self, run_instance: Run) -> None:
        if not isinstance(run_instance, Run):
            raise UserErrorException("Give a run, as experiment.submit() gives one.")
        self._run = run_instance
        number, _, step = run_instance.id.partition(":")
        self._number, self._step = int(number), step or None
        self._ended = threading.Event()

    def show(self, render_lib: Any = None, widget_settings: Mapping[str, Any] | None = None) -> None:
        """Show it. `render_lib` is azureml's, and what draws is found by itself here.

        `widget_settings={"debug": True}` and the like mean nothing.
        """
        if not _is_notebook():
            self._show_text()
            return
        put = _put_by_widgets() or _put_by_display()
        put(self.as_html())
        threading.Thread(target=self._keep_up, args=(put,), name=f"run {self._run.id}", daemon=True).start()

    def get_widget_data(self, widget_settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What is shown: `status`, `run_id`, `url`, and its steps as `child_runs`."""
        return _data(self._run, self._state(), self._step)

    def as_html(self) -> str:
        """The run as it is now."""
        state = self._state()
        return _as_html(_data(self._run, state, self._step), self._tail(state))

    def _state(self) -> dict[str, Any]:
        client = self._run._client
        state: dict[str, Any] = patiently(lambda: client.get(f"/runs/{self._number}/"), _following.PATIENCE_S)
        return state

    def _show_text(self) -> None:
        _following.wait(self._run, show_output=True, raise_on_error=False)

    def _keep_up(self, put: Any) -> None:
        """Until the run is over, or the notebook's process ends."""
        while not self._ended.wait(_PAUSE_S):
            try:
                state = self._state()
                put(_as_html(_data(self._run, state, self._step), self._tail(state)))
            except AzureMLException as error:
                put(f"<p>{html.escape(str(error))}</p>")
                return
            if _status(state, self._step) in OVER:
                self._ended.set()

    def _tail(self, state: Mapping[str, Any]) -> tuple[str, list[str]]:
        """The step whose log is worth seeing, and the last lines of that."""
        steps = [step for step in state["steps"] if self._step in (None, step["name"])]
        with_log = [step for step in steps if step["job_id"] is not None and not step["reused_from"]]
        order = ("failed", "running", "preparing", "completed")
        found = next((step for status in order for step in reversed(with_log) if step["status"] == status), None)
        if found is None:
            return "", []
        path = f"/runs/{self._number}/steps/{found['name']}/log/"
        page = self._run._client.get(path, start=str(-_TAIL), count=str(_TAIL))
        return found["name"], [line_text(line) for line in page["lines"]]


def _is_notebook() -> bool:
    """Whether a kernel of Jupyter runs this."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def _put_by_widgets() -> Any:
    """What puts HTML into a widget that is shown now; None without ipywidgets."""
    try:
        widget = import_module("ipywidgets").HTML()
    except ImportError:
        return None
    import_module("IPython.display").display(widget)

    def put(text: str) -> None:
        widget.value = text

    return put


def _put_by_display() -> Any:
    shown = import_module("IPython.display")
    handle = shown.display(shown.HTML(""), display_id=True)

    def put(text: str) -> None:
        handle.update(shown.HTML(text))

    return put


def _status(state: Mapping[str, Any], step: str | None) -> str:
    if step is None:
        return str(state["status"])
    return next((str(each["status"]) for each in state["steps"] if each["name"] == step), "waiting")


def _data(run: Run, state: Mapping[str, Any], only: str | None) -> dict[str, Any]:
    steps = [step for step in state["steps"] if only in (None, step["name"])]
    return {
        "run_id": run.id,
        "experiment": state["experiment"],
        "status": status_of({"status": _status(state, only)}),
        "state": _status(state, only),
        "reason": state["reason"],
        "url": run.get_portal_url(),
        "child_runs": [
            {
                "run_id": f"{state['id']}:{step['name']}",
                "name": step["name"],
                "state": step["status"],
                "status": status_of(step),
                "reason": step["reason"],
                "reused_from": step["reused_from"],
                "start_time": step["started_at"],
                "end_time": step["finished_at"],
            }
            for step in sorted(steps, key=lambda each: each["position"])
        ],
    }


def _as_html(data: Mapping[str, Any], tail: tuple[str, Iterable[str]]) -> str:
    def cell(text: Any) -> str:
        return f"<td style='padding:2px 12px 2px 0;text-align:left'>{text}</td>"

    rows = []
    for step in data["child_runs"]:
        colour = _COLOURS.get(step["state"], "#667382")
        note = f"reused from run {step['reused_from']}" if step["reused_from"] else step["reason"] or ""
        state = f"<b style='color:{colour}'>{html.escape(step['status'])}</b>"
        rows.append(
            f"<tr>{cell(html.escape(step['name']))}{cell(state)}{cell(_time(step['start_time']))}"
            f"{cell(_time(step['end_time']))}{cell(html.escape(note))}</tr>"
        )
    name, lines = tail
    log = "\n".join(html.escape(line) for line in lines)
    shown = (
        f"<p>Log of <b>{html.escape(name)}</b></p><pre style='max-height:16em;overflow:auto'>{log}</pre>" if log else ""
    )
    heads = "".join(f"<th style='text-align:left'>{word}</th>" for word in ("Step", "Status", "Began", "Ended", ""))
    colour = _COLOURS.get(data["state"], "#667382")
    return (
        f"<p><a href='{html.escape(data['url'], quote=True)}' target='_blank' rel='noopener'>Run "
        f"{html.escape(data['run_id'])}</a> of {html.escape(data['experiment'])}: "
        f"<b style='color:{colour}'>{html.escape(data['status'])}</b> {html.escape(data['reason'] or '')}</p>"
        f"<table><tr>{heads}</tr>{''.join(rows)}</table>{shown}"
    )


def _time(moment: str | None) -> str:
    """The time of day, UTC, of a moment as the studio writes it."""
    return html.escape(moment[11:19]) if moment else ""
