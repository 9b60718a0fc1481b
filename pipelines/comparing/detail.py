"""One step of two runs in detail: every ingredient that differs, what it wrote, measured and used."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from compute.models import Attempt
from compute.spec import OutputRecord
from pipelines.comparing.documents import Documents, Row, document_differences
from pipelines.comparing.measured import MetricPair, metric_pairs
from pipelines.explaining import Change, changes_between
from pipelines.fingerprints import Difference, differences, in_order, ingredients_of
from pipelines.metric_queries import measured_in
from pipelines.models import Ingredients, Run, StepRun
from pipelines.queries import iso, step_of
from pipelines.run_page import exit_words, seconds_between
from studio.workspaces.models import Workspace
from studio.workspaces.templatetags.studio import duration, filesize

OutputKind = Literal["same", "other", "before", "after"]


@dataclass(frozen=True, slots=True)
class OutputPair:
    """An output of both, or of one alone."""

    name: str
    kind: OutputKind
    before: OutputRecord | None
    after: OutputRecord | None


@dataclass(frozen=True, slots=True)
class StepComparison:
    name: str
    before: StepRun
    after: StepRun
    changes: list[Change]
    same: list[str]  # ingredients, in words
    documents: Documents  # graph and settings
    figures: list[Row]  # how it went: status, times, what it used
    outputs: list[OutputPair]
    metrics: list[MetricPair]
    note: str  # why not all can be told; else empty

    @property
    def rows(self) -> list[Row]:
        return [*self.documents.graph, *self.documents.settings]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "note": self.note,
            "changes": [asdict(change) for change in self.changes],
            "same": self.same,
            "graph": [row.as_json() for row in self.documents.graph],
            "settings": [row.as_json() for row in self.documents.settings],
            "git": [row.as_json() for row in self.documents.git],
            "left": _step_json(self.before),
            "right": _step_json(self.after),
            "outputs": [
                {
                    "name": pair.name,
                    "same": pair.kind == "same",
                    "left": _record(pair.before),
                    "right": _record(pair.after),
                }
                for pair in self.outputs
            ],
            "metrics": [pair.as_json() for pair in self.metrics],
        }


def compare_steps(workspace: Workspace, before: Run, after: Run, name: str) -> StepComparison:
    """Raises Http404 where one of the runs has no such step. Looks at sources and datastores: it may take seconds."""
    old, new = step_of(before, name), step_of(after, name)
    different, same, note = _ingredients(old, new)
    return StepComparison(
        name=name,
        before=old,
        after=new,
        changes=changes_between(workspace, old, new, different),
        same=same,
        documents=document_differences(old.frozen.step, new.frozen.step),
        figures=_figures(old, new),
        outputs=_outputs(old, new),
        metrics=metric_pairs(measured_in(before, step=name), measured_in(after, step=name), [name]),
        note=note,
    )


def _ingredients(old: StepRun, new: StepRun) -> tuple[list[Difference], list[str], str]:
    """Those that differ, those that are the same in words, and what is to be said of that."""
    if old.ingredients and new.ingredients:
        different = differences(new.ingredients, old.ingredients)
        same = [each.words for each in in_order(new.ingredients.digests) if each not in different]
        return different, same, ""
    if not (old.frozen.step.has_job and new.frozen.step.has_job):
        return [], [], ""
    # What its inputs held is known of a step that came to its turn alone; all else was known before.
    which = " and ".join(f"run {step.run_id}" for step in (old, new) if not step.ingredients)
    note = f"In {which} it did not come to its turn, so what its inputs held there is not known."
    different = differences(_without_data(new), _without_data(old))
    return different, [], note


def _without_data(step: StepRun) -> Ingredients:
    return ingredients_of(step.frozen, {})


def _figures(old: StepRun, new: StepRun) -> list[Row]:
    attempts = _last_attempts(old, new)

    def row(label: str, then: str, now: str) -> Row:
        return Row(label, then or None, now or None)

    sides = [(step, attempts.get(step.pk)) for step in (old, new)]
    rows = [
        row("Outcome", *(_outcome(step) for step, _ in sides)),
        row("Waited", *(_time(step.queued_at, step.started_at) if not step.reused_from else "" for step, _ in sides)),
        row("Ran", *(_time(step.started_at, step.finished_at) if not step.reused_from else "" for step, _ in sides)),
        row("Attempts", *(str(step.attempt) if step.attempt > 1 else "" for step, _ in sides)),
        row("Node", *(attempt.node_name if attempt else "" for _, attempt in sides)),
        row("Peak memory", *(_size(attempt) for _, attempt in sides)),
        row("CPU time", *(duration(a.cpu_s) if a and a.cpu_s is not None else "" for _, a in sides)),
    ]
    return [each for each in rows if each.before or each.after]


def _last_attempts(*steps: StepRun) -> Mapping[int, Attempt]:
    """By step run, of those that ran themselves."""
    jobs = {step.job_id: step for step in steps if step.job_id and not step.reused_from_id}
    rows = Attempt.objects.filter(job_id__in=list(jobs))
    return {jobs[row.job_id].pk: row for row in rows if row.number == jobs[row.job_id].attempt}


def _outcome(step: StepRun) -> str:
    if step.reused_from:
        return f"reused from run {step.reused_from.run_id}"
    words = step.get_status_display().lower()
    return f"{words} ({exit_words(step.exit_code)})" if step.exit_code else words


def _time(start: Any, end: Any) -> str:
    return duration(seconds_between(start, end, end)) if start and end else ""


def _size(attempt: Attempt | None) -> str:
    return filesize(attempt.peak_memory_bytes) if attempt and attempt.peak_memory_bytes else ""


def _outputs(old: StepRun, new: StepRun) -> list[OutputPair]:
    before = old.outputs.outputs if old.outputs else {}
    after = new.outputs.outputs if new.outputs else {}
    names = [*after, *(name for name in before if name not in after)]
    return [
        OutputPair(name, _kind(before.get(name), after.get(name)), before.get(name), after.get(name)) for name in names
    ]


def _kind(before: OutputRecord | None, after: OutputRecord | None) -> OutputKind:
    if before is None or after is None:
        return "before" if after is None else "after"
    return "same" if before.fingerprint == after.fingerprint else "other"


def _record(record: OutputRecord | None) -> dict[str, Any] | None:
    return record.model_dump(include={"fingerprint", "file_count", "size_bytes"}) if record else None


def _step_json(step: StepRun) -> dict[str, Any]:
    return {
        "run": step.run_id,
        "status": step.status,
        "reused_from": step.reused_from.run_id if step.reused_from else None,
        "attempt": step.attempt,
        "queued_at": iso(step.queued_at),
        "started_at": iso(step.started_at),
        "finished_at": iso(step.finished_at),
        "exit_code": step.exit_code,
    }
