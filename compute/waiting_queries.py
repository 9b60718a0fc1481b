"""What the reasons for waiting are decided from. The number of queries grows with the targets asked for alone."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Case, F, IntegerField, Q, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from compute.alive import alive_nodes
from compute.models import ComputeTarget, Job, Node, Quota
from compute.node_use import capacities, with_use
from compute.pool_queries import pools_in_trouble, pools_starting
from compute.queueing import NOBODY
from compute.quotas import AtLimit, Limits, at_limit, limits_by_workspace
from compute.services.queue import capacity_of, request_of, running_by_person, standing_of
from compute.states import ACTIVE, Intake, JobStatus
from compute.waiting import NodeNow, TargetNow, Waiting, why
from studio.workspaces.models import Workspace

COUNTED = 1000  # whoever stands further back is not told where
TARGETS_ASKED = 10


def in_line(target_id: int) -> QuerySet[Job]:
    """The jobs that wait for a target, in the order in which they start if each fits and takes equally long.

    It is the order of `compute.queueing`, unrolled. The n-th waiting job of somebody who has r running is on level
    r + n: it starts when as many of theirs run as of everybody else. Who comes to a level first had begun higher.
    """
    running, served = standing_of(target_id)
    turns = sorted(served, key=lambda person: served[person])[-COUNTED:]
    nth = Window(RowNumber(), partition_by=[F("requested_by")], order_by=["-priority", "queued_at", "id"])
    of_priority = Window(RowNumber(), partition_by=[F("requested_by"), F("priority")], order_by=["queued_at", "id"])
    runs = _by_person(running)
    return (
        Job.objects.filter(target=target_id, status=JobStatus.QUEUED)
        .annotate(level=nth + runs, began_on=nth + runs - of_priority)
        .annotate(turn=_by_person({person: place for place, person in enumerate(turns, 1)}))
        .order_by("-priority", "level", "-began_on", "turn", "queued_at", "id")
    )


def _by_person(numbers: dict[int, int]) -> Any:
    cases = [
        When(Q(requested_by=None) if person == NOBODY else Q(requested_by=person), then=Value(number))
        for person, number in numbers.items()
    ]
    return Case(*cases, default=Value(0), output_field=IntegerField()) if cases else Value(0)


def reasons(workspace: Workspace, job_ids: Iterable[int]) -> dict[int, str]:
    """Why jobs of a workspace wait, by job; those that do not wait (any more) are left out."""
    jobs = Job.objects.filter(pk__in=list(job_ids), workspace=workspace, status=JobStatus.QUEUED)
    by_target: dict[int, list[Job]] = {}
    for job in jobs.select_related("requested_by").defer("spec", "result"):
        by_target.setdefault(job.target_id, []).append(job)
    found: dict[int, str] = {}
    for target_id, waiting in list(by_target.items())[:TARGETS_ASKED]:
        ahead = list(_for_line(in_line(target_id))[:COUNTED])
        places = {job.pk: place for place, job in enumerate(ahead, 1)}
        explain = Explaining(target_id, workspace, ahead)
        found |= {job.pk: explain(job, places.get(job.pk)) for job in waiting}
    return found


def _for_line(jobs: QuerySet[Job]) -> QuerySet[Job]:
    fields = ("pk", "workspace", "requested_by", "priority", "queued_at")
    people = ("requested_by__first_name", "requested_by__last_name", "requested_by__username")
    return jobs.select_related("requested_by").only(*fields, *people)


@dataclass(frozen=True, slots=True)
class _Held:
    limits: dict[int, Limits]
    running: dict[int, Counter[int]]

    def at_limit(self, job: Job) -> AtLimit | None:
        limits = self.limits.get(job.workspace_id)
        counts = self.running.get(job.workspace_id, Counter())
        return None if limits is None else at_limit(limits, "running_steps", job.requested_by_id or NOBODY, counts)


class Explaining:
    """Says of jobs of one target why they wait, to people of `workspace`. `ahead` are those at the head of the line."""

    def __init__(self, target_id: int, workspace: Workspace, ahead: Sequence[Job]) -> None:
        self.workspace = workspace
        self.ahead = ahead
        target = ComputeTarget._base_manager.get(pk=target_id)  # noqa: SLF001 (a removed one too)
        nodes = with_use(alive_nodes(Node.objects.filter(target=target_id)))
        self.target = TargetNow(target.name, Intake(target.intake), [_node_now(node) for node in nodes])
        if target.kind == "pool" and not self.target.nodes:
            self.target = _pool_without_nodes(self.target, target_id)
        limits = limits_by_workspace(Quota.objects.filter(running_steps__isnull=False), "running_steps")
        self.running_apart: dict[str, set[str]] | None = None
        self.held = _Held(limits, running_by_person(limits) if limits else {})

    def __call__(self, job: Job, position: int | None) -> str:
        reached = self.held.at_limit(job)
        due_in_s = (job.not_before - timezone.now()).total_seconds() if job.not_before else 0
        waiting = Waiting(
            request=request_of(job),
            position=position,
            beside=self._beside(job),
            ahead=self._whose(position) if position and position <= len(self.ahead) else {},
            due_in_s=due_in_s,
            at_limit=reached,
            whose_limit="Your workspace" if reached and reached.is_of_workspace else _name(job),
        )
        return why(waiting, self.target)

    def _beside(self, job: Job) -> frozenset[str]:
        """One query for all jobs that are to be apart."""
        if not job.apart:
            return frozenset()
        if self.running_apart is None:
            self.running_apart = {}
            others = Job.objects.filter(target=job.target_id, status__in=ACTIVE).exclude(apart="")
            for word, name in others.exclude(lease_node=None).values_list("apart", "lease_node__name"):
                self.running_apart.setdefault(word, set()).add(name)
        return frozenset(self.running_apart.get(job.apart, ()))

    def _whose(self, position: int) -> dict[str, int]:
        """Names are told within a workspace only."""
        before = self.ahead[: position - 1]
        own = Counter(_possessive(_name(job)) for job in before if job.workspace_id == self.workspace.pk)
        others = sum(job.workspace_id != self.workspace.pk for job in before)
        return dict(own.most_common()) | ({"other workspaces'": others} if others else {})


def _pool_without_nodes(target: TargetNow, target_id: int) -> TargetNow:
    had = [capacity_of(node) for node in Node.objects.filter(target=target_id).only("cpus", "memory_bytes", "gpus")]
    return replace(
        target,
        is_pool=True,
        is_starting=bool(pools_starting([target_id])),
        is_in_trouble=bool(pools_in_trouble([target_id])),
        had=had,
    )


def _node_now(node: Any) -> NodeNow:
    whole, free = capacities(node)
    return NodeNow(node.name, node.intake == Intake.OPEN, whole, free, max(0, node.slots - node.busy))


def _name(job: Job) -> str:
    return str(job.requested_by) if job.requested_by else "the studio"


def _possessive(name: str) -> str:
    return f"{name}'s"
