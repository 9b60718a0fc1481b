"""The run around this program, and what it is told."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from studio_sdk import _spool, _uploads
from studio_sdk._spool import Spool, plain
from studio_sdk._uploads import Uploads
from studio_sdk.core.experiment import Experiment
from studio_sdk.exceptions import RunEnvironmentException, UserErrorException

_MAX_IMAGE_BYTES = 4 * 1024**2


class Run:
    """A step's run. `Run.get_context()` gives that of this program."""

    def __init__(self, spool: Spool, *, id: str, name: str, experiment: str) -> None:  # noqa: A002 (azureml's name)
        self.id, self.name, self.experiment = id, name, Experiment(experiment)
        self._spool = spool
        self._quoted: dict[str, str] = {}  # names as JSON has them

    @classmethod
    def get_context(cls, allow_offline: bool = True, **_more: Any) -> Run:
        """The run around this program; outside of one, one that prints.

        Raises RunEnvironmentException where there is none and `allow_offline` is false.
        """
        path = os.environ.get(_spool.VARIABLE)
        if path:
            return cls(
                _spools.setdefault(path, Spool(path)),
                id=os.environ.get("STUDIO_RUN_ID", ""),
                name=os.environ.get("STUDIO_STEP_NAME", ""),
                experiment=os.environ.get("STUDIO_EXPERIMENT", ""),
            )
        if not allow_offline:
            raise RunEnvironmentException("There is no run around this program: submit it as a step of a pipeline.")
        return _OfflineRun()

    def log(self, name: str, value: Any, description: str = "", step: int | None = None) -> None:
        """A point of the series `name`. Without a step, the next one: 0, 1, 2 and so on. A text is kept as a list."""
        if isinstance(value, str):
            self._say(_spool.LIST, name, [value])
            return
        try:
            number = value if type(value) is float else float(value)
        except OverflowError:  # a whole number beyond all floats
            number = math.inf if value > 0 else -math.inf
        except (TypeError, ValueError):
            raise UserErrorException(
                f"“{name}” is no number but a {type(value).__name__}: use log_list, log_row or log_table."
            ) from None
        quoted = self._quoted.get(name) or self._quote(name)
        shown = repr(number) if math.isfinite(number) else json.dumps(number)
        at = "null" if step is None else str(int(step))
        self._write(f'["s",{quoted},{shown},{at},{time.time():.3f}]\n')

    def log_list(self, name: str, value: Iterable[Any], description: str = "") -> None:
        """A list of values; calls of the same name add to it."""
        self._say(_spool.LIST, name, list(value))

    def log_row(self, name: str, description: str | None = None, **kwargs: Any) -> None:
        """A row of the table `name`, its columns by name."""
        self._say(_spool.ROW, name, kwargs)

    def log_table(self, name: str, value: Mapping[str, Any], description: str = "") -> None:
        """Rows of the table `name`: the values of each column, or one value of each."""
        self._say(_spool.TABLE, name, dict(value))

    def log_image(self, name: str, path: str | None = None, plot: Any = None, description: str = "") -> None:
        """A picture: a file (PNG, JPEG, GIF, WebP), or a matplotlib figure, or `pyplot` with one."""
        if (path is None) == (plot is None):
            raise UserErrorException("Give log_image either a path or a plot.")
        if path is not None:
            if os.path.getsize(path) > _MAX_IMAGE_BYTES:
                raise UserErrorException(f"{path} is larger than 4 MB: log a smaller picture.")
            with open(path, "rb") as file:
                content = file.read()
        else:
            drawn = io.BytesIO()
            plot.savefig(drawn, format="png")
            content = drawn.getvalue()
        if len(content) > _MAX_IMAGE_BYTES:
            raise UserErrorException("The picture is larger than 4 MB: draw it smaller.")
        self._say(_spool.IMAGE, name, base64.b64encode(content).decode())

    def log_confusion_matrix(self, name: str, value: Any, description: str = "") -> None:
        """`{"schema_type": "confusion_matrix", "data": {"class_labels": […], "matrix": [[…], …]}}`, or that as JSON."""
        self._say(_spool.CONFUSION, name, _document(value))

    def log_residuals(self, name: str, value: Any, description: str = "") -> None:
        """`{"schema_type": "residuals", "data": {"bin_edges": […], "bin_counts": […]}}`, or that as JSON."""
        self._say(_spool.RESIDUALS, name, _document(value))

    def log_accuracy_table(self, name: str, value: Any, description: str = "") -> None:
        """azureml's `accuracy_table`: for each class, true and false positives and negatives at each threshold."""
        self._say(_spool.ACCURACY, name, _document(value))

    def log_predictions(self, name: str, value: Any, description: str = "") -> None:
        """azureml's `predictions`: `bin_averages`, `bin_errors`, `bin_counts` and `bin_edges`."""
        self._say(_spool.PREDICTIONS, name, _document(value))

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: str | None = None) -> None:
        """Keep a file as the artifact `name`, as it is now: a path, or what has `read()`. One of that name is replaced.

        What lies in `outputs/` and `logs/` of the working folder is kept without a call.
        """
        self._uploads().put_file(name, path_or_stream)

    def upload_files(
        self,
        names: Iterable[str],
        paths: Iterable[Any],
        return_artifacts: bool = False,
        timeout_seconds: float | None = None,
        datastore_name: str | None = None,
    ) -> None:
        """`upload_file` for each name with its path."""
        names, paths = list(names), list(paths)
        if len(names) != len(paths):
            raise UserErrorException(f"There are {len(names)} names for {len(paths)} paths: give one for each.")
        for name, path in zip(names, paths):  # noqa: B905 (Python 3.9; they are equally many)
            self.upload_file(name, path)

    def upload_folder(self, name: str, path: Any, datastore_name: str | None = None) -> None:
        """Keep all files below the folder `path` as artifacts below `name`, as they are now."""
        self._uploads().put_folder(name, path)

    def get_file_names(self) -> list[str]:
        """The artifacts so far: what was uploaded by call, and what lies in `outputs/` and `logs/`."""
        return self._uploads().names()

    def tag(self, key: str, value: Any = None) -> None:
        """Tag this run. A tag that is there gets the new value."""
        self._say(_spool.TAG, key, "" if value is None else str(value))

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        for key, value in tags.items():
            self.tag(key, value)

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        """What is said once of this run: a property that is there stays as it is."""
        for key, value in properties.items():
            self._say(_spool.PROPERTY, key, "" if value is None else str(value))

    def get_metrics(self, name: str | None = None) -> dict[str, Any]:
        """What this attempt has logged so far: a value, or a list of them where there are several."""
        found: dict[str, list[Any]] = {}
        for kind, key, said, *_ in self._spool.lines():
            if kind in (_spool.TAG, _spool.PROPERTY) or (name is not None and key != name):
                continue
            found.setdefault(key, []).extend(said if kind == _spool.LIST else [said])
        return {key: values[0] if len(values) == 1 else values for key, values in found.items()}

    def get_tags(self) -> dict[str, str]:
        """What this attempt has tagged so far."""
        return {key: said for kind, key, said, *_ in self._spool.lines() if kind == _spool.TAG}

    def get_properties(self) -> dict[str, str]:
        """What this attempt has said of itself so far."""
        found: dict[str, str] = {}
        for kind, key, said, *_ in self._spool.lines():
            if kind == _spool.PROPERTY:
                found.setdefault(key, said)
        return found

    def flush(self, timeout_seconds: float = 300) -> None:
        """Nothing is held back, so there is nothing to wait for."""

    def __repr__(self) -> str:
        return f"Run(Experiment: {self.experiment.name}, Id: {self.id})"

    def _uploads(self) -> Uploads:
        return Uploads(os.environ[_uploads.VARIABLE])

    def _quote(self, name: str) -> str:
        quoted = json.dumps(str(name))
        if len(self._quoted) < 1000:
            self._quoted[name] = quoted
        return quoted

    def _say(self, kind: str, name: str, said: Any) -> None:
        try:
            self._spool.say(kind, str(name), said, round(time.time(), 3))
        except (TypeError, ValueError, RecursionError) as error:
            raise UserErrorException(f"“{name}” can't be logged: {error}") from None

    def _write(self, line: str) -> None:
        self._spool.write(line)


class _OfflineRun(Run):
    """Outside of a run: it prints what it is told, and keeps no file."""

    def __init__(self) -> None:
        super().__init__(_Printed(), id=f"OfflineRun_{uuid.uuid4()}", name="", experiment="")
        self._told: list[str] = []

    def _write(self, line: str) -> None:
        self._spool.say(*json.loads(line))

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: str | None = None) -> None:
        self._tell(name)

    def upload_folder(self, name: str, path: Any, datastore_name: str | None = None) -> None:
        self._tell(name)

    def get_file_names(self) -> list[str]:
        return list(self._told)

    def _tell(self, name: str) -> None:
        name = _uploads.cleaned(name)
        self._told.append(name)
        print(f"Attempted to upload {name}")


class _Printed(Spool):
    """What was said stays in memory, and stands on the standard output."""

    _WORDS = {
        _spool.SCALAR: "scalar metric",
        _spool.LIST: "list metric",
        _spool.ROW: "row metric",
        _spool.TABLE: "table metric",
        _spool.IMAGE: "image metric",
        _spool.CONFUSION: "confusion matrix",
        _spool.RESIDUALS: "residuals",
        _spool.ACCURACY: "accuracy table",
        _spool.PREDICTIONS: "predictions",
        _spool.TAG: "tag",
        _spool.PROPERTY: "property",
    }

    def __init__(self) -> None:
        super().__init__("")
        self._said: list[list[Any]] = []

    def say(self, *parts: Any) -> None:
        kind, name, said, *_ = parts = json.loads(json.dumps(parts, default=plain))
        self._said.append(list(parts))
        shown = f"{len(base64.b64decode(said))} bytes" if kind == _spool.IMAGE else said
        print(f"Attempted to log {self._WORDS[kind]} {name}:\n{shown}")

    def lines(self) -> list[list[Any]]:
        return self._said


def _document(value: Any) -> Any:
    """Raises UserErrorException."""
    if isinstance(value, (str, bytes)):
        try:
            value = json.loads(value)
        except ValueError:
            raise UserErrorException("This is no JSON: give the dictionary itself, or its text.") from None
    if not isinstance(value, Mapping) or not isinstance(value.get("data"), Mapping):
        raise UserErrorException("Give a dictionary with “schema_type”, “schema_version” and “data”.")
    return value


_spools: dict[str, Spool] = {}  # one open file for a process, whoever asks for the run
