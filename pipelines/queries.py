"""What pages and API read of pipelines and runs. A number of queries that does not grow with what they show."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from django.db.models import Q, QuerySet
from django.http import Http404

from compute.logs import reading
from compute.models import Attempt, ComputeTarget
from compute.services.locks import lock_of
from compute.spec import OutputRecord
from compute.waiting_queries import reasons
from datastores import snapshots
from datastores.backends import Backend, Entry, Listing, get_backend
from datastores.models import Datastore, Snapshot
from datastores.paths import clean_path, join
from pipelines.events import as_json
from pipelines.graph import edges_of
from pipelines.models import Pipeline, PipelineVersion, Run, RunEvent, StepRun
from pipelines.states import RunStatus, StepStatus
from pipelines.step_data import data_of
from studio.workspaces.models import Workspace

MAX_EVENTS = 2000  # of one answer: a watcher asks again from the last one
TAIL_LINES = 20
TAILS = 3  # failed steps whose last lines come with the run's state
OUTPUT_PAGE = 500


def pipelines_of(workspace: Workspace, *, text: str = "") -> QuerySet[Pipeline]:
    """The workspace's pipelines, the last changed first."""
    text = text.replace("\0", "")  # PostgreSQL's texts hold none
    rows = Pipeline.objects.filter(workspace=workspace, deleted_at=None).select_related("created_by")
    return rows.filter(Q(name__icontains=text) | Q(description__icontains=text)) if text else rows


def pipeline_of(workspace: Workspace, pipeline_id: int) -> Pipeline:
    """Raises Http404."""
    pipeline = pipelines_of(workspace).filter(pk=pipeline_id).first()
    if pipeline is None:
        raise Http404("There is no such pipeline in this workspace, or it was deleted.")
    return pipeline


def version_of(pipeline: Pipeline, number: int | None = None) -> PipelineVersion | None:
    """A version, the latest where none is named; None where a pipeline has none yet. Raises Http404."""
    rows = pipeline.versions.select_related("created_by")
    if number is None:
        return rows.order_by("-number").first()
    version = rows.filter(number=number).first()
    if version is None:
        raise Http404(f"This pipeline has no version {number}.")
    return version


@dataclass(frozen=True, slots=True)
class RunFilter:
    """How a list of runs is narrowed. Empty parts narrow nothing; who or what isn't there finds nothing."""

    status: str = ""
    pipeline: str = ""  # its number
    submitted_by: str = ""  # a user name
    text: str = ""  # in the pipeline's or the experiment's name, or a run's number

    def apply(self, rows: QuerySet[Run]) -> QuerySet[Run]:
        if self.status in RunStatus.values:
            rows = rows.filter(status=self.status)
        if self.pipeline:
            rows = rows.filter(pipeline_id=int(self.pipeline)) if _is_id(self.pipeline) else rows.none()
        if self.submitted_by:
            rows = rows.filter(submitted_by__username=self.submitted_by)
        if self.text:
            found = Q(pipeline__name__icontains=self.text) | Q(experiment__name__icontains=self.text)
            number = self.text.removeprefix("#")
            rows = rows.filter(found | Q(pk=int(number)) if _is_id(number) else found)
        return rows


def runs_of(workspace: Workspace, narrowed: RunFilter | None = None) -> QuerySet[Run]:
    """The workspace's runs, the newest first, with what a list shows of them."""
    rows = Run.objects.filter(workspace=workspace).select_related("pipeline", "experiment", "submitted_by", "version")
    rows = rows.defer("version__definition", "parameters").order_by("-pk")
    return narrowed.apply(rows) if narrowed else rows


def run_of(workspace: Workspace, run_id: int) -> Run:
    """Raises Http404."""
    run = (
        Run.objects.filter(workspace=workspace, pk=run_id)
        .select_related("pipeline", "experiment", "submitted_by", "version")
        .first()
    )
    if run is None:
        raise Http404("There is no such run in this workspace.")
    return run


def run_row(run: Run) -> dict[str, Any]:
    """A run as a list shows it."""
    return {
        "id": run.pk,
        "status": run.status,
        "reason": run.reason,
        "pipeline": {"id": run.pipeline_id, "name": run.pipeline.name},
        "version": run.version.number,
        "experiment": run.experiment.name,
        "priority": run.priority,
        "submitted_by": run.submitted_by.username if run.submitted_by else None,
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "finished_at": iso(run.finished_at),
        "cancel_requested_at": iso(run.cancel_requested_at),
        "steps_total": run.steps_total,
        "steps_done": run.steps_done,
        "last_event": run.last_event,
    }


def run_state(run: Run) -> dict[str, Any]:
    """Everything that the run page begins with; later events bring it up to date.

    The run's row is read before its steps: what happens in between comes again as an event, which is harmless.
    """
    definition = run.version.definition
    names = [step.name for step in definition.steps]
    icons = {step.name: step.icon for step in definition.steps}
    steps = list(_steps_of(run))
    tails = _tails(step for step in steps if step.status == StepStatus.FAILED)
    return {
        **run_row(run),
        "parameters": run.parameters.values,
        "steps": [{**_step_row(step), "icon": icons[step.name], "log_tail": tails.get(step.pk, [])} for step in steps],
        "edges": [
            {
                "from": names[edge.upstream],
                "to": names[edge.downstream],
                "output": edge.output,
                "input": edge.input,
            }
            for edge in edges_of(definition)
        ],
    }


def events_after(run: Run, seq: int, *, limit: int = MAX_EVENTS) -> list[dict[str, Any]]:
    """The run's events after number `seq`, as watchers get them, at most `limit` of them."""
    rows = RunEvent.objects.filter(run_id=run.pk, seq__gt=seq).order_by("seq")
    return [as_json(*row) for row in rows.values_list("seq", "at", "data")[:limit]]


def step_of(run: Run, name: str) -> StepRun:
    """Raises Http404."""
    if "\0" in name:  # PostgreSQL would not even look
        raise Http404("There is no such step.")
    step = StepRun.objects.filter(run=run, name=name).select_related("reused_from").defer("reused_from__frozen").first()
    if step is None:
        raise Http404(f"Run {run.pk} has no step “{name}”.")
    return step


def step_detail(workspace: Workspace, step: StepRun) -> dict[str, Any]:
    """A step with everything that its panel shows."""
    frozen = step.frozen
    data = data_of(workspace, step)
    # A removed target too.
    target = ComputeTarget._base_manager.filter(pk=frozen.compute_id).only("name").first()  # noqa: SLF001
    return {
        **_step_row(step),
        "description": frozen.step.description,
        "kind": {"name": frozen.step.kind, "label": frozen.step.label, "icon": frozen.step.icon},
        "settings": frozen.step.settings(),
        "entry": frozen.step.script,
        "command": frozen.command,
        "environment_name": frozen.environment_name,
        "environment": frozen.environment.model_dump(mode="json", exclude={"schema_version"}),
        "resources": frozen.step.resources.model_dump(mode="json"),
        "waits_for": waits_for(workspace, step),
        "environment_lock": _lock(frozen.environment.digest),
        "compute": {"id": frozen.compute_id, "name": target.name if target else ""},
        "allow_reuse": frozen.step.allow_reuse,
        "retry": frozen.step.retry.model_dump(mode="json"),
        "limits": frozen.step.limits.model_dump(mode="json"),
        "timeout_s": frozen.step.timeout_s,
        "inputs": data.inputs,
        "outputs": data.outputs,
        "run_after": frozen.step.run_after,
        "snapshot": frozen.snapshot,
        "attempts": [_attempt(attempt) for attempt in attempts_of(step)],
        "log_tail": [],
    }


def waits_for(workspace: Workspace, step: StepRun) -> str:
    """Why a queued step has not started, in words; empty for any other."""
    if step.status != StepStatus.QUEUED or step.job_id is None:
        return ""
    reason = reasons(workspace, [step.job_id]).get(step.job_id, "")
    return f"{reason}." if reason else ""


def _lock(digest: str) -> dict[str, Any] | None:
    """What the environment was and is on every machine; None before its first build."""
    lock = lock_of(digest)
    if lock is None:
        return None
    packages = [{"name": each.name, "version": each.version, "installed_by": each.source} for each in lock.packages]
    return {"python": lock.python, "tool": lock.tool, "packages": packages}


def attempts_of(step: StepRun) -> list[Attempt]:
    """The tries at a step's job, the first one first; none for a step that was reused or has not begun."""
    return list(Attempt.objects.filter(job_id=step.job_id).order_by("number")) if step.job_id else []


def attempt_of(step: StepRun, number: int | None) -> tuple[Attempt | None, list[int]]:
    """One attempt (the latest where none is named), and the numbers of all. Raises Http404 for one that isn't there."""
    attempts = attempts_of(step)
    numbers = [attempt.number for attempt in attempts]
    if number is None:
        return (attempts[-1] if attempts else None), numbers
    found = next((attempt for attempt in attempts if attempt.number == number), None)
    if found is None:
        raise Http404(f"Step “{step.name}” has no attempt {number}.")
    return found, numbers


def log_page(step: StepRun, *, attempt: int | None, start: int, count: int) -> dict[str, Any]:
    """A stretch of a step's log; an empty one where nothing has run yet."""
    found, numbers = attempt_of(step, attempt)
    if found is None:
        empty = {"attempt": 0, "total_lines": 0, "total_bytes": 0, "start": 0, "lines": []}
        return {**empty, "attempts": [], "complete": step.finished_at is not None}
    return {**reading.read_lines(found, start, count).as_json(), "attempts": numbers}


class OutputFolder:
    """One output of a finished step, where it lies. Paths are below the output's own folder."""

    def __init__(self, workspace: Workspace, step: StepRun, name: str) -> None:
        """Raises Http404 where there is no such output (yet)."""
        record: OutputRecord | None = step.outputs.outputs.get(name) if step.outputs else None
        if record is None:
            if any(output.name == name for output in step.frozen.step.outputs):
                raise Http404(f"Step “{step.name}” has not written “{name}”: outputs are kept when a step completes.")
            raise Http404(f"Step “{step.name}” has no output “{name}”.")
        datastore = Datastore.objects.filter(workspace=workspace, pk=record.datastore_id).first()
        if datastore is None:
            raise Http404("The datastore that this output was written to is no longer registered.")
        self.root = clean_path(record.path)
        self.backend: Backend = get_backend(datastore)

    def list(self, path: str, *, after: str | None = None) -> Listing:
        return self.backend.list(self._below(path), after=after, limit=OUTPUT_PAGE)

    def open(self, path: str) -> tuple[Entry, BinaryIO]:
        """Raises Http404 for anything but a file."""
        entry = self.backend.stat(self._below(path))
        if entry.kind != "file":
            raise Http404("Only files can be downloaded.")
        return entry, self.backend.open_read(entry.path)

    def _below(self, path: str) -> str:
        cleaned = clean_path(path)
        return join(self.root, cleaned) if cleaned else self.root


def listing_json(path: str, listing: Listing) -> dict[str, Any]:
    """A folder as the API shows it."""
    return {
        "path": path,
        "entries": [
            {
                "name": entry.label,
                "kind": entry.kind,
                "size_bytes": entry.size_bytes,
                "modified_at": iso(entry.modified_at),
            }
            for entry in listing.entries
        ],
        "truncated": listing.after is not None,
        "after": listing.after,
    }


def snapshot_of(workspace: Workspace, digest: str) -> Snapshot:
    """Raises Http404."""
    try:
        return snapshots.get_snapshot(workspace, digest)
    except Snapshot.DoesNotExist as error:
        raise Http404("There are no such sources in this workspace.") from error


def snapshot_json(snapshot: Snapshot) -> dict[str, Any]:
    """A source folder's files as the API shows them."""
    return {
        "digest": snapshot.digest,
        "files": [file.model_dump(include={"path", "size_bytes", "sha256"}) for file in snapshot.manifest.files],
    }


def source_file_json(snapshot: Snapshot, path: str) -> dict[str, Any]:
    """One file of a source folder with its text where it has one. Raises Http404."""
    try:
        file, text = snapshots.read_text(snapshot, path)
    except (KeyError, FileNotFoundError) as error:
        raise Http404("There is no such file in the sources.") from error
    binary = text is None and file.size_bytes <= snapshots.TEXT_MAX_BYTES
    return {"path": file.path, "text": text, "size_bytes": file.size_bytes, "binary": binary}


def iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _steps_of(run: Run) -> QuerySet[StepRun]:
    rows = StepRun.objects.filter(run=run).select_related("reused_from").order_by("position")
    return rows.defer(
        "frozen",
        "outputs",
        "ingredients",
        *(f"reused_from__{field}" for field in ("frozen", "outputs", "ingredients", "reason", "reuse_note")),
    )


def _step_row(step: StepRun) -> dict[str, Any]:
    return {
        "name": step.name,
        "status": step.status,
        "position": step.position,
        "queued_at": iso(step.queued_at),
        "started_at": iso(step.started_at),
        "finished_at": iso(step.finished_at),
        "attempt": step.attempt,
        "exit_code": step.exit_code,
        "reason": step.reason,
        "job_id": step.job_id,
        "reused_from": step.reused_from.run_id if step.reused_from else None,
        "reuse_note": step.reuse_note,
    }


def _tails(failed: Iterable[StepRun]) -> dict[int, list[str]]:
    """The last lines of the first few failed steps."""
    first = sorted((step for step in failed if step.job_id), key=lambda step: (step.finished_at is None, step.position))
    jobs = {step.job_id: step.pk for step in first[:TAILS] if step.job_id}
    if not jobs:
        return {}
    latest = {attempt.job_id: attempt for attempt in Attempt.objects.filter(job_id__in=list(jobs)).order_by("number")}
    return {jobs[job_id]: reading.tail_text(attempt, TAIL_LINES) for job_id, attempt in latest.items()}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "node_name": attempt.node_name,
        "claimed_at": iso(attempt.claimed_at),
        "started_at": iso(attempt.started_at),
        "finished_at": iso(attempt.finished_at),
        "exit_code": attempt.exit_code,
        "reason": attempt.reason,
        "peak_memory_bytes": attempt.peak_memory_bytes,
        "cpu_s": attempt.cpu_s,
        "read_bytes": attempt.read_bytes,
        "written_bytes": attempt.written_bytes,
        "log_lines": reading.total_lines(attempt),
    }


def _is_id(text: str) -> bool:
    """Whether this can be a row's number: SQLite and PostgreSQL refuse larger ones with an error."""
    return text.isascii() and text.isdecimal() and len(text) <= 18
