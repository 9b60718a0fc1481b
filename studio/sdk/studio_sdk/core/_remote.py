"""What a run is asked over REST. Of a run with the id `12:train` that is the step `train` of run 12."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from studio_sdk._client import NotFound
from studio_sdk.core.experiment import Experiment
from studio_sdk.core.run import Run
from studio_sdk.data._transfer import download_to, patiently, place_below
from studio_sdk.exceptions import UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.environment import Environment
    from studio_sdk.core.model import Model

_STATUS = {
    "waiting": "NotStarted",
    "queued": "Queued",
    "preparing": "Preparing",
    "running": "Running",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Canceled",
    "skipped": "Canceled",
    "not_taken": "Bypassed",
}
OVER = ("completed", "failed", "cancelled", "skipped", "not_taken")
MOST_POINTS = 10_000
MOST_ENTRIES = 1000


def status_of(row: Mapping[str, Any]) -> str:
    if row.get("cancel_requested_at") and row["status"] not in OVER:
        return "CancelRequested"
    if "steps" in row and row["status"] == "queued":
        return "NotStarted"
    return _STATUS[row["status"]]


def found(experiment: Experiment, run_id: str) -> Run:
    """Raises UserErrorException."""
    run = made(experiment, run_id)
    try:
        row = run._client.get(f"/runs/{run._number}/")
    except NotFound:
        raise UserErrorException(f"There is no run {run._number} in “{experiment.workspace.name}”.") from None
    if run._step and not any(step["name"] == run._step for step in row["steps"]):
        raise UserErrorException(f"Run {run._number} has no step “{run._step}”.")
    run.experiment = Experiment(experiment.workspace, row["experiment"])
    return run


def made(experiment: Experiment, run_id: str) -> Run:
    """Of the class that its type has, which comes with `studio_sdk.pipeline`."""
    try:
        import studio_sdk.pipeline.core  # type: ignore[import-not-found,unused-ignore] # noqa: F401
    except ImportError:
        pass
    kind = "azureml.StepRun" if ":" in run_id else "azureml.PipelineRun"
    make = Run._providers.get(kind, Run)
    return make(experiment, run_id)


def runs_of(
    experiment: Experiment,
    kind: str | None = None,
    tags: Any = None,
    properties: Any = None,
    status: str | None = None,
    include_children: bool = False,
) -> Iterator[Run]:
    client = experiment.workspace._client
    for row in client.all_of("/runs/", experiment=experiment.name):
        run = made(experiment, str(row["id"]))
        if _is_wanted(run, kind, tags, properties) and status in (None, status_of({**row, "steps": ()})):
            yield run
        if include_children:
            yield from children_of(run, False, tags, properties, kind, status)


def children_of(
    run: Run, recursive: bool, tags: Any, properties: Any, kind: str | None, status: str | None
) -> Iterator[Run]:
    for child, state in _children(run):
        if _is_wanted(child, kind, tags, properties) and status in (None, state):
            yield child
        if recursive:
            yield from children_of(child, True, tags, properties, kind, status)


def _children(run: Run) -> Iterator[tuple[Run, str]]:
    if not run._step:
        for step in run._row()["steps"]:
            yield made(run.experiment, f"{run._number}:{step['name']}"), status_of(step)
        return
    for row in run._client.all_of(f"{run._path}runs/"):
        yield made(run.experiment, str(row["id"])), status_of({**row, "steps": ()})


def _is_wanted(run: Run, kind: str | None, tags: Any, properties: Any) -> bool:
    if kind is not None and run.type != kind:
        return False
    return (not tags or _has(run.get_tags(), tags)) and (not properties or _has(run.get_properties(), properties))


def _has(there: Mapping[str, str], wanted: Any) -> bool:
    if isinstance(wanted, str):
        return wanted in there
    if isinstance(wanted, Mapping):
        return all(there.get(str(key)) == str(value) for key, value in wanted.items())
    return all(str(each) in there for each in wanted)


def details_of(run: Run) -> dict[str, Any]:
    row = run._row()
    workspace = run.experiment.workspace
    api = f"{workspace.url}/api/workspaces/{workspace.name}"
    details: dict[str, Any] = {
        "runId": run.id,
        "target": row["compute"]["name"] if run._step else "",
        "status": status_of(row),
        "startTimeUtc": row["started_at"],
        "endTimeUtc": row["finished_at"],
        "services": {},
        "properties": properties_of(run),
        "inputDatasets": _datasets(row["inputs"]) if run._step else [],
        "outputDatasets": _written(row["outputs"]) if run._step else [],
        "logFiles": {
            f"{run._number}-{name}.log": f"{api}{_step_path(run, name)}log/download/" for name in _step_names(run, row)
        },
        "submittedBy": row.get("submitted_by"),
    }
    if run._step:
        details["runDefinition"] = row["settings"]
    if row.get("reason"):
        details["error"] = {"error": {"code": "UserError", "message": row["reason"]}}
    return details


def _step_names(run: Run, row: Mapping[str, Any]) -> list[str]:
    return [run._step] if run._step else [step["name"] for step in row["steps"]]


def _datasets(inputs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"consumptionDetails": {"type": "RunInput", "inputName": each["name"]}, **each} for each in inputs]


def _written(outputs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"outputType": "RunOutput", "outputDetails": {"outputName": each["name"]}, **each} for each in outputs]


def properties_of(run: Run) -> dict[str, str]:
    """What it said of itself, and of a step that took over an earlier result, azureml's word for that."""
    said = run._client.get(f"{run._path}tags/")["properties"]
    found = {key: str(each["value"]) for key, each in said.items()}
    if run._step and "azureml.isreused" not in found:
        row = run._row()
        if row.get("reused_from"):
            found["azureml.isreused"] = "true"
            found["azureml.reusedrunid"] = f"{row['reused_from']}:{run._step}"
    return found


def environment_of(run: Run) -> Environment:
    from studio_sdk.core.environment import Environment

    row = run._detail()
    spec = row["environment"]
    name = row["environment_name"] or "environment"
    return Environment._of({"name": name, "version": "", **spec})


def logs_of(run: Run) -> dict[str, str]:
    found = {}
    for name in _step_names(run, {} if run._step else run._row()):
        text = patiently(partial(run._client.read, f"{_step_path(run, name)}log/download/"))
        found[f"{run._number}-{name}.log"] = text.decode("utf-8", "replace")
    return found


def write_logs(run: Run, destination: str | None) -> list[str]:
    folder = destination or os.getcwd()
    places = []
    for name in _step_names(run, {} if run._step else run._row()):
        place = os.path.join(folder, f"{run._number}-{name}.log")
        path = f"{_step_path(run, name)}log/download/"
        download_to(place, partial(run._client.download, path))
        places.append(place)
    return places


def _step_path(run: Run, name: str) -> str:
    from urllib.parse import quote

    return f"/runs/{run._number}/steps/{quote(name, safe='')}/"


def metrics_of(run: Run, name: str | None, recursive: bool) -> dict[str, Any]:
    if recursive:
        every = [run, *children_of(run, True, None, None, None, None)]
        by_run = {each.id: metrics_of(each, name, False) for each in every if each._step}
        return {key: values for key, values in by_run.items() if values}
    if not run._step:
        return {}  # a run of a pipeline measures nothing itself
    listed = run._client.get(f"{run._path}metrics/")["metrics"]
    return {each["name"]: _values(run, each) for each in listed if name in (None, each["name"])}


def _values(run: Run, metric: Mapping[str, Any]) -> Any:
    path, name = f"{run._path}metrics/", str(metric["name"])
    if metric["kind"] == "scalar":
        if metric["count"] == 1:
            return _number(metric["last"])
        points = run._client.get(f"{path}points/", metric=name, points=str(MOST_POINTS))["values"]
        return [_number(each) for each in points]
    if metric["kind"] == "image":
        return f"{metric['count']} pictures" if metric["count"] > 1 else "1 picture"
    entries: list[Any] = []
    while len(entries) < metric["count"]:
        page = run._client.get(f"{path}entries/", metric=name, start=str(len(entries)), count=str(MOST_ENTRIES))
        if not page["entries"]:
            break
        entries += page["entries"]
    return entries[0] if len(entries) == 1 else entries


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) else value  # NaN, Infinity


def file_names(run: Run) -> list[str]:
    if not run._step:
        return []
    return sorted(_files(run, ""))


def _files(run: Run, folder: str) -> Iterator[str]:
    after = ""
    while True:
        query = {"path": folder, **({"after": after} if after else {})}
        page = patiently(partial(run._client.get, f"{run._path}artifacts/", **query))
        for entry in page["entries"]:
            path = f"{folder}/{entry['name']}" if folder else entry["name"]
            if entry["kind"] == "folder":
                yield from _files(run, path)
            else:
                yield path
        after = page["after"]
        if not after:
            return


def download_file(run: Run, name: str, place: str | None) -> None:
    run._detail()
    target = place or os.path.basename(name)
    if os.path.isdir(target) or target.endswith(("/", os.sep)):
        target = os.path.join(target, os.path.basename(name))
    path = f"{run._path}artifacts/download/"
    try:
        download_to(target, partial(run._client.download, path, path=name))
    except NotFound:
        there = file_names(run)
        raise UserErrorException(
            f"Step “{run._step}” has no “{name}”. It has: {', '.join(there) or 'nothing'}."
        ) from None


def download_files(run: Run, prefix: str, folder: str | None, places: list[str] | None, append_prefix: bool) -> None:
    run._detail()
    names = [name for name in file_names(run) if name.startswith(prefix)]
    if places is not None and len(places) != len(names):
        raise UserErrorException(f"There are {len(names)} files for {len(places)} paths: give one for each.")
    for index, name in enumerate(names):
        if places is not None:
            download_file(run, name, places[index])
            continue
        below = name if append_prefix else name[len(prefix) :].lstrip("/") or os.path.basename(name)
        download_file(run, name, place_below(folder or ".", below))


def restore_snapshot(run: Run, path: str | None) -> str:
    """From the archive that runs the step elsewhere: its folder of code."""
    folder = path or os.getcwd()
    digest = str(run._detail()["snapshot"])
    if not digest:
        raise UserErrorException(f"Step “{run._step}” ran no files of its own.")
    client = run._client
    for file in client.get(f"/sources/{digest}/")["files"]:
        name = str(file["path"])
        code = f"{run._path}code/"
        said = client.get(code, path=name)
        if said.get("text") is None:
            raise UserErrorException(f"“{name}” is no text: download the step's archive on its page.")
        content = str(said["text"]).encode()
        download_to(place_below(folder, name), partial(_written_bytes, content))
    return folder


def _written_bytes(content: bytes, file: IO[bytes]) -> int:
    return file.write(content)


def register_model(run: Run, name: str, path: str | None, tags: Mapping[str, str], description: str) -> Model:
    from studio_sdk.core.model import Model

    run._detail()
    body = {
        "name": name,
        "run": run._number,
        "step": run._step,
        "artifact": path or name,
        "tags": {key: str(value) for key, value in tags.items()},
        "description": description,
    }
    made_version = run._client.post("/models/", body)
    return Model._of(run.experiment.workspace, made_version)
