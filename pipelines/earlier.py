"""What a step is compared with: the one of its name in an earlier run of the pipeline that is most like it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pipelines.fingerprints import Difference, differences
from pipelines.models import Ingredients, Run, StepRun
from pipelines.states import StepStatus

RUNS = 20  # so many earlier ones are looked at
_ROWS = 400  # and so many steps of them: where a thousand ask at once, it is those of the last run


@dataclass(frozen=True, slots=True)
class Earlier:
    """A step of an earlier run."""

    pk: int
    run_id: int
    name: str
    status: str
    ingredients: Ingredients | None  # None where the run did not come to it
    fingerprint: str
    reused_from_id: int | None

    @property
    def source_id(self) -> int:
        """The step run that made its result."""
        return self.reused_from_id or self.pk


def earlier_of(run: Run, names: Collection[str]) -> dict[str, list[Earlier]]:
    """By name, the newest first, from the last runs of the run's pipeline before it. One query, at most 400 rows."""
    count = max(1, min(RUNS, _ROWS // max(1, len(names))))
    before = Run.objects.filter(pipeline_id=run.pipeline_id, pk__lt=run.pk).order_by("-pk").values("pk")[:count]
    rows = StepRun.objects.filter(run_id__in=before, name__in=names).order_by("-pk")
    fields = ("pk", "run_id", "name", "status", "ingredients", "fingerprint", "reused_from_id")
    found: dict[str, list[Earlier]] = {}
    for row in rows.values_list(*fields):
        found.setdefault(row[2], []).append(Earlier(*row))
    return found


def nearest(mine: Ingredients, earlier: Iterable[Earlier]) -> tuple[Earlier, list[Difference]] | None:
    """The one with the fewest ingredients that differ, then the newest, and these. Pure.

    One that completed goes before one that didn't. None where no run came to the step.
    """
    compared = [(each, differences(mine, each.ingredients)) for each in earlier if each.ingredients is not None]
    return min(
        compared,
        key=lambda pair: (pair[0].status != StepStatus.COMPLETED, len(pair[1]), -pair[0].pk),
        default=None,
    )
