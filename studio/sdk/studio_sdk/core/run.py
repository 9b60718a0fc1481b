"""A run: the one around this program, which is told what it measures; or any other, which is asked.

```python
from studio_sdk.core import Run

run = Run.get_context()  # within a step; outside of one it prints what it is told
run.log("loss", 0.25, step=1)
```
"""

from __future__ import annotations

import base64
import builtins
import io
import json
import math
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from studio_sdk import _spool, _uploads
from studio_sdk._spool import Spool, plain
from studio_sdk._uploads import Uploads
from studio_sdk.core.experiment import Experiment
from studio_sdk.exceptions import NotSupportedException, RunEnvironmentException, UserErrorException

if TYPE_CHECKING:
    from studio_sdk._client import Client
    from studio_sdk.core.environment import Environment
    from studio_sdk.core.model import Model

__all__ = ["Run", "get_run"]

_MAX_IMAGE_BYTES = 4 * 1024**2


class Run:
    """A run of a pipeline (its id is a number, as `"12"`), or of a step of one (`"12:train"`).

    `Run.get_context()` gives that of this program. Any other is asked of the studio: `Run(experiment, "12")`.
    """

    _providers: ClassVar[dict[str, Callable[..., Run]]] = {}

    def __init__(self, experiment: Experiment, run_id: str, outputs: str | None = None) -> None:
        self.experiment = experiment
        self._id = str(run_id)
        self._outputs = outputs
        self._spool: Spool | None = None
        self._quoted: dict[str, str] = {}  # names as JSON has them
        self._named = ""

    @classmethod
    def get_context(cls, allow_offline: bool = True, used_for_context_manager: bool = False) -> Run:
        """The run around this program; outside of one, one that prints.

        Raises RunEnvironmentException where there is none and `allow_offline` is false.
        """
        path = os.environ.get(_spool.VARIABLE)
        if path:
            return _StepContext(_spools.setdefault(path, Spool(path)))
        if not allow_offline:
            raise RunEnvironmentException("There is no run around this program: submit it as a step of a pipeline.")
        return _OfflineRun()

    @classmethod
    def get_submitted_run(cls) -> Run:
        """As `get_context`, and an error outside of a run."""
        return cls.get_context(allow_offline=False)

    @staticmethod
    def get(workspace: Any, run_id: str) -> Run:
        """A run of a workspace by its id. Raises UserErrorException where there is none."""
        return get_run(Experiment(workspace, "?"), run_id)

    @staticmethod
    def list(
        experiment: Experiment,
        type: str | None = None,  # noqa: A002 (azureml's name)
        tags: Any = None,
        properties: Any = None,
        status: str | None = None,
        include_children: bool = False,
    ) -> Iterator[Run]:
        """The runs of an experiment, the newest first."""
        from studio_sdk.core import _remote

        return _remote.runs_of(experiment, type, tags, properties, status, include_children)

    @staticmethod
    def add_type_provider(runtype: str, run_factory: Callable[..., Run]) -> None:
        """How runs of a type (`azureml.PipelineRun`, `azureml.StepRun`) are made: a function of experiment and id."""
        Run._providers[runtype] = run_factory

    @property
    def id(self) -> str:
        return self._id

    @property
    def name(self) -> str:
        """The name of a step; of another run, that of its pipeline."""
        return self._step or self._named or str(self._row()["pipeline"]["name"])

    @property
    def display_name(self) -> str:
        return self.name

    @property
    def number(self) -> int:
        """The number of the run, which a step shares with its run."""
        return self._number

    @property
    def type(self) -> str:
        return "azureml.StepRun" if self._step else "azureml.PipelineRun"

    @property
    def description(self) -> str:
        return str(self._row().get("description") or "")

    @property
    def status(self) -> str:
        return self.get_status()

    @property
    def input_datasets(self) -> dict[str, Any]:
        """Within a step, by the name of each input: the path of its files; of a table, a TabularDataset."""
        self._require_context("input_datasets")
        from studio_sdk.core import _places

        return _places.input_datasets()

    @property
    def output_datasets(self) -> dict[str, Any]:
        """Within a step, by the name of each output: the path to write to."""
        self._require_context("output_datasets")
        from studio_sdk.core import _places

        return _places.output_datasets()

    @property
    def tags(self) -> dict[str, str]:
        return self.get_tags()

    @property
    def properties(self) -> dict[str, str]:
        return self.get_properties()

    @property
    def parent(self) -> Run | None:
        """Of a step, its run; of a run that a step of another one had made, that step."""
        if self._step:
            return _made(self.experiment, str(self._number))
        made_by = self._row()["parent"]
        return _made(self.experiment, f"{made_by['run']}:{made_by['step']}") if made_by else None

    def get_status(self) -> str:
        """In azureml's words: NotStarted, Queued, Preparing, Running, CancelRequested, Completed, Failed, Canceled."""
        from studio_sdk.core import _remote

        return _remote.status_of(self._row())

    def get_detailed_status(self) -> dict[str, Any]:
        """The status, why it is so, and the studio's own words."""
        row = self._row()
        return {"status": self.get_status(), "details": row.get("reason", ""), "studio_status": row["status"]}

    def get_details(self) -> dict[str, Any]:
        """What there is to be said of it, in azureml's words."""
        from studio_sdk.core import _remote

        return _remote.details_of(self)

    def get_details_with_logs(self) -> dict[str, Any]:
        """`get_details` with the text of each log."""
        from studio_sdk.core import _remote

        return {**self.get_details(), "logFiles": _remote.logs_of(self)}

    def get_all_logs(self, destination: str | None = None) -> builtins.list[str]:
        """Write the logs into a folder, a file for each step. Their places."""
        from studio_sdk.core import _remote

        return _remote.write_logs(self, destination)

    def get_children(
        self,
        recursive: bool = False,
        tags: Any = None,
        properties: Any = None,
        type: str | None = None,  # noqa: A002 (azureml's name)
        status: str | None = None,
    ) -> Iterator[Run]:
        """The steps of a run; of a step, the runs that it had made. With `recursive`, theirs too."""
        from studio_sdk.core import _remote

        return _remote.children_of(self, recursive, tags, properties, type, status)

    def get_environment(self) -> Environment:
        """The environment that a step ran in."""
        from studio_sdk.core import _remote

        return _remote.environment_of(self)

    def get_portal_url(self) -> str:
        """Its page."""
        workspace = self.experiment.workspace
        page = f"{workspace.url}/w/{workspace.name}/runs/{self._number}/"
        return f"{page}#{self._step}" if self._step else page

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> dict[str, Any]:
        """Until it is over; its details. With `show_output`, states and logs are printed as they come.

        A studio that is started again meanwhile is waited for. Raises ActivityFailedException with the reason where it
        failed or was cancelled, unless `raise_on_error` is false.
        """
        from studio_sdk.core import _following

        return _following.wait(self, show_output=show_output, raise_on_error=raise_on_error)

    def cancel(self) -> None:
        """Ask for its end."""
        self._client.post(f"{self._path}cancel/", {})

    def start(self) -> None:
        raise NotSupportedException("A run starts by itself once it is submitted.")

    def complete(self, _set_status: bool = True) -> None:
        """Within a step nothing has to be said: it is complete when its script ends without an error."""
        self._require_context("complete")

    def fail(self, error_details: Any = None, error_code: str | None = None, _set_status: bool = True) -> None:
        """End this program as a failure, with the details as its last words."""
        self._require_context("fail")
        raise SystemExit(f"{error_code}: {error_details}" if error_code else str(error_details or "The run failed."))

    def submit_child(self, config: Any, tags: Mapping[str, str] | None = None) -> Run:
        raise NotSupportedException("A step submits no runs: use a step that runs a pipeline, or a HyperDriveStep.")

    def child_run(self, name: str | None = None, run_id: str | None = None, outputs: str | None = None) -> Run:
        raise NotSupportedException("A step has no child runs of its own: log series under other names.")

    def create_children(
        self, count: int | None = None, tag_key: str | None = None, tag_values: Any = None
    ) -> builtins.list[Run]:
        raise NotSupportedException("A step has no child runs of its own: log series under other names.")

    def clean(self) -> builtins.list[str]:
        """Nothing is left over: nodes put away what they made."""
        return []

    def get_secret(self, name: str) -> str:
        from studio_sdk.core.keyvault import Keyvault

        return Keyvault(self.experiment.workspace).get_secret(name)

    def get_secrets(self, secrets: builtins.list[str]) -> dict[str, str]:
        from studio_sdk.core.keyvault import Keyvault

        return Keyvault(self.experiment.workspace).get_secrets(secrets)

    def get_snapshot_id(self) -> str:
        """The digest of the files that a step ran."""
        return str(self._detail()["snapshot"])

    def restore_snapshot(self, snapshot_id: str | None = None, path: str | None = None) -> str:
        """Write the files that a step ran into a folder. Its place."""
        from studio_sdk.core import _remote

        return _remote.restore_snapshot(self, path)

    def take_snapshot(self, file_or_folder_path: str) -> str:
        raise NotSupportedException("A step's files are kept when its pipeline is submitted.")

    def download_file(self, name: str, output_file_path: str | None = None, _validate_checksum: bool = False) -> None:
        """Download an artifact of a step: into the current folder, a folder, or to a file."""
        from studio_sdk.core import _remote

        _remote.download_file(self, name, output_file_path)

    def download_files(
        self,
        prefix: str | None = None,
        output_directory: str | None = None,
        output_paths: builtins.list[str] | None = None,
        batch_size: int = 100,
        append_prefix: bool = True,
        timeout_seconds: float | None = None,
    ) -> None:
        """Download the artifacts of a step whose name begins with `prefix`, into a folder under their names."""
        from studio_sdk.core import _remote

        _remote.download_files(self, prefix or "", output_directory, output_paths, append_prefix)

    def register_model(
        self,
        model_name: str,
        model_path: str | None = None,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        description: str | None = None,
        datasets: Any = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
    ) -> Model:
        """Register artifacts of a completed step as the next version of a model: `model_path` (else those of its name).

        Properties and the framework become tags. Which data a model was made of is known by its run.
        """
        from studio_sdk.core import _remote

        if self._spool is not None:
            raise NotSupportedException(
                "A step registers no model while it runs: keep the file as an artifact, in “outputs/”, and register it "
                "once the step is complete, by Run.get(workspace, “12:train”).register_model(…) or on its page."
            )
        said = {**dict(tags or {}), **dict(properties or {})}
        framework = {"framework": model_framework, "framework_version": model_framework_version}
        said.update({key: str(value) for key, value in framework.items() if value})
        return _remote.register_model(self, model_name, model_path, said, description or "")

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
        self._say(_spool.LIST, name, [*value])

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
        names, paths = [*names], [*paths]
        if len(names) != len(paths):
            raise UserErrorException(f"There are {len(names)} names for {len(paths)} paths: give one for each.")
        for name, path in zip(names, paths):
            self.upload_file(name, path)

    def upload_folder(self, name: str, path: Any, datastore_name: str | None = None) -> None:
        """Keep all files below the folder `path` as artifacts below `name`, as they are now."""
        self._uploads().put_folder(name, path)

    def get_file_names(self) -> builtins.list[str]:
        """Within a step the artifacts so far: what was uploaded by call, and what lies in `outputs/` and `logs/`."""
        if self._spool is not None:
            return self._uploads().names()
        from studio_sdk.core import _remote

        return _remote.file_names(self)

    def tag(self, key: str, value: Any = None) -> None:
        """Tag it. A tag that is there gets the new value."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        said = {key: "" if value is None else str(value) for key, value in tags.items()}
        if self._spool is None:
            self._client.patch(f"{self._path}tags/", {"tags": said})
            return
        for key, value in said.items():
            self._say(_spool.TAG, key, value)

    def remove_tags(self, tags: Iterable[str] | str) -> None:
        if self._spool is not None:
            raise NotSupportedException("A step can't take back what it has tagged: give the tag another value.")
        names = [tags] if isinstance(tags, str) else [*tags]
        self._client.patch(f"{self._path}tags/", {"tags": dict.fromkeys(names)})

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        """What is said once of this run: a property that is there stays as it is."""
        self._require_context("add_properties")
        for key, value in properties.items():
            self._say(_spool.PROPERTY, key, "" if value is None else str(value))

    def get_metrics(
        self, name: str | None = None, recursive: bool = False, run_type: str | None = None, populate: bool = False
    ) -> dict[str, Any]:
        """What it has logged: a value, or a list of them where there are several.

        With `recursive`, by the id of each run that logged. Of a series of more than 10,000 points, the lowest and the
        highest of each stretch.
        """
        if self._spool is None:
            from studio_sdk.core import _remote

            return _remote.metrics_of(self, name, recursive)
        found: dict[str, builtins.list[Any]] = {}
        for kind, key, said, *_ in self._spool.lines():
            if kind in (_spool.TAG, _spool.PROPERTY) or (name is not None and key != name):
                continue
            found.setdefault(key, []).extend(said if kind == _spool.LIST else [said])
        return {key: values[0] if len(values) == 1 else values for key, values in found.items()}

    def get_tags(self) -> dict[str, str]:
        """Within a step, what this attempt has tagged so far."""
        if self._spool is None:
            return {key: each["value"] for key, each in self._client.get(f"{self._path}tags/")["tags"].items()}
        return {key: said for kind, key, said, *_ in self._spool.lines() if kind == _spool.TAG}

    def get_properties(self) -> dict[str, str]:
        """Within a step, what this attempt has said of itself so far."""
        if self._spool is None:
            from studio_sdk.core import _remote

            return _remote.properties_of(self)
        found: dict[str, str] = {}
        for kind, key, said, *_ in self._spool.lines():
            if kind == _spool.PROPERTY:
                found.setdefault(key, said)
        return found

    def flush(self, timeout_seconds: float = 300) -> None:
        """Nothing is held back, so there is nothing to wait for."""

    def __repr__(self) -> str:
        return f"{type(self).__name__.lstrip('_')}(Experiment: {self.experiment.name}, Id: {self.id})"

    @property
    def _number(self) -> int:
        number = self._id.partition(":")[0]
        if not number.isdecimal():
            raise UserErrorException(
                f"“{self._id}” is no id of a run: those look like 12, and of a step like 12:train."
            )
        return int(number)

    @property
    def _step(self) -> str:
        return self._id.partition(":")[2]

    @property
    def _path(self) -> str:
        from urllib.parse import quote

        return f"/runs/{self._number}/" + (f"steps/{quote(self._step, safe='')}/" if self._step else "")

    @property
    def _client(self) -> Client:
        return self.experiment.workspace._client

    def _row(self) -> dict[str, Any]:
        """As the studio has it now: of a run with its steps, of a step with all that made it."""
        row: dict[str, Any] = self._client.get(self._path)
        return row

    def _detail(self) -> dict[str, Any]:
        if not self._step:
            raise UserErrorException(
                f"Run {self._id} is one of a pipeline: ask a step of it, as get_children() gives them."
            )
        return self._row()

    def _uploads(self) -> Uploads:
        self._require_context("upload")
        return Uploads(os.environ[_uploads.VARIABLE])

    def _require_context(self, what: str) -> None:
        if self._spool is None:
            raise NotSupportedException(
                f"{what} is for the program that runs as the step: it gets its run by Run.get_context()."
            )

    def _quote(self, name: str) -> str:
        quoted = json.dumps(str(name))
        if len(self._quoted) < 1000:
            self._quoted[name] = quoted
        return quoted

    def _say(self, kind: str, name: str, said: Any) -> None:
        self._require_context("Logging")
        assert self._spool is not None
        try:
            self._spool.say(kind, str(name), said, round(time.time(), 3))
        except (TypeError, ValueError, RecursionError) as error:
            raise UserErrorException(f"“{name}” can't be logged: {error}") from None

    def _write(self, line: str) -> None:
        if self._spool is None:
            self._require_context("Logging")
        assert self._spool is not None
        self._spool.write(line)


class _StepContext(Run):
    """The run around this program, which its node reads what is said of it from."""

    def __init__(self, spool: Spool) -> None:
        super().__init__(Experiment(None, os.environ.get("STUDIO_EXPERIMENT", "")), os.environ.get("STUDIO_RUN_ID", ""))
        self._spool = spool

    @property
    def name(self) -> str:
        return os.environ.get("STUDIO_STEP_NAME", "")

    def get_status(self) -> str:
        return "Running"


class _OfflineRun(Run):
    """Outside of a run: it prints what it is told, and keeps no file."""

    def __init__(self) -> None:
        super().__init__(Experiment(None, ""), f"OfflineRun_{uuid.uuid4()}")
        self._spool = _Printed()
        self._told: builtins.list[str] = []

    @property
    def name(self) -> str:
        return ""

    @property
    def parent(self) -> Run | None:
        return None

    def get_status(self) -> str:
        return "Running"

    def cancel(self) -> None:
        """There is nothing to end."""

    def complete(self, _set_status: bool = True) -> None:
        """There is nothing to end."""

    def _write(self, line: str) -> None:
        assert self._spool is not None
        self._spool.say(*json.loads(line))

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: str | None = None) -> None:
        self._tell(name)

    def upload_folder(self, name: str, path: Any, datastore_name: str | None = None) -> None:
        self._tell(name)

    def get_file_names(self) -> builtins.list[str]:
        return [*self._told]

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


def get_run(
    experiment: Experiment,
    run_id: str,
    rehydrate: bool = True,  # noqa: ARG001 (azureml's)
    clean_up: bool = True,  # noqa: ARG001
) -> Run:
    """A run by its id, with the experiment that it is of. Raises UserErrorException where there is none."""
    from studio_sdk.core import _remote

    return _remote.found(experiment, str(run_id))


def _made(experiment: Experiment, run_id: str) -> Run:
    """By its id, of the class that its type has."""
    from studio_sdk.core import _remote

    return _remote.made(experiment, run_id)
