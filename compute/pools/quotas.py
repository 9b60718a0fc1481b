"""Which of the waiting jobs a pool starts nodes for: no more than quotas let run. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from compute.quotas import Limits
from compute.spec import Resources


@dataclass(frozen=True, slots=True)
class Asked:
    """So many jobs of one person that ask for the same."""

    workspace: int
    person: int
    request: Resources
    count: int
    apart: str = ""  # those with the same word here have a node each


def within_limits(
    waiting: Iterable[Asked], limits: Mapping[int, Limits], running: Mapping[int, Counter[int]]
) -> list[Asked]:
    """Of what waits as many as may run at once. `limits` on running steps, and who runs how many: by workspace."""
    counts = {workspace: Counter(people) for workspace, people in running.items()}
    admitted = []
    for asked in waiting:
        of_workspace = limits.get(asked.workspace)
        used = counts.setdefault(asked.workspace, Counter())
        count = min([asked.count, *_left(of_workspace, asked.person, used)] if of_workspace else [asked.count])
        used[asked.person] += count
        admitted.append(replace(asked, count=count))
    return admitted


def _left(limits: Limits, person: int, used: Counter[int]) -> list[int]:
    """How many more the workspace may run, and how many the person, where there is a limit."""
    return [
        max(0, quota.running_steps - count)
        for quota, count in ((limits.whole, used.total()), (limits.of_person(person), used[person]))
        if quota is not None and quota.running_steps is not None
    ]
