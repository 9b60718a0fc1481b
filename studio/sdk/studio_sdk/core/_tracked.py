"""A run that this program does by itself, and tells the studio of: `experiment.start_logging()`."""

from __future__ import annotations

import atexit
import json
import math
import os
import sys
import tempfile
import threading
import weakref
from contextlib import suppress
from functools import partial
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from studio_sdk import _spool, _uploads
from studio_sdk._client import Conflict
from studio_sdk._spool import Spool
from studio_sdk.core.run import Run
from studio_sdk.data._transfer import patiently
from studio_sdk.exceptions import AzureMLException, NotSupportedException, UserErrorException

if TYPE_CHECKING:
    from types import TracebackType

    from studio_sdk.core.experiment import Experiment
    from studio_sdk.core.model import Model

_AT_ONCE = 1000  # points of one request
_EVERY_S = 1.0
_TOLD = 5  # sentences of what was refused
_MOST_WAITING = 1_000_000  # points that are kept while the studio does not answer


class TrackedRun(Run):
    """Goes on until `complete` or `fail`, or somebody cancels it; as a context manager it ends with the block.

    It keeps series, tags, properties and files. What it is told is sent within a second, and by `flush`; files at once.
    """

    def __init__(self, experiment: Experiment, run_id: str, step: str, tracking_id: str) -> None:
        super().__init__(experiment, run_id)
        self._told = Run(experiment, f"{run_id}:{step}")  # what is logged stands on its only step
        self._files = (
            f"/api/mlflow/{quote(experiment.workspace.name)}/api/2.0/mlflow-artifacts/artifacts/{tracking_id}/"
        )
        self._sent = _Sent(self)
        self._spool = self._sent

    def __enter__(self) -> TrackedRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.complete()
            return
        try:
            self.fail(f"{kind.__name__}: {error}")
        except AzureMLException as unsaid:  # the block's own exception is what the caller has to see
            print(f"Run {self.id}: {unsaid}", file=sys.stderr)

    def get_status(self) -> str:
        return Run(self.experiment, self.id).get_status()

    def get_tags(self) -> dict[str, str]:
        self.flush()
        return self._told.get_tags()

    def get_properties(self) -> dict[str, str]:
        self.flush()
        return self._told.get_properties()

    def get_metrics(
        self, name: str | None = None, recursive: bool = False, run_type: str | None = None, populate: bool = False
    ) -> dict[str, Any]:
        self.flush()
        return self._told.get_metrics(name, recursive, run_type, populate)

    def complete(self, _set_status: bool = True) -> None:
        """All of it is told and done."""
        self._end("completed", "")

    def fail(self, error_details: Any = None, error_code: str | None = None, _set_status: bool = True) -> None:
        """It came to nothing, for this reason. The program goes on."""
        words = str(error_details or "")
        self._end("failed", f"{error_code}: {words}" if error_code else words)

    def flush(self, timeout_seconds: float = 300) -> None:
        """Until all that was said has been sent. Raises what the studio refused of it, or that it does not answer.

        What was refused is left out, and the rest is kept.
        """
        self._sent.flush()

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: str | None = None) -> None:
        """Keep a file as the artifact `name`: a path, or what has `read()`. One of that name is replaced."""
        name = _uploads.cleaned(name)
        if hasattr(path_or_stream, "read"):
            with tempfile.TemporaryFile() as whole:  # so that it can be sent again
                _uploads.copy(path_or_stream, whole)
                self._put(name, whole)
            return
        if os.path.isdir(path_or_stream):
            raise UserErrorException(f"{path_or_stream} is a folder: use upload_folder.")
        with open(path_or_stream, "rb") as file:
            self._put(name, file)

    def upload_folder(self, name: str, path: Any, datastore_name: str | None = None) -> None:
        """Keep all files below the folder `path` as artifacts below `name`."""
        for artifact, place in _uploads.files_of(name, path):
            self.upload_file(artifact, place)

    def get_file_names(self) -> list[str]:
        return self._told.get_file_names()

    def register_model(self, model_name: str, model_path: str | None = None, *args: Any, **kwargs: Any) -> Model:
        """As `Run.register_model`, of what was uploaded, once it is complete."""
        if not self._sent.is_closed:
            raise UserErrorException("Call complete() first: only what a completed run left can be a model.")
        return self._told.register_model(model_name, model_path, *args, **kwargs)

    def _put(self, name: str, file: IO[bytes]) -> None:
        patiently(partial(self._client.put_file, self._files + quote(name), file))

    def _end(self, status: str, reason: str) -> None:
        try:
            patiently(self.flush)
        finally:
            self._sent.close()
            end = {"status": status, "reason": reason[:8000]}
            patiently(partial(self._client.post, f"/runs/{self._number}/end/", end))


def start(experiment: Experiment, name: str) -> TrackedRun:
    begun = experiment.workspace._client.post("/runs/tracked/", {"experiment": experiment.name, "name": name})
    return TrackedRun(experiment, str(begun["id"]), begun["step"], begun["tracking_id"])


class _Sent(Spool):
    """What was said waits here until the next request, a second at most."""

    def __init__(self, run: TrackedRun) -> None:
        super().__init__("")
        self._run = weakref.ref(run)
        self._client, self._path = run.experiment.workspace._client, f"/runs/{run._number}/log/"
        self._points: list[dict[str, Any]] = []
        self._labels: dict[str, dict[str, str]] = {"tags": {}, "properties": {}}
        self._next: dict[str, int] = {}
        self._refused: list[str] = []
        self._lock = threading.Lock()  # of what waits
        self._sending = threading.Lock()
        self._closed = threading.Event()
        atexit.register(self._last)
        threading.Thread(target=self._go_on, name="studio_sdk run", daemon=True).start()

    def write(self, line: str) -> None:
        _kind, name, value, step, at = json.loads(line)
        self._point(name, value, step, at)

    def say(self, *parts: Any) -> None:
        kind, name, said = parts[0], str(parts[1]), parts[2]
        if kind not in (_spool.TAG, _spool.PROPERTY):
            raise NotSupportedException(
                "A run without a step keeps series of numbers, tags and properties: let the script be a step for more."
            )
        self._require_open()
        with self._lock:
            if kind == _spool.TAG:
                self._labels["tags"][name] = str(said)
            else:
                self._labels["properties"].setdefault(name, str(said))

    def lines(self) -> list[list[Any]]:
        return []

    def flush(self) -> None:
        self._send_all()
        with self._lock:
            refused, self._refused = self._refused, []
        if refused:
            rest = f" And {len(refused) - _TOLD:,} more." if len(refused) > _TOLD else ""
            raise UserErrorException(f"The studio refused some of what was logged. {' '.join(refused[:_TOLD])}{rest}")

    def _send_all(self) -> None:
        with self._sending:
            while self._send():
                pass

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        self._closed.set()
        atexit.unregister(self._last)

    def _point(self, name: str, value: Any, step: int | None, at: float) -> None:
        self._require_open()
        with self._lock:
            if len(self._points) >= _MOST_WAITING:
                raise UserErrorException(
                    f"The studio has not answered for {_MOST_WAITING:,} points: call flush() to hear why."
                )
            number = self._next.get(name, 0) if step is None else step
            self._next[name] = max(number + 1, self._next.get(name, 0))
            shown = value if isinstance(value, (int, float)) and math.isfinite(value) else _word(float(value))
            self._points.append({"name": name, "value": shown, "step": number, "at_ms": int(at * 1000)})

    def _require_open(self) -> None:
        if self._closed.is_set():
            raise UserErrorException("This run is over: nothing more can be logged to it.")

    def _send(self) -> bool:
        """Some of what waits, which goes once the studio has it. Whether there was something."""
        with self._lock:
            points = self._points[:_AT_ONCE]
            labels = {kind: dict(said) for kind, said in self._labels.items()}
        if not points and not any(labels.values()):
            return False
        try:
            self._client.post(self._path, {"points": points, **labels})
        except Conflict as error:  # it is over: none of it is wanted
            self._refuse(str(error))
        except UserErrorException as error:
            if not error.problems:  # the token, or the right to log: once that is put right, all of it goes
                raise
            if self._leave_out(error, points, labels):
                return True
            self._refuse(*(str(each["message"]) for each in error.problems))
        with self._lock:
            del self._points[: len(points)]
            for kind, said in labels.items():
                for name, value in said.items():
                    if self._labels[kind].get(name) == value:
                        del self._labels[kind][name]
        return True

    def _leave_out(
        self, error: UserErrorException, points: list[dict[str, Any]], labels: dict[str, dict[str, str]]
    ) -> bool:
        """Take away what the studio names as wrong. False where it names nothing of it."""
        bad_points: set[int] = set()
        bad_labels: set[tuple[str, str]] = set()
        for each in error.problems:
            kind, place = [*each["loc"], "", ""][:2]
            if kind == "points" and isinstance(place, int) and place < len(points):
                bad_points.add(place)
                self._refuse(f"“{points[place]['name'][:100]}”: {each['message']}")
            elif kind in labels and place in labels[kind]:
                bad_labels.add((kind, place))
                self._refuse(f"“{place[:100]}”: {each['message']}")
        with self._lock:
            for index in sorted(bad_points, reverse=True):
                del self._points[index]
            for kind, name in bad_labels:
                self._labels[kind].pop(name, None)
        return bool(bad_points or bad_labels)

    def _refuse(self, *said: str) -> None:
        with self._lock:
            self._refused += [each for each in said if each not in self._refused]

    def _go_on(self) -> None:
        while not self._closed.wait(_EVERY_S):
            self._try_to_flush()
            if self._run() is None:  # nobody can say more
                return

    def _last(self) -> None:
        self._try_to_flush()

    def _try_to_flush(self) -> None:
        with suppress(Exception):  # it is tried again, and `flush` says why
            self._send_all()


def _word(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
