"""Builds of environments: a row for each, from the wish or the beginning to the end, and to the removal.

A folder of environments on a machine is a place. Whoever builds holds the right to it by a lock on that machine; the
rows tell everybody else.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from compute import doorbell
from compute.alive import alive_nodes
from compute.environments.stamps import Stamp
from compute.execution.reasons import bounded
from compute.models import ComputeTarget, Environment, EnvironmentBuild, Node
from compute.spec import EnvironmentSpec
from compute.states import BUILD_TRANSITIONS, BuildStatus
from studio.lib.clock import clock
from studio.lib.problems import UserError
from studio.lib.transitions import transition
from studio.workspaces import audit
from studio.workspaces.models import User, Workspace

logger = logging.getLogger(__name__)

UNHEARD_S = 30.0  # so long a node has to begin with what it is asked for, unless it builds something else
LOG_BYTES = 256 * 1024  # of a build's log that are kept: its beginning and its end
KEPT = 20  # builds of a specification at one place that are over


@dataclass(frozen=True, slots=True)
class Builder:
    """The node that builds."""

    node_id: int
    node_name: str
    hostname: str
    target_id: int


def request_builds(
    environment: Environment, target: ComputeTarget, *, workspace: Workspace, requested_by: User
) -> list[EnvironmentBuild]:
    """Ask every machine of `target` that has a living node to make `environment` ready ahead of its first step.

    Where it is asked for or under way already, that row is given. Raises UserError where there is nothing to build,
    or nobody to do it.
    """
    if not environment.spec.is_managed:
        raise UserError(f"“{environment}” names an interpreter on the node: there is nothing to build.")
    one_of_each_machine: dict[str, Node] = {}
    for node in alive_nodes(Node.objects.filter(target=target)).order_by("hostname", "id"):
        one_of_each_machine.setdefault(node.hostname, node)
    if not one_of_each_machine:
        raise UserError(f"No node of “{target.name}” is alive, so nobody can build. Start one, then ask again.")
    with transaction.atomic():
        rows = [_wish(environment, node, requested_by) for node in one_of_each_machine.values()]
        audit.record(workspace, requested_by, "environment.build", f"{environment} on {target.name}")
        doorbell.nudge_builds_on_commit([row.node_id for row in rows if row.node_id])
        doorbell.target_changed_on_commit([target.pk])
    return rows


def _wish(environment: Environment, node: Node, requested_by: User) -> EnvironmentBuild:
    under_way = EnvironmentBuild.objects.filter(
        digest=environment.digest, node=node, status__in=[BuildStatus.QUEUED, BuildStatus.BUILDING]
    ).first()
    return under_way or EnvironmentBuild.objects.create(
        digest=environment.digest,
        spec=environment.spec,
        target_id=node.target_id,
        node=node,
        node_name=node.name,
        hostname=node.hostname,
        status=BuildStatus.QUEUED,
        requested_by=requested_by,
    )


def builds_wait(node: Node) -> bool:
    """Whether this node was asked for a build. The partial index makes it a look at nothing."""
    return EnvironmentBuild.objects.filter(node_id=node.pk, status=BuildStatus.QUEUED).exists()


def next_wish(node: Node) -> EnvironmentBuild | None:
    """The oldest build that this node was asked for. It is begun by `begin_build`, or found to be there already."""
    return EnvironmentBuild.objects.filter(node_id=node.pk, status=BuildStatus.QUEUED).order_by("id").first()


def begin_build(
    spec: EnvironmentSpec, builder: Builder, place: str, *, wish: EnvironmentBuild | None = None
) -> EnvironmentBuild:
    """A build begins. Whoever calls this holds the machine's right to build it: what another row claims is over."""
    now = clock.now()
    with transaction.atomic():
        doorbell.target_changed_on_commit([builder.target_id])
        here = EnvironmentBuild.objects.filter(place=place, digest=spec.digest)
        transition(
            here.filter(status=BuildStatus.BUILDING),
            BUILD_TRANSITIONS,
            to=BuildStatus.FAILED,
            reason="It was ended before it was complete, and is begun anew.",
            finished_at=now,
        )
        transition(
            here.filter(status=BuildStatus.READY),
            BUILD_TRANSITIONS,
            to=BuildStatus.REMOVED,
            reason="It was no longer whole on the machine, and is built anew.",
            removed_at=now,
        )
        if wish is not None and transition(
            EnvironmentBuild.objects.filter(pk=wish.pk),
            BUILD_TRANSITIONS,
            to=BuildStatus.BUILDING,
            place=place,
            started_at=now,
        ):
            wish.status, wish.place, wish.started_at = BuildStatus.BUILDING, place, now
            return wish
        return _row(spec, builder, place, status=BuildStatus.BUILDING, started_at=now)


def _row(spec: EnvironmentSpec, builder: Builder, place: str, **values: Any) -> EnvironmentBuild:
    return EnvironmentBuild.objects.create(
        digest=spec.digest,
        spec=spec,
        target_id=builder.target_id,
        node_id=builder.node_id,
        node_name=builder.node_name,
        hostname=builder.hostname,
        place=place,
        **values,
    )


def note_log(build_id: int, log: str) -> None:
    """What it has said so far."""
    EnvironmentBuild.objects.filter(pk=build_id, status=BuildStatus.BUILDING).update(log=log)


def complete_build(build_id: int, stamp: Stamp, *, log: str) -> bool:
    """It is ready. False where somebody ended the row meanwhile, taking its node for dead."""
    facts = {"lock_digest": stamp.lock_digest, "size_bytes": stamp.size_bytes}
    return _end(build_id, BuildStatus.READY, **facts, log=log)


def fail_build(build_id: int, reason: str, *, log: str) -> bool:
    return _end(build_id, BuildStatus.FAILED, reason=bounded(reason), log=log)


def _end(build_id: int, to: BuildStatus, **changes: Any) -> bool:
    with transaction.atomic():
        moved = transition(
            EnvironmentBuild.objects.filter(pk=build_id, status=BuildStatus.BUILDING),
            BUILD_TRANSITIONS,
            to=to,
            finished_at=clock.now(),
            **changes,
        )
        if moved:
            row = EnvironmentBuild.objects.only("place", "digest", "target_id").get(pk=build_id)
            _forget_old(row)
            doorbell.target_changed_on_commit([row.target_id])
    return bool(moved)


def _forget_old(row: EnvironmentBuild) -> None:
    over = EnvironmentBuild.objects.filter(
        place=row.place, digest=row.digest, status__in=[BuildStatus.FAILED, BuildStatus.REMOVED]
    )
    kept = over.order_by("-id").values_list("pk", flat=True)[:KEPT]
    over.exclude(pk__in=list(kept)).delete()


def note_ready(spec: EnvironmentSpec, builder: Builder, place: str, stamp: Stamp, *, log: str = "") -> None:
    """It is ready at this place, whoever built it: make sure that a row says so. Twice is once."""
    now = clock.now()
    facts = {"lock_digest": stamp.lock_digest, "size_bytes": stamp.size_bytes, "log": log}
    try:
        with transaction.atomic():
            here = EnvironmentBuild.objects.filter(place=place, digest=spec.digest)
            if not here.filter(status=BuildStatus.READY).exists():
                _row(spec, builder, place, status=BuildStatus.READY, started_at=now, finished_at=now, **facts)
    except IntegrityError:
        logger.info("somebody else noted that %s is ready", spec.digest[:16])


def fail_wish(wish: EnvironmentBuild, reason: str) -> bool:
    """A wish that came to no build of its own. One that did was ended with its build."""
    rows = EnvironmentBuild.objects.filter(pk=wish.pk, status=BuildStatus.QUEUED)
    return bool(
        transition(rows, BUILD_TRANSITIONS, to=BuildStatus.FAILED, reason=bounded(reason), finished_at=clock.now())
    )


def drop_wish(wish: EnvironmentBuild) -> None:
    """It asked for what was there: the row of the build that made it says all there is to say."""
    EnvironmentBuild.objects.filter(pk=wish.pk, status=BuildStatus.QUEUED).delete()


def note_removed(place: str, digest: str, reason: str) -> None:
    """The environment is gone from this place."""
    rows = EnvironmentBuild.objects.filter(place=place, digest=digest, status=BuildStatus.READY)
    transition(rows, BUILD_TRANSITIONS, to=BuildStatus.REMOVED, reason=reason, removed_at=clock.now())


def note_what_is_there(place: str, digests: Collection[str]) -> None:
    """Of all that rows call ready at this place, these alone are: somebody removed the others by hand."""
    rows = EnvironmentBuild.objects.filter(place=place, status=BuildStatus.READY).exclude(digest__in=digests)
    transition(
        rows,
        BUILD_TRANSITIONS,
        to=BuildStatus.REMOVED,
        reason="Its folder was gone when the node started.",
        removed_at=clock.now(),
    )


def end_lost_builds() -> int:
    """End the wishes that nobody took, and the builds whose node is gone or began anew since. Returns how many."""
    alive = alive_nodes(Node.objects.all())
    now = clock.now()
    unheard = EnvironmentBuild.objects.filter(
        status=BuildStatus.QUEUED, created_at__lt=Now() - timedelta(seconds=UNHEARD_S)
    ).filter(Q(node=None) | ~Q(node__in=alive.values("pk")))
    count = transition(
        unheard,
        BUILD_TRANSITIONS,
        to=BuildStatus.FAILED,
        reason="Its node went away before it began. Ask again once one is alive.",
        finished_at=now,
    )
    lost = EnvironmentBuild.objects.filter(status=BuildStatus.BUILDING).filter(
        Q(node=None) | ~Q(node__in=alive.values("pk")) | Q(node__started_at__gt=F("started_at"))
    )
    count += transition(
        lost,
        BUILD_TRANSITIONS,
        to=BuildStatus.FAILED,
        reason="Its node was lost during the build. The next step that needs it builds it anew.",
        finished_at=now,
    )
    return count


def shortened(log: bytes) -> str:
    """As much of a build's log as its row keeps."""
    text = log.decode(errors="replace").replace("\0", "\ufffd")
    if len(text) <= LOG_BYTES:
        return text
    half = LOG_BYTES // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters are left out here …\n{text[-half:]}"
