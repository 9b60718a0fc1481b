"""What running attempts use, written down now and then: one statement for all of them."""

from collections.abc import Mapping

from django.db import IntegrityError, transaction

from compute.execution.usage.series import UsageSeries
from compute.models import Attempt, AttemptUsage
from studio.lib.clock import clock


def note_usage(by_attempt: Mapping[int, UsageSeries]) -> None:
    """Keep the series of attempts, by their keys, in place of what was kept of them before."""
    if not by_attempt:
        return
    now = clock.now()
    try:
        with transaction.atomic():
            there = set(Attempt.objects.filter(pk__in=by_attempt).values_list("pk", flat=True))
            AttemptUsage.objects.bulk_create(
                [AttemptUsage(attempt_id=pk, series=by_attempt[pk], updated_at=now) for pk in sorted(there)],
                update_conflicts=True,
                unique_fields=["attempt"],
                update_fields=["series", "updated_at"],
            )
    except IntegrityError:
        return  # one of them was deleted at this moment; the next heartbeat writes the others
