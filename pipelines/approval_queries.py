"""Which approvals wait, and for whom. The number of queries, and what they read, grows with those that wait alone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from pipelines.approvers import all_that_ask, in_words, why_not
from pipelines.kinds.approval import ApprovalStep
from pipelines.models import Run, StepRun
from pipelines.states import StepStatus
from studio.workspaces.access import Access

MOST = 200


@dataclass(frozen=True, slots=True)
class OpenApproval:
    """One that waits, as somebody sees it."""

    run: Run
    step: str
    question: str
    asked: str  # who can answer, in words
    until: datetime | None
    why_not: str | None  # a sentence for who can't answer


def open_approvals(access: Access, run: Run | None = None) -> list[OpenApproval]:
    """Those of a run, or of the workspace: the oldest first, no more than 200. One query."""
    rows = _waiting(access).select_related("run__pipeline").order_by("started_at", "pk")
    if run is not None:
        rows = rows.filter(run=run)
    return [_seen_by(access, row) for row in rows.only(*_FIELDS)[:MOST]]


def runs_waiting_for(access: Access) -> list[int]:
    """The numbers of the runs that wait for this member's answer, the newest first, no more than 200. One query."""
    rows = _waiting(access).filter(asks__in=all_that_ask(access.role, access.user.username))
    rows = rows.exclude(Q(asks_others=True) & Q(run__submitted_by=access.user.pk))
    return list(rows.order_by("-run_id").values_list("run_id", flat=True).distinct()[:MOST])


def approval_json(approval: OpenApproval) -> dict[str, Any]:
    return {
        "run": approval.run.pk,
        "pipeline": approval.run.pipeline.name,
        "step": approval.step,
        "question": approval.question,
        "asked": approval.asked,
        "until": approval.until.isoformat() if approval.until else None,
        "may_answer": approval.why_not is None,
    }


_FIELDS = (
    *("name", "frozen", "asks", "asks_others", "due_at", "started_at"),
    *("run__parameters", "run__submitted_by_id", "run__pipeline__name"),
)


def _waiting(access: Access) -> QuerySet[StepRun]:
    rows = StepRun.objects.filter(status=StepStatus.RUNNING, run__workspace=access.workspace)
    return rows.exclude(asks="").filter(run__cancel_requested_at=None)


def _seen_by(access: Access, row: StepRun) -> OpenApproval:
    kind = row.frozen.step
    sentence = why_not(
        row.asks,
        asks_others=row.asks_others,
        role=access.role,
        username=access.user.username,
        is_submitter=row.run.submitted_by_id == access.user.pk,
    )
    return OpenApproval(
        run=row.run,
        step=row.name,
        question=kind.question(row.run.parameters.values) if isinstance(kind, ApprovalStep) else "",
        asked=in_words(row.asks),
        until=row.due_at,
        why_not=sentence,
    )
