"""Hold people to their share: a run that goes beyond a quota is refused, with who set it and how to go on.

Quotas on running steps refuse nothing: they keep jobs in the queue (`services.queue`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F

from compute.backlog import backlog
from compute.models import CpuUse, Quota, StorageUse
from compute.quotas import AtLimit, LimitName, at_limit, limits_by_workspace
from compute.resources import bytes_in_words
from compute.services.use import month_of
from compute.states import QuotaScope
from studio.lib.clock import clock
from studio.lib.problems import UserError


class QuotaReachedError(UserError):
    """What was asked for is not allowed now, and may be later."""


def admit_run(workspace_id: int, person: int, *, steps: int) -> None:
    """Let a run of so many steps be submitted, in the transaction that does so.

    Raises QuotaReachedError where a quota on waiting steps, CPU hours or storage does not allow it. The quotas stay
    locked: of two submissions at once the second is counted with the first.
    """
    quotas = list(Quota.objects.filter(workspace=workspace_id).select_related("set_by", "person").order_by("pk"))
    if not quotas:
        return
    hold_quotas(workspace_id)
    for check in _CHECKS:
        limits = limits_by_workspace(quotas, check.name).get(workspace_id)
        more = steps if check.counts_steps else check.more
        if limits and (reached := at_limit(limits, check.name, person, check.used(workspace_id), more=more)):
            raise QuotaReachedError(f"{check.sentence(reached, steps)} {how_to_go_on(reached.quota)}")


def hold_quotas(workspace_id: int) -> None:
    """Lock a workspace's quotas until the transaction's end. Before anything that a node may want which claims a job.

    A claim holds quotas first, and then what its job belongs to.
    """
    list(Quota.objects.filter(workspace=workspace_id).order_by("pk").select_for_update().values_list("pk"))


def cpu_hours_used(workspace_id: int) -> dict[int, float]:
    """This month's, by person."""
    rows = CpuUse.objects.filter(workspace=workspace_id, month=month_of(clock.now()))
    return {person: seconds / 3600 for person, seconds in rows.values_list("person", "cpu_seconds")}


def storage_used(workspace_id: int) -> dict[int, int]:
    """Bytes, by person: outputs, and the files that they brought."""
    rows = StorageUse.objects.filter(workspace=workspace_id)
    return dict(rows.values_list("person", F("size_bytes") + F("brought_bytes")))


def beyond_storage(reached: AtLimit) -> str:
    """Why a file can't be kept."""
    return f"{_kept(reached)}: with this it would be more. {_MAKE_ROOM} {how_to_go_on(reached.quota)}"


def how_to_go_on(quota: Quota) -> str:
    """Who set a quota and when, as a sentence's end."""
    who = quota.set_by.get_full_name() or quota.set_by.username if quota.set_by else "an administrator"
    return f"The limit was set by {who} on {quota.set_at:%-d %B %Y}: ask them for more."


def _of_queue(reached: AtLimit, steps: int) -> str:
    may_wait = "1 step" if reached.limit == 1 else f"{reached.limit:,} steps"
    if steps > reached.limit:
        return f"{_subject(reached.quota)} may have {may_wait} waiting, and this run alone has {steps:,}."
    return (
        f"{_subject(reached.quota)} may have {may_wait} waiting: {reached.used:,.0f} wait now, and this run has "
        f"{steps:,}. Wait until some of them have begun, or cancel a run."
    )


def _of_cpu_hours(reached: AtLimit, _steps: int) -> str:
    whose = _subject(reached.quota)
    now = clock.now()
    following = (month_of(now) + timedelta(days=32)).replace(day=1)
    again = f" Submit again from {following:%-d %B} on." if reached.limit else ""
    return (
        f"{whose} may use {reached.limit:,} CPU hours in a month, and {reached.used:,.1f} are used in {now:%B}.{again}"
    )


def _of_storage(reached: AtLimit, _steps: int) -> str:
    return f"{_kept(reached)}. {_MAKE_ROOM}"


def _kept(reached: AtLimit) -> str:
    return (
        f"{_subject(reached.quota)} may keep {bytes_in_words(reached.limit)} on the studio's own disks, and "
        f"{bytes_in_words(reached.used)} are there"
    )


def _subject(quota: Quota) -> str:
    return "This workspace" if quota.scope == QuotaScope.WORKSPACE else "You"


_MAKE_ROOM = "Delete outputs and files that nobody needs any more."


@dataclass(frozen=True, slots=True)
class _Check:
    name: LimitName
    used: Callable[[int], Mapping[int, float]]  # by person, of a workspace
    sentence: Callable[[AtLimit, int], str]
    counts_steps: bool = False
    more: float = 1  # what the run will use is not known: anything above the limit is too much


_CHECKS = (
    _Check("queued_steps", backlog, _of_queue, counts_steps=True),
    _Check("cpu_hours", cpu_hours_used, _of_cpu_hours, more=1e-9),
    _Check("storage_bytes", storage_used, _of_storage),
)
