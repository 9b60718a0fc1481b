"""The runs that stand on a datastore: their steps read from it or wrote to it."""

from django.urls import reverse

from datastores.models import Datastore
from datastores.queries import naming
from datastores.uses import COUNTED, NAMED, Found, Use
from pipelines.models import Run, StepRun


def runs_on(datastore: Datastore) -> Found:
    """The newest ones by name, and how many there are."""
    steps = StepRun.objects.filter(run__workspace=datastore.workspace_id)
    runs = naming(steps, "frozen", datastore).order_by("-run_id").values_list("run_id", flat=True).distinct()
    found = list(runs[: COUNTED + 1])
    slug = datastore.workspace.slug
    named = [
        Use("run", f"{run.pipeline.name}, run {run.pk}", reverse("runs:detail", args=[slug, run.pk]))
        for run in Run.objects.filter(pk__in=found[:NAMED]).select_related("pipeline").order_by("-pk")
    ]
    return Found("run", named, len(found))
