"""The runs and the models that stand on a datastore: steps read from it or wrote to it, and models lie in it."""

from itertools import chain
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from datastores.models import DatasetVersion, Datastore
from datastores.queries import naming
from datastores.uses import COUNTED, NAMED, Found, Use
from pipelines.models import Run, StepInput, StepOutput, StepRun
from pipelines.registered import RegisteredModel
from pipelines.states import RUN_TERMINAL


def models_on(datastore: Datastore) -> Found:
    """Those with a version that lies in it, by name."""
    models = RegisteredModel.objects.filter(versions__datastore=datastore).distinct().order_by("name")
    slug = datastore.workspace.slug
    named = [Use("model", model.name, reverse("models:detail", args=[slug, model.pk])) for model in models[:NAMED]]
    count = len(named) if len(named) < NAMED else len(models.values_list("pk")[: COUNTED + 1])
    return Found("model", named, count)


def runs_on(datastore: Datastore) -> Found:
    """How many there are, up to COUNTED and one more, and the newest of those by name.

    Those in the trash are left out. What is over is found by the indexes of lineage; only the steps of runs under way
    are looked into.
    """
    workspace_id = datastore.workspace_id
    under_way = StepRun.objects.filter(run__workspace=workspace_id).exclude(run__status__in=RUN_TERMINAL)
    versions = naming(DatasetVersion.objects.filter(dataset__workspace=workspace_id), "definition", datastore)
    reads = StepInput.objects.filter(step_run__run__trashed_at=None)
    wrote = StepOutput.objects.filter(step_run__run__trashed_at=None)
    found = _some(
        naming(under_way, "frozen", datastore).values_list("run_id", flat=True).distinct(),
        *(
            rows.values_list("step_run__run_id", flat=True).distinct()
            for rows in (
                wrote.filter(datastore=datastore),
                reads.filter(datastore=datastore),
                reads.filter(dataset_version__in=versions.values("pk")),
            )
        ),
    )
    slug = datastore.workspace.slug
    newest = sorted(found, reverse=True)[:NAMED]
    named = [
        Use("run", f"{run.pipeline.name}, run {run.pk}", reverse("runs:detail", args=[slug, run.pk]))
        for run in Run.objects.filter(pk__in=newest).select_related("pipeline").order_by("-pk")
    ]
    return Found("run", named, len(found))


def _some(*queries: QuerySet[Any, int]) -> set[int]:
    """Up to COUNTED and one more of their ids. The database stops when enough are found."""
    found: set[int] = set()
    for run_id in chain.from_iterable(query[: COUNTED + 1] for query in queries):
        found.add(run_id)
        if len(found) > COUNTED:
            break
    return found
