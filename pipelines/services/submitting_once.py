"""Submitting with a key: a program that got no answer asks again, and gets the run that there is already."""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from pipelines.models import Pipeline, Run, SubmitKey
from pipelines.services.submitting import submit_run
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.access import Access

KEPT = timedelta(days=1)
MAX_KEY = 255
_AT_ONCE = 1000


def submit_once(access: Access, pipeline: Pipeline, key: str, wanted: Mapping[str, Any]) -> tuple[Run, bool]:
    """The run that was submitted with this key by this person within the last day, or a new one; and whether it is new.

    Raises UserError for a key that can't be one, ConflictError where it stands for something else that was asked, and
    what `submit_run` raises.
    """
    if not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise UserError(f"An Idempotency-Key has 1 to {MAX_KEY} characters of ASCII that can be shown.")
    digest = _digest(pipeline, wanted)
    if (found := _found(access, key, digest)) is not None:
        return found, False

    def note(run: Run) -> None:
        SubmitKey.objects.create(workspace=access.workspace, user=access.user, key=key, digest=digest, run=run)

    try:
        return submit_run(access, pipeline, **wanted, within=note), True
    except IntegrityError:  # somebody else with the key was faster, and what this one inserted is undone
        if (found := _found(access, key, digest)) is not None:
            return found, False
        raise


def forget_submit_keys() -> None:
    """Of yesterday and before, some at a time."""
    old = SubmitKey.objects.filter(created_at__lt=timezone.now() - KEPT).order_by("created_at")
    SubmitKey.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:_AT_ONCE])).delete()


def _found(access: Access, key: str, digest: str) -> Run | None:
    row = SubmitKey.objects.filter(workspace=access.workspace, user=access.user, key=key).select_related("run").first()
    if row is not None and row.digest != digest:
        raise ConflictError(
            f"This Idempotency-Key was used for run {row.run_id}, which was asked for in other words. Take a new key.",
            run=row.run_id,
        )
    return row.run if row else None


def _digest(pipeline: Pipeline, wanted: Mapping[str, Any]) -> str:
    asked = json.dumps({**wanted, "pipeline": pipeline.pk}, sort_keys=True, default=str)
    return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()
