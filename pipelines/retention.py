"""Which runs a workspace's rules would put in the trash, and how much they hold. Reads only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils import timezone

from compute.resources import bytes_in_words
from pipelines.inner_runs import outermost
from pipelines.models import Pin, Pipeline, Retention, Run
from studio.workspaces.models import Workspace

MOST_COUNTED = 10_000  # nobody needs to know how many more
_AT_ONCE = 1000

# The newest first; pinned ones take their room, too. One pass over an index's worth of rows, in the background.
_BEYOND_SIZE = """
    SELECT id FROM (
        SELECT id, finished_at, output_bytes, SUM(COALESCE(output_bytes, 0)) OVER (ORDER BY id DESC) AS total
        FROM pipelines_run WHERE workspace_id = %s AND trashed_at IS NULL
    ) summed
    WHERE total > %s AND output_bytes > 0 AND finished_at IS NOT NULL ORDER BY id LIMIT %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Each is enough for a run to go; None: no rule."""

    keep_days: int | None = None
    keep_runs: int | None = None
    keep_bytes: int | None = None

    @classmethod
    def of(cls, retention: Retention) -> "Rules":
        return cls(keep_days=retention.keep_days, keep_runs=retention.keep_runs, keep_bytes=retention.keep_bytes)

    def __bool__(self) -> bool:
        return any(rule is not None for rule in (self.keep_days, self.keep_runs, self.keep_bytes))


@dataclass(frozen=True, slots=True)
class Preview:
    """What rules would do now."""

    runs: int
    size_bytes: int
    is_more: bool  # there are more runs than were counted
    unmeasured: int  # runs among them whose size is not known yet

    @property
    def words(self) -> str:
        """As in `This would put 132 runs, 4.1 GB, in the trash.`"""
        if not self.runs:
            return "This would put no run in the trash now."
        count = f"more than {self.runs:,} runs" if self.is_more else f"{self.runs:,} run{'' if self.runs == 1 else 's'}"
        at_least = "at least " if self.is_more or self.unmeasured else ""
        size = bytes_in_words(self.size_bytes) if self.size_bytes >= 10**6 else "less than 1 MB"
        return f"This would put {count}, {at_least if self.size_bytes >= 10**6 else ''}{size}, in the trash."


def leaving(workspace: Workspace, rules: Rules, *, limit: int) -> dict[int, str]:
    """By run, the rule that it is beyond, in words: at most `limit`. Pinned ones and those not over are left out."""
    found = _Leaving(workspace, limit)
    if rules.keep_days is not None:
        _beyond_days(found, rules.keep_days)
    if rules.keep_runs is not None:
        _beyond_count(found, rules.keep_runs)
    if rules.keep_bytes is not None:
        _beyond_size(found, rules.keep_bytes)
    return dict(list(found.whys.items())[:limit])


def preview(workspace: Workspace, rules: Rules) -> Preview:
    runs = sorted(leaving(workspace, rules, limit=MOST_COUNTED + 1))
    is_more, counted = len(runs) > MOST_COUNTED, runs[:MOST_COUNTED]
    size_bytes = unmeasured = 0
    for batch in _batches(counted):
        of_batch = Run.objects.filter(pk__in=batch).aggregate(
            size_bytes=Sum("output_bytes"), unmeasured=Count("pk", filter=Q(output_bytes=None))
        )
        size_bytes += of_batch["size_bytes"] or 0
        unmeasured += of_batch["unmeasured"]
    return Preview(len(counted), size_bytes, is_more, unmeasured)


class _Leaving:
    """Runs that are beyond a rule, as far as no pin keeps them, and why."""

    def __init__(self, workspace: Workspace, limit: int) -> None:
        self.workspace = workspace
        self.limit = limit
        self.whys: dict[int, str] = {}  # by run
        # What a step had made goes where its run goes, and so its run stays where that stays. People pin few of these.
        inner = Pin.objects.filter(run__workspace=workspace, run__parent_step__isnull=False).select_related("run")
        self._kept = {outermost(pin.run).pk for pin in inner.only("run__parent_step_id")}

    @property
    def is_full(self) -> bool:
        return len(self.whys) >= self.limit

    def add(self, rows: "QuerySet[Run]", why: str) -> None:
        pins = Pin.objects.filter(run=OuterRef("pk"))
        rows = rows.filter(~Exists(pins), parent_step=None).exclude(pk__in=self._kept)
        for run_id in rows.values_list("pk", flat=True)[: self.limit]:
            self.whys.setdefault(run_id, why)


def _beyond_days(found: _Leaving, days: int) -> None:
    ended = timezone.now() - timedelta(days=days)
    rows = Run.objects.filter(workspace=found.workspace, finished_at__lt=ended).order_by("finished_at")
    found.add(rows, f"It ended more than {days:,} day{'' if days == 1 else 's'} before.")


def _beyond_count(found: _Leaving, keep: int) -> None:
    newest = Run.objects.filter(pipeline=OuterRef("pk"), parent_step=None).order_by("-pk").values("pk")
    first_beyond = Pipeline.objects.filter(workspace=found.workspace).annotate(beyond=Subquery(newest[keep : keep + 1]))
    why = f"It is none of the {keep:,} newest runs of its pipeline."
    for pipeline_id, beyond in first_beyond.exclude(beyond=None).order_by("pk").values_list("pk", "beyond"):
        if found.is_full:
            return
        rows = Run.objects.filter(pipeline=pipeline_id, pk__lte=beyond, finished_at__isnull=False)
        found.add(rows.order_by("-pk"), why)


def _beyond_size(found: _Leaving, keep_bytes: int) -> None:
    if found.is_full:
        return
    with connection.cursor() as cursor:
        # Enough of them that pinned ones do not use the limit up.
        cursor.execute(_BEYOND_SIZE, [found.workspace.pk, keep_bytes, 10 * MOST_COUNTED])
        beyond = [run_id for (run_id,) in cursor.fetchall()]
    why = f"Newer runs of the workspace hold {bytes_in_words(keep_bytes)} already."
    for batch in _batches(beyond):
        if found.is_full:
            return
        found.add(Run.objects.filter(pk__in=batch).order_by("pk"), why)


def _batches(run_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(run_ids), _AT_ONCE):
        yield run_ids[start : start + _AT_ONCE]
