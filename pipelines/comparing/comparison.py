"""Two runs of a workspace side by side. As many queries for five hundred steps as for two, and no step's details."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.db.models.fields.json import KeyTransform

from pipelines.comparing.documents import Row
from pipelines.comparing.measured import MetricPair, metric_pairs, worth_a_chart
from pipelines.comparing.pairs import StepFacts, StepPair, paired
from pipelines.comparing.words import how_they_ended, what_differs, what_it_took, what_was_measured
from pipelines.definition import ParameterValue
from pipelines.git_facts import GitFacts
from pipelines.metric_queries import measured_in
from pipelines.models import Run, StepRun
from pipelines.queries import run_row
from pipelines.run_page import seconds_between
from pipelines.states import RUN_TERMINAL, RunStatus
from studio.workspaces.templatetags.studio import as_written

COMMITS_SHOWN = 5  # of a run
_ENDS = {
    RunStatus.COMPLETED: "completed",
    RunStatus.FAILED: "failed",
    RunStatus.CANCELLED: "was cancelled",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """`before` is the left run, `after` the right one."""

    before: Run
    after: Run
    facts: list[Row]  # of the runs as a whole
    parameters: list[Row]
    steps: list[StepPair]
    metrics: list[MetricPair]
    summary: list[str]  # sentences

    @property
    def has_charts(self) -> bool:
        return any(worth_a_chart(pair) for pair in self.metrics)

    @property
    def is_over(self) -> bool:
        return self.before.status in RUN_TERMINAL and self.after.status in RUN_TERMINAL

    def as_json(self) -> dict[str, Any]:
        return {
            "left": _run_json(self.before),
            "right": _run_json(self.after),
            "summary": self.summary,
            "parameters": [
                {
                    "name": row.label,
                    "differs": row.differs,
                    "left": self.before.parameters.values.get(row.label),
                    "right": self.after.parameters.values.get(row.label),
                }
                for row in self.parameters
            ],
            "metrics": [pair.as_json() for pair in self.metrics],
            "steps": [pair.as_json() for pair in self.steps],
        }


def compare_runs(before: Run, after: Run) -> Comparison:
    """The caller has seen to it that both are of one workspace, which the reader may see."""
    sides: dict[int, list[StepFacts]] = {before.pk: [], after.pk: []}
    for run_id, facts in _facts_of(before, after):
        sides[run_id].append(facts)
    steps = paired(sides[before.pk], sides[after.pk])
    parameters = _parameters(before, after)
    metrics = metric_pairs(measured_in(before), measured_in(after), [pair.name for pair in steps])
    return Comparison(
        before=before,
        after=after,
        facts=[*_run_rows(before, after), *_commits(sides[before.pk], sides[after.pk])],
        parameters=parameters,
        steps=steps,
        metrics=metrics,
        summary=_summary(before, after, parameters, steps, metrics),
    )


def run_seconds(run: Run) -> float | None:
    """From its start to its end; None where there is none yet."""
    return seconds_between(run.started_at, run.finished_at, run.finished_at) if run.finished_at else None


def _facts_of(*runs: Run) -> Iterator[tuple[int, StepFacts]]:
    """Parts of the documents alone: a step's whole one may name thousands of paths."""
    rows = StepRun.objects.filter(run__in=runs).order_by("position")
    found = rows.annotate(
        document=KeyTransform("step", "frozen"),
        written=KeyTransform("outputs", "outputs"),
        taken_from=F("reused_from__run_id"),
    ).values_list(
        "run_id", "name", "status", "started_at", "finished_at", "ingredients", "document", "written", "taken_from"
    )
    for run_id, *facts in found.iterator(chunk_size=500):
        yield run_id, StepFacts(*facts)


def _parameters(before: Run, after: Run) -> list[Row]:
    old, new = before.parameters.values, after.parameters.values
    names = [*new, *(name for name in old if name not in new)]
    return [Row(name, _value(old, name), _value(new, name)) for name in names]


def _value(values: dict[str, ParameterValue], name: str) -> str | None:
    return as_written(values[name]) if name in values else None


def _run_rows(before: Run, after: Run) -> list[Row]:
    def row(label: str, read: Any) -> Row:
        return Row(label, read(before), read(after))

    return [
        row("Pipeline", lambda run: f"{run.pipeline.name}, version {run.version.number}"),
        row("Experiment", lambda run: run.experiment.name),
        row("Submitted by", lambda run: str(run.submitted_by or "somebody who is gone")),
        row("At a failed step", lambda run: "goes on" if run.continue_on_step_failure else "the run stops"),
        row("Reuse", lambda run: "off" if run.regenerate_outputs else "on"),
    ]


def _commits(before: list[StepFacts], after: list[StepFacts]) -> list[Row]:
    """Those that the steps' files are of, where somebody said so."""
    old, new = _commits_of(before), _commits_of(after)
    return [Row("Commits", old or None, new or None)] if old or new else []


def _commits_of(steps: list[StepFacts]) -> str:
    said = [each.document["git"] for each in steps if each.document.get("git")]
    words = dict.fromkeys(GitFacts.model_validate(each).commit_words for each in said)
    shown = "; ".join(list(words)[:COMMITS_SHOWN])
    return f"{shown}; and {len(words) - COMMITS_SHOWN} more" if len(words) > COMMITS_SHOWN else shown


def _summary(
    before: Run, after: Run, parameters: list[Row], steps: list[StepPair], metrics: list[MetricPair]
) -> list[str]:
    left, right = str(before.pk), str(after.pk)
    said = [what_differs(left, right, parameters, steps)]
    waiting = [run.pk for run in (before, after) if run.status not in RUN_TERMINAL]
    if waiting:
        which = f"Run {waiting[0]} is" if len(waiting) == 1 else "Both runs are"
        said.append(f"{which} not over yet: this is how far it is now.")
    else:
        then, now = _ENDS[RunStatus(before.status)], _ENDS[RunStatus(after.status)]
        reused = (
            sum(1 for pair in steps if pair.before and pair.before.reused_from),
            sum(1 for pair in steps if pair.after and pair.after.reused_from),
        )
        said.append(how_they_ended(left, right, then, now))
        said.append(what_it_took(run_seconds(before), run_seconds(after), reused))
    said.append(what_was_measured(metrics))
    return [sentence for sentence in said if sentence]


def _run_json(run: Run) -> dict[str, Any]:
    return {**run_row(run), "duration_s": run_seconds(run)}
