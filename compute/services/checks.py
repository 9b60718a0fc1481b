"""Connection checks: a person asks whether a target's nodes reach a datastore, and the first node that hears it tries.

The rows are the truth. Nodes look for them when they are nudged and at every heartbeat; a check that nobody takes, or
whose node dies over it, is ended by whoever looks at it next.
"""

import logging
import time
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from compute import doorbell
from compute.models import ComputeTarget, ConnectionCheck, Node
from compute.states import CHECK_TRANSITIONS, CheckStatus
from datastores.backends import get_store
from datastores.models import Datastore
from studio.lib.problems import UserError
from studio.lib.transitions import transition
from studio.workspaces.audit import record
from studio.workspaces.models import User

logger = logging.getLogger(__name__)

UNHEARD_S = 10.0  # so long a node has to take it
LOST_S = 40.0  # so long to try: a store's own test takes ten seconds at most
KEPT = 10  # of a datastore


def request_check(datastore: Datastore, target: ComputeTarget, *, requested_by: User) -> ConnectionCheck:
    """Ask. One that is under way already is given again."""
    end_unheard()
    with transaction.atomic():
        under_way = ConnectionCheck.objects.filter(
            datastore=datastore, target=target, status__in=[CheckStatus.QUEUED, CheckStatus.RUNNING]
        ).first()
        if under_way is not None:
            return under_way
        check = ConnectionCheck.objects.create(datastore=datastore, target=target, requested_by=requested_by)
        kept = ConnectionCheck.objects.filter(datastore=datastore).values_list("pk", flat=True)[:KEPT]
        ConnectionCheck.objects.filter(datastore=datastore).exclude(pk__in=list(kept)).delete()
        record(datastore.workspace, requested_by, "datastore.check", f"{datastore.name} from {target.name}")
        doorbell.nudge_checks_on_commit(target.pk)
    return check


def run_checks(node: Node) -> None:
    """On a node: take what its target is asked for, one after another."""
    while (check := _take(node)) is not None:
        _run(check, node)


def checks_wait(node: Node) -> bool:
    """Whether there is anything to take for this node. The partial index makes it a look at nothing."""
    return ConnectionCheck.objects.filter(target_id=node.target_id, status=CheckStatus.QUEUED).exists()


def end_unheard() -> int:
    """End the checks that nobody took, or that nobody speaks for any more. Returns how many."""
    count = 0
    unheard = ConnectionCheck.objects.filter(
        status=CheckStatus.QUEUED, created_at__lt=Now() - timedelta(seconds=UNHEARD_S)
    )
    for check in unheard.select_related("target"):
        count += _end(
            check,
            CheckStatus.FAILED,
            f"No node of {check.target.name} answered within {UNHEARD_S:g} s. Start one, then test again.",
            while_status=CheckStatus.QUEUED,
        )
    lost = ConnectionCheck.objects.filter(
        status=CheckStatus.RUNNING, started_at__lt=timezone.now() - timedelta(seconds=LOST_S)
    )
    for check in lost:
        count += _end(
            check,
            CheckStatus.FAILED,
            f"Node {check.node_name} stopped answering while it tested the connection. Test again.",
            while_status=CheckStatus.RUNNING,
        )
    return count


def _take(node: Node) -> ConnectionCheck | None:
    waiting = ConnectionCheck.objects.filter(target_id=node.target_id, status=CheckStatus.QUEUED)
    for check in waiting.order_by("id").select_related("datastore", "target"):
        taken = transition(
            ConnectionCheck.objects.filter(pk=check.pk),
            CHECK_TRANSITIONS,
            to=CheckStatus.RUNNING,
            node_name=node.name,
            started_at=timezone.now(),
        )
        if taken:
            return check
    return None


def _run(check: ConnectionCheck, node: Node) -> None:
    status, loc = CheckStatus.FAILED, ""
    began = time.monotonic()
    try:
        store = get_store(check.datastore)
        try:
            store.test()
        finally:
            store.close()
        status = CheckStatus.COMPLETED
        message = f"Node {node.name} of {check.target.name} reached it in {time.monotonic() - began:.1f} s."
    except UserError as error:
        message = str(error)
        loc = ".".join(str(part) for part in error.problems[0].loc) if error.problems else ""
    except Exception:
        logger.exception("the test of datastore %s broke", check.datastore_id)
        message = f"The test itself broke on node {node.name}. Its log says why."
    _end(check, status, message, loc=loc, while_status=CheckStatus.RUNNING)


def _end(check: ConnectionCheck, to: CheckStatus, message: str, *, while_status: CheckStatus, loc: str = "") -> int:
    """Returns 0 where somebody else was quicker: theirs stands."""
    rows = ConnectionCheck.objects.filter(pk=check.pk, status=while_status)
    return transition(
        rows,
        CHECK_TRANSITIONS,
        to=to,
        message=message[:2000],
        loc=loc[:200],
        finished_at=timezone.now(),
    )
