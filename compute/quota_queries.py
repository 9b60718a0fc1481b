"""What the page about quotas reads: limits beside use. A number of queries that does not grow with people."""

from collections.abc import Mapping
from dataclasses import dataclass

from compute.backlog import backlog
from compute.models import Quota
from compute.quotas import LimitName, Limits, limits_by_workspace
from compute.resources import bytes_in_words
from compute.services.queue import running_by_person
from compute.services.quotas import cpu_hours_used, storage_used
from studio.workspaces.models import User, Workspace

PEOPLE_SHOWN = 200
NAMES: tuple[LimitName, ...] = ("running_steps", "queued_steps", "cpu_hours", "storage_bytes")
LABELS: Mapping[LimitName, str] = {
    "running_steps": "Running steps",
    "queued_steps": "Waiting steps",
    "cpu_hours": "CPU hours this month",
    "storage_bytes": "Storage",
}


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that is counted, and the limit on it, if there is one."""

    name: LimitName
    used: float
    quota: Quota | None

    @property
    def label(self) -> str:
        return LABELS[self.name]

    @property
    def limit(self) -> int | None:
        return None if self.quota is None else getattr(self.quota, self.name)

    @property
    def is_full(self) -> bool:
        return self.limit is not None and self.used >= self.limit

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.used / self.limit)) if self.limit else 100 if self.limit == 0 else 0

    @property
    def used_words(self) -> str:
        return self._words(self.used)

    @property
    def limit_words(self) -> str:
        return "" if self.limit is None else self._words(self.limit)

    def _words(self, value: float) -> str:
        if self.name == "storage_bytes":
            return bytes_in_words(value) if value else "0 MB"
        return f"{value:,.1f}" if self.name == "cpu_hours" and value % 1 else f"{value:,.0f}"


@dataclass(frozen=True, slots=True)
class QuotaRow:
    """The workspace as a whole (without a person), or somebody in it."""

    person: User | None
    uses: list[Use]


def quota_rows(workspace: Workspace, *, person: User | None = None) -> list[QuotaRow]:
    """The workspace's line first, then one for each member, or for `person` alone."""
    quotas = list(Quota.objects.filter(workspace=workspace).select_related("set_by", "person"))
    limits = {name: limits_by_workspace(quotas, name).get(workspace.pk, Limits()) for name in NAMES}
    used: dict[LimitName, Mapping[int, float]] = {
        "running_steps": running_by_person([workspace.pk]).get(workspace.pk, {}),
        "queued_steps": backlog(workspace.pk),
        "cpu_hours": cpu_hours_used(workspace.pk),
        "storage_bytes": storage_used(workspace.pk),
    }
    people = [person] if person else list(workspace.members.order_by("username")[:PEOPLE_SHOWN])
    whole = QuotaRow(None, [Use(name, sum(used[name].values()), limits[name].whole) for name in NAMES])
    return [
        whole,
        *(
            QuotaRow(each, [Use(name, used[name].get(each.pk, 0), limits[name].of_person(each.pk)) for name in NAMES])
            for each in people
        ),
    ]
