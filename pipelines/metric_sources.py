"""Whose metrics are a step's: its own, or those of the step whose result it took."""

from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from pipelines.models import StepRun


def with_whose_metrics(rows: "QuerySet[StepRun]") -> "QuerySet[Any, Any]":
    """With `their_job` and `their_attempt`, the number of the last one, by which the metrics of a step are found."""
    return rows.annotate(
        their_job=Coalesce("reused_from__job_id", "job_id"),
        their_attempt=Coalesce("reused_from__attempt", "attempt"),
    )
