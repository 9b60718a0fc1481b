"""What a step used: for its panel and the API."""

from typing import Any

from compute.execution.usage.series import UsageSeries, UsageTotals
from compute.models import Attempt, AttemptUsage
from pipelines.models import StepRun
from pipelines.queries import attempt_of
from pipelines.states import STEP_TERMINAL
from pipelines.usage_chart import usage_figure


def usage_of(step: StepRun, number: int | None) -> dict[str, Any]:
    """Of one attempt, the latest where none is named. Raises Http404 for one that isn't there."""
    attempt, numbers = attempt_of(step, number)
    series = _series(attempt)
    return {
        "attempt": attempt.number if attempt else 0,
        "attempts": numbers,
        "is_running": _is_running(step, attempt),
        "limits": step.frozen.step.limits.model_dump(mode="json"),
        "totals": _totals(attempt, series).model_dump(mode="json"),
        "series": series.model_dump(mode="json", exclude={"schema_version", "totals"}) if series else None,
    }


def usage_for_page(step: StepRun, number: int | None) -> dict[str, Any]:
    """The same with a figure in place of its numbers, or with a sentence why there is none. Raises Http404."""
    attempt, numbers = attempt_of(step, number)
    series = _series(attempt)
    return {
        "attempt": attempt.number if attempt else 0,
        "attempts": numbers,
        "is_running": _is_running(step, attempt),
        "limits": step.frozen.step.limits.model_dump(mode="json"),
        "totals": _totals(attempt, series).model_dump(mode="json"),
        "seconds": series.at_s[-1] if series and series.at_s else None,
        "figure": usage_figure(series, step.frozen.step.limits) if series else None,
        "empty": "" if series else _why_empty(step, attempt),
    }


def _series(attempt: Attempt | None) -> UsageSeries | None:
    row = AttemptUsage.objects.filter(attempt=attempt).first() if attempt else None
    series: UsageSeries | None = row.series if row else None
    return series


def _totals(attempt: Attempt | None, series: UsageSeries | None) -> UsageTotals:
    """Those of the end, or as long as there are none, those of the last look."""
    if attempt is not None and attempt.cpu_s is not None:
        return UsageTotals(
            peak_memory_bytes=attempt.peak_memory_bytes,
            cpu_s=attempt.cpu_s,
            read_bytes=attempt.read_bytes,
            written_bytes=attempt.written_bytes,
        )
    return series.totals if series else UsageTotals()


def _is_running(step: StepRun, attempt: Attempt | None) -> bool:
    return attempt is not None and attempt.finished_at is None and step.status not in STEP_TERMINAL


def _why_empty(step: StepRun, attempt: Attempt | None) -> str:
    if step.reused_from_id:
        return "The step was reused: it ran in another run."
    if attempt is None:
        return "The step has not begun yet." if step.status not in STEP_TERMINAL else "The step never ran."
    if _is_running(step, attempt):
        return "The first figures come some seconds after its script has begun."
    return "It was over before there was anything to draw."
