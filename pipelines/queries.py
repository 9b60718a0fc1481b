"""What pages and API read of pipelines and runs. A number of queries that does not grow with what they show."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.http import Http404
from django.urls import reverse

from compute.logs import reading
from compute.models import Attempt, ComputeTarget
from compute.services.locks import lock_of
from compute.spec import OutputRecord
from compute.waiting_queries import reasons
from datastores import snapshots
from datastores.backends import Listing
from datastores.models import Snapshot
from pipelines.artifacts import TAKEN, StoredFolder, artifacts_by_attempt, artifacts_json, result_of
from pipelines.branching import as_it_runs
from pipelines.definition import Step
from pipelines.events import as_json
from pipelines.explaining import reuse_end_of
from pipelines.inner_runs import outermost
from pipelines.kinds.describing import fields_of
from pipelines.kinds.registry import KINDS
from pipelines.kinds.tracked import TrackedStep
from pipelines.models import (
    LONG_OF_STEPS,
    LONG_OF_VERSIONS,
    FrozenStep,
    Module,
    Pin,
    Pipeline,
    PipelineVersion,
    Run,
    RunEvent,
    StepEdit,
    StepRun,
)
from pipelines.outline import Outline, outline_of
from pipelines.preview import branch_word
from pipelines.states import RunStatus, StepStatus
from pipelines.step_data import data_of
from studio.workspaces.models import Workspace

MAX_EVENTS = 2000  # of one answer: a watcher asks again from the last one
TAIL_LINES = 20
TAILS = 3  # failed steps whose last lines come with the run's state
_STEP_ROW = (
    "name",
    "status",
    "position",
    "makes_runs",
    "queued_at",
    "started_at",
    "finished_at",
    "attempt",
    "exit_code",
    "reason",
    "job_id",
    "reuse_note",
)
PINNED = Exists(Pin.objects.filter(run=OuterRef("pk")))


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
    experiment: str = ""  # its name
    text: str = ""  # in the pipeline's or the experiment's name, or a run's number

    def apply(self, rows: QuerySet[Run]) -> QuerySet[Run]:
        if self.status in RunStatus.values:
            rows = rows.filter(status=self.status)
        if self.pipeline:
            rows = rows.filter(pipeline_id=int(self.pipeline)) if _is_id(self.pipeline) else rows.none()
        if self.submitted_by:
            rows = rows.filter(submitted_by__username=self.submitted_by)
        if self.experiment:
            rows = rows.filter(experiment__name=self.experiment)
        if self.text:
            found = Q(pipeline__name__icontains=self.text) | Q(experiment__name__icontains=self.text)
            number = self.text.removeprefix("#")
            rows = rows.filter(found | Q(pk=int(number)) if _is_id(number) else found)
        return rows


def runs_of(workspace: Workspace, narrowed: RunFilter | None = None) -> QuerySet[Run]:
    """The workspace's runs, the newest first, with what a list shows of them."""
    rows = Run.objects.filter(workspace=workspace, parent_step=None).select_related(
        "pipeline", "experiment", "submitted_by", "paused_by", "version"
    )
    rows = rows.defer("parameters", *(f"version__{name}" for name in LONG_OF_VERSIONS))
    rows = rows.annotate(is_pinned=PINNED).order_by("-pk")
    return narrowed.apply(rows) if narrowed else rows


def run_of(workspace: Workspace, run_id: int) -> Run:
    """A run, in the trash or not. Raises Http404, also for one that is being deleted: not all of it is there.

    Its version's definition may be long: it is read when somebody asks for it.
    """
    about = ("pipeline", "experiment", "submitted_by", "paused_by", "version", "parent_step", "trash__trashed_by")
    rows = (
        Run.everything.filter(workspace=workspace, pk=run_id)
        .filter(is_being_purged=False)
        .select_related(*about)
        .annotate(is_pinned=PINNED)
    )
    unread = [f"parent_step__{name}" for name in LONG_OF_STEPS] + [f"version__{name}" for name in LONG_OF_VERSIONS]
    run = rows.defer(*unread).first()
    if run is None:
        raise Http404("There is no such run in this workspace, or it was deleted.")
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
        "regenerate_outputs": run.regenerate_outputs,
        "submitted_by": run.submitted_by.username if run.submitted_by else None,
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "finished_at": iso(run.finished_at),
        "cancel_requested_at": iso(run.cancel_requested_at),
        "paused_at": iso(run.paused_at),
        "paused_by": run.paused_by.username if run.paused_by else None,
        "continue_on_step_failure": run.continue_on_step_failure,
        "steps_total": run.steps_total,
        "steps_done": run.steps_done,
        "rerun_of": run.rerun_of_id,
        "rerun_from": run.rerun_from,
        "parent": parent_json(run),
        "last_event": run.last_event,
        "pinned": run_is_pinned(run),
    }


def run_is_pinned(run: Run) -> bool:
    """Whether it or a step of it carries a pin, of a run that was read here."""
    return bool(getattr(run, "is_pinned", False))


def trash_json(run: Run) -> dict[str, Any] | None:
    """Who put a run in the trash and when it goes, of one that `run_of` gave; None where it is not there."""
    if run.trashed_at is None:
        return None
    trash = outermost(run).trash
    return {
        "status": trash.status,
        "trashed_at": iso(trash.trashed_at),
        "trashed_by": trash.trashed_by.username if trash.trashed_by else None,
        "why": trash.why,
        "deleted_at": iso(trash.due_at),
    }


def pin_json(pin: Pin | None) -> dict[str, Any] | None:
    if pin is None:
        return None
    by = pin.pinned_by.username if pin.pinned_by else None
    return {"note": pin.note, "by": by, "at": iso(pin.pinned_at)}


def parent_json(run: Run) -> dict[str, Any] | None:
    """The run and the step that had this one made; None for one that somebody submitted."""
    if run.parent_step is None:
        return None
    return {
        "run": run.parent_step.run_id,
        "step": run.parent_step.name,
        "number": run.child_number,
        "label": run.child_label,
    }


def run_state(run: Run) -> dict[str, Any]:
    """Everything that the run page begins with; later events bring it up to date.

    The run's row is read before its steps: what happens in between comes again as an event, which is harmless.
    """
    outline = run.version.outline or outline_of(run.version.definition)
    steps = _steps_of(run)
    names = {row["position"]: row["name"] for row in steps}
    wholes = _wholes(steps)
    tails = _tails(steps)
    pins = {pin.step_run_id: pin for pin in run.pins.select_related("pinned_by")} if run_is_pinned(run) else {}
    kinds = {kind: _kind_row(kind) for kind in set(outline.kinds)}
    of_step = _kinds_of(outline, steps, wholes)
    tabs = _tabs_of_modules(run, of_step)
    return {
        **run_row(run),
        "trash": trash_json(run),
        "pin": pin_json(pins.get(None)),
        "parameters": run.parameters.values,
        # What a new run of the same version does not have.
        "edited": sorted(set(StepEdit.objects.filter(step_run__run=run).values_list("step_run__name", flat=True))),
        "steps": [
            {
                **{name: row[name] for name in _STEP_ROW},
                "queued_at": iso(row["queued_at"]),
                "started_at": iso(row["started_at"]),
                "finished_at": iso(row["finished_at"]),
                "reused_from": row["reused_from__run_id"],
                **kinds[of_step[row["name"]]],
                **tabs.get(row["name"], {}),
                "part_of": wholes.get(row["name"]),
                "log_tail": tails.get(row["pk"], []),
                "pin": pin_json(pins.get(row["pk"])),
            }
            for row in steps
        ],
        "edges": list(_edges_shown(outline, names, wholes)),
    }


def _edges_shown(outline: Outline, names: Mapping[int, str], wholes: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What leads to a step that works on several nodes leads to its parts, and these to the step."""
    parts: dict[str, list[str]] = {}
    for part, whole in wholes.items():
        parts.setdefault(whole, []).append(part)
    for edge in outline.edges:
        if edge.upstream not in names or edge.downstream not in names:
            continue
        for name in parts.get(names[edge.downstream], [names[edge.downstream]]):
            yield {
                "from": names[edge.upstream],
                "to": name,
                "output": edge.output,
                "input": edge.input,
                **({} if edge.branch is None else {"label": branch_word(edge.branch)}),
            }
    yield from ({"from": part, "to": whole, "output": "", "input": ""} for part, whole in wholes.items())


def _kinds_of(outline: Outline, steps: Iterable[Mapping[str, Any]], wholes: Mapping[str, str]) -> dict[str, str]:
    """By step, the kind; of a part that of the step which it is a part of."""
    own = {row["name"]: outline.kinds[row["position"]] for row in steps if row["position"] < len(outline.kinds)}
    return own | {part: own[whole] for part, whole in wholes.items()}


def _tabs_of_modules(run: Run, of_step: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """By step, the tab of what a module had made. What it is knows what was frozen: one query where there are any."""
    modules = [name for name, kind in of_step.items() if KINDS[kind].is_module]
    if not modules:
        return {}
    rows = StepRun.objects.filter(run=run, name__in=modules)
    of_kind = rows.annotate(kind=KeyTextTransform("kind", KeyTransform("step", "frozen"))).values_list("name", "kind")
    return {name: {"runs_tab": KINDS[kind].runs_tab} for name, kind in of_kind if kind in KINDS}


def _wholes(steps: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """By the name of a part, that of the step which puts the parts together."""
    names = {row["pk"]: row["name"] for row in steps}
    return {row["name"]: names[row["part_of_id"]] for row in steps if row["part_of_id"]}


def events_after(run: Run, seq: int, *, limit: int = MAX_EVENTS) -> list[dict[str, Any]]:
    """The run's events after number `seq`, as watchers get them, at most `limit` of them."""
    rows = RunEvent.objects.filter(run_id=run.pk, seq__gt=seq).order_by("seq")
    return [as_json(*row) for row in rows.values_list("seq", "at", "data")[:limit]]


def is_tracked(run: Run, state: Mapping[str, Any]) -> bool:
    """Whether a program elsewhere does it: nothing of it can be paused, tried again or submitted here."""
    if len(state["steps"]) != 1 or state["steps"][0]["has_job"]:
        return False
    return isinstance(StepRun.objects.get(run=run).frozen.step, TrackedStep)


def step_of(run: Run, name: str) -> StepRun:
    """Raises Http404."""
    if "\0" in name:  # PostgreSQL would not even look
        raise Http404("There is no such step.")
    step = StepRun.objects.filter(run=run, name=name).select_related("reused_from").defer("reused_from__frozen").first()
    if step is None:
        raise Http404(f"Run {run.pk} has no step “{name}”.")
    step.run = run
    return step


def step_detail(workspace: Workspace, step: StepRun) -> dict[str, Any]:
    """A step with everything that its panel shows."""
    frozen = step.frozen = as_it_runs(step.run, step)
    data = data_of(workspace, step)
    attempts = attempts_of(step)
    # A removed target too.
    target = ComputeTarget._base_manager.filter(pk=frozen.compute_id).only("name").first()  # noqa: SLF001
    return {
        **_step_row(step),
        "description": frozen.step.description,
        "kind": {
            "name": frozen.step.kind,
            "label": frozen.step.label,
            "icon": frozen.step.icon,
            "has_job": frozen.step.has_job,
            "fields": fields_of(type(frozen.step)),
        },
        "settings": frozen.step.settings(),
        "module": module_json(workspace, frozen),
        "entry": frozen.step.script,
        "command": frozen.command,
        "environment_variables": frozen.environment_variables,
        "environment_name": frozen.environment_name,
        "environment": frozen.environment.model_dump(mode="json", exclude={"schema_version"}),
        "resources": frozen.resources.model_dump(mode="json"),
        "waits_for": waits_for(workspace, step),
        "environment_lock": _lock(frozen.environment.digest),
        "compute": {"id": frozen.compute_id, "name": target.name if target else ""},
        "allow_reuse": frozen.step.allow_reuse,
        "reuse_ends": _reuse_end(step),
        "pin": pin_json(Pin.objects.filter(step_run=step).select_related("pinned_by").first()),
        "retry": frozen.step.retry.model_dump(mode="json"),
        "limits": frozen.step.limits.model_dump(mode="json"),
        "timeout_s": frozen.step.timeout_s,
        "inputs": data.inputs,
        "outputs": data.outputs,
        "models": data.models,
        "run_after": frozen.step.run_after,
        "only_if": frozen.step.only_if.model_dump() if frozen.step.only_if else None,
        "decision": decision_json(step),
        "due_at": iso(step.due_at),
        "snapshot": frozen.snapshot,
        "attempts": [{**_attempt(attempt), "kept": _kept(step, attempt)} for attempt in attempts],
        "artifacts": artifacts_json(artifacts_by_attempt(step, attempts)),
        "source": frozen.step.source,
        "git": git_json(frozen.step),
        "edits": [edit_json(edit) for edit in step.edits.select_related("edited_by")],
        "part": part_json(frozen),
        "log_tail": [],
    }


def part_json(frozen: FrozenStep) -> dict[str, Any] | None:
    """Of a step that works on several nodes, which part this is; number 0 puts the others together."""
    part = frozen.part
    return {"of": part.step, "number": part.number, "count": part.count} if part else None


def module_json(workspace: Workspace, frozen: FrozenStep) -> dict[str, Any] | None:
    """The module that a step comes from, with the values of its parameters; without a page where it was deleted."""
    module = frozen.module
    if module is None:
        return None
    there = Module.objects.filter(pk=module.module_id, workspace=workspace, deleted_at=None).exists()
    page = reverse("modules:detail", args=[workspace.slug, module.module_id])
    return {
        "name": module.name,
        "version": module.version,
        "url": f"{page}?version={module.version}" if there else None,
        "values": module.values,
    }


def git_json(step: Step) -> dict[str, Any] | None:
    """Which commit its files are, and whether somebody edited them in the studio since; None where nobody said."""
    if step.git is None:
        return None
    return {**step.git.model_dump(mode="json"), "edited_since": step.was_edited_here}


def decision_json(step: StepRun) -> dict[str, Any] | None:
    """What a step without a job came to; None before, and for every other."""
    return step.decision.model_dump(mode="json", exclude={"schema_version"}) if step.decision else None


def _reuse_end(step: StepRun) -> dict[str, Any] | None:
    """From when on nobody takes its result again, and who said so; None where it may be taken."""
    end = reuse_end_of(step)
    if end is None:
        return None
    by = end.decided_by.username if end.decided_by else None
    return {"at": iso(end.ends_at), "by": by, "decided_at": iso(end.decided_at), "run": end.step_run.run_id}


def waits_for(workspace: Workspace, step: StepRun) -> str:
    """Why a queued step has not started, in words; empty for any other."""
    if step.status != StepStatus.QUEUED or step.job_id is None:
        return ""
    reason = reasons(workspace, [step.job_id]).get(step.job_id, "")
    if not reason and Run.objects.filter(pk=step.run_id, paused_at__isnull=False).exists():
        reason = "The run is paused: it starts once somebody resumes it"
    return f"{reason}." if reason else ""


def edit_json(edit: StepEdit) -> dict[str, Any]:
    """What somebody changed between two attempts, and what ran until then."""
    return {
        "number": edit.number,
        "last_attempt": edit.last_attempt,
        "changes": edit.changes.changes,
        "edited_by": edit.edited_by.username if edit.edited_by else None,
        "edited_at": iso(edit.edited_at),
        "settings_before": edit.before.step.settings(),
        "command_before": edit.before.command,
        "snapshot_before": edit.before.snapshot,
    }


def frozen_at(step: StepRun, attempt: int | None) -> FrozenStep:
    """What an attempt of a step ran; where none is named what the next one runs, or the latest ran."""
    edits = step.edits.filter(last_attempt__gte=attempt).order_by("number") if attempt is not None else None
    edit = edits.first() if edits is not None else None
    frozen: FrozenStep = edit.before if edit else step.frozen
    return frozen


def _lock(digest: str) -> dict[str, Any] | None:
    """What the environment was and is on every machine; None before its first build."""
    lock = lock_of(digest)
    if lock is None:
        return None
    packages = [{"name": each.name, "version": each.version, "installed_by": each.source} for each in lock.packages]
    return {"python": lock.python, "tool": lock.tool, "packages": packages}


def attempts_of(step: StepRun) -> list[Attempt]:
    """The tries at a step, the first one first, those before its run was continued included."""
    rows = Attempt.objects.filter(job__owner=step.job_owner).order_by("number")
    return list(rows.annotate(job_result=F("job__result"), job_last=F("job__attempt_number")))


def kept_of(attempt: Any) -> dict[str, OutputRecord]:
    """What an attempt of `attempts_of` left that is kept, by output; nothing where it has not ended."""
    result = result_of(attempt)
    return dict(result.outputs) if result else {}


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


class OutputFolder(StoredFolder):
    """One output of a finished step, where it lies. With `attempt`, what that one left and is kept."""

    def __init__(self, workspace: Workspace, step: StepRun, name: str, *, attempt: int | None = None) -> None:
        """Raises Http404 where there is no such output (yet), or no such attempt."""
        record: OutputRecord | None = step.outputs.outputs.get(name) if step.outputs else None
        if attempt is not None and not (record and attempt == step.attempt):
            record = kept_of(attempt_of(step, attempt)[0]).get(name)
            if record is None:
                raise Http404(f"Nothing is kept as “{name}” of attempt {attempt} of step “{step.name}”.")
        if record is None:
            if any(output.name == name for output in step.frozen.step.all_outputs):
                raise Http404(f"Step “{step.name}” has not written “{name}”: outputs are kept when a step completes.")
            raise Http404(f"Step “{step.name}” has no output “{name}”.")
        super().__init__(
            workspace, datastore_id=record.datastore_id, path=record.path, is_file=record.is_file, parts=record.parts
        )


class NoArtifacts(Http404):
    """A step, or an attempt of it, left none."""


class ArtifactFolder(StoredFolder):
    """What a step left beside its outputs, or one attempt of it. Without a number the latest that left some."""

    def __init__(self, workspace: Workspace, step: StepRun, *, attempt: int | None = None) -> None:
        """Raises NoArtifacts where there are none (yet)."""
        found = artifacts_by_attempt(step, attempts_of(step))
        latest = TAKEN if TAKEN in found else max(found, default=TAKEN)
        self.attempt = latest if attempt is None else attempt
        record = found.get(self.attempt)
        if record is None or not record.file_count:
            of = "" if attempt is None else f"Attempt {attempt} of "
            raise NoArtifacts(f"{of}{'step' if of else 'Step'} “{step.name}” left no artifacts.")
        super().__init__(workspace, datastore_id=record.datastore_id, path=record.path)


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


def _steps_of(run: Run) -> list[dict[str, Any]]:
    """Columns, for a run may have thousands of steps."""
    return list(
        StepRun.objects.filter(run=run)
        .order_by("position")
        .values("pk", *_STEP_ROW, "part_of_id", "reused_from__run_id")
    )


def _kind_row(name: str) -> dict[str, Any]:
    kind = KINDS[name]
    return {
        "icon": kind.icon,
        "has_job": kind.has_job,
        "asks": bool(kind.person_field),
        "runs_tab": kind.runs_tab,
    }


def _step_row(step: StepRun) -> dict[str, Any]:
    return {
        "name": step.name,
        "status": step.status,
        "position": step.position,
        "makes_runs": step.makes_runs,
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


def _tails(steps: Iterable[Mapping[str, Any]]) -> dict[int, list[str]]:
    """The last lines of the first few failed steps."""
    failed = [step for step in steps if step["status"] == StepStatus.FAILED and step["job_id"]]
    first = sorted(failed, key=lambda step: (step["finished_at"] is None, step["position"]))
    jobs = {step["job_id"]: step["pk"] for step in first[:TAILS]}
    if not jobs:
        return {}
    latest = {attempt.job_id: attempt for attempt in Attempt.objects.filter(job_id__in=list(jobs)).order_by("number")}
    return {jobs[job_id]: reading.tail_text(attempt, TAIL_LINES) for job_id, attempt in latest.items()}


def _kept(step: StepRun, attempt: Attempt) -> list[dict[str, Any]]:
    """What an attempt left that the step's own outputs don't say (any more)."""
    if step.outputs and attempt.number == step.attempt:
        return []
    return [
        {"name": name, "file": record.is_file, "file_count": record.file_count, "size_bytes": record.size_bytes}
        for name, record in kept_of(attempt).items()
    ]


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
