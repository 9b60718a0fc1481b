"""How many steps of a workspace were submitted and have not begun."""

from collections import Counter

from django.db.models import F, Sum

from compute.queueing import NOBODY
from compute.services.queue import running_by_person
from pipelines.models import Run
from pipelines.states import RUN_OPEN


def steps_that_wait(workspace_id: int) -> dict[int, int]:
    """By person: of the runs that are not over, the steps that are neither done nor running. Two queries."""
    rows = Run.objects.filter(workspace=workspace_id, status__in=RUN_OPEN).order_by()
    counted = rows.values_list("submitted_by").annotate(left=Sum(F("steps_total") - F("steps_done")))
    left = Counter({person or NOBODY: count for person, count in counted})
    left.subtract(running_by_person([workspace_id]).get(workspace_id, {}))
    return {person: count for person, count in left.items() if count > 0}
