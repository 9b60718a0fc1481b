"""Which limits hold for whom, and who is at theirs. Decides from rows that it is given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from compute.models import Quota
from compute.states import QuotaScope

LimitName = Literal["running_steps", "queued_steps", "cpu_hours", "storage_bytes"]


@dataclass(slots=True)
class Limits:
    """The limits of one workspace on one thing. A person's own limit stands in place of the one for each."""

    whole: Quota | None = None
    each: Quota | None = None
    persons: dict[int, Quota] = field(default_factory=dict)

    def of_person(self, person: int) -> Quota | None:
        return self.persons.get(person, self.each)


@dataclass(frozen=True, slots=True)
class AtLimit:
    """A quota that is used up, or would be."""

    quota: Quota
    used: float
    limit: int

    @property
    def is_of_workspace(self) -> bool:
        return self.quota.scope == QuotaScope.WORKSPACE


def limits_by_workspace(quotas: Iterable[Quota], name: LimitName) -> dict[int, Limits]:
    """By workspace, the limits on one thing; a workspace without any is not in it."""
    limits: dict[int, Limits] = {}
    for quota in quotas:
        if getattr(quota, name) is None:
            continue
        of_workspace = limits.setdefault(quota.workspace_id, Limits())
        if quota.person_id is not None:
            of_workspace.persons[quota.person_id] = quota
        elif quota.scope == QuotaScope.EACH:
            of_workspace.each = quota
        else:
            of_workspace.whole = quota
    return limits


def at_limit(
    limits: Limits, name: LimitName, person: int, used_by_person: Mapping[int, float], *, more: float = 1
) -> AtLimit | None:
    """The quota that does not admit `more` for `person`, the workspace's before theirs. None: there is room."""
    for quota, used in (
        (limits.whole, sum(used_by_person.values())),
        (limits.of_person(person), used_by_person.get(person, 0)),
    ):
        if quota is not None and used + more > getattr(quota, name):
            return AtLimit(quota, used, getattr(quota, name))
    return None
