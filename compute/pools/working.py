"""What pools ask of machines, done beside the sweep: an installation takes minutes, and a host may not answer at all.

Threads of the control worker. A row is taken for so long; where this process dies, another one takes it up after that.
"""

import logging
import threading

from django.db import Error as DatabaseFailure
from django.db import connection

from compute.models import PoolNode
from compute.providers import get_provider
from compute.services import pool_nodes
from compute.services.pools import work_to_do
from compute.states import PoolNodeStatus
from studio.lib.problems import UserError

logger = logging.getLogger(__name__)

AT_ONCE = 8
TAKEN_FOR_S = 300.0  # more than anything that is asked may take
LOOK_AGAIN_S = 2.0
GIVE_UP_STOPPING = 20  # tries in a row
BACKOFF_S = (2.0, 5.0, 15.0, 30.0, 60.0, 300.0)
GIVE_UP_CLEARING = 300

_free = threading.BoundedSemaphore(AT_ONCE)


def look() -> None:
    """Begin whatever there is to do, without waiting for it. Called twice, or by two, it does nothing twice."""
    for row in work_to_do(quick=False):
        if not _free.acquire(blocking=False):
            return
        if not pool_nodes.work_on(row, TAKEN_FOR_S):
            _free.release()
            continue
        threading.Thread(target=_work, args=(row,), name=f"pool node {row.pk}", daemon=True).start()


def _work(row: PoolNode) -> None:
    try:
        work_on(row)
    except DatabaseFailure as error:
        logger.warning("node %s of a pool could not be worked on, later again: %s", row.name, error)
    except Exception:
        logger.exception("node %s of a pool could not be worked on, later again", row.name)
    finally:
        connection.close()
        _free.release()


def work_on(row: PoolNode) -> None:
    """One try at what its status asks for. The row was taken."""
    provider = get_provider(row.provider)
    try:
        match row.status:
            case PoolNodeStatus.STARTING:
                pool_nodes.say_phase(row, provider.start(row))
                pool_nodes.rest(row, LOOK_AGAIN_S)
            case PoolNodeStatus.STOPPING:
                if provider.stop(row):
                    pool_nodes.went(row)
                else:
                    pool_nodes.rest(row, LOOK_AGAIN_S)
            case _:
                if provider.stop(row):
                    pool_nodes.cleared(row)
                else:
                    pool_nodes.rest(row, LOOK_AGAIN_S, failures=row.failures)
    except UserError as error:
        _could_not(row, str(error))


def _could_not(row: PoolNode, why: str) -> None:
    failures = row.failures + 1
    if row.status == PoolNodeStatus.STARTING:
        pool_nodes.failed(row, why)
        return
    if row.status == PoolNodeStatus.STOPPING and failures >= GIVE_UP_STOPPING:
        pool_nodes.failed(row, f"It could not be stopped: {why}")
        return
    if row.status == PoolNodeStatus.FAILED and failures >= GIVE_UP_CLEARING:
        pool_nodes.note(row, f"What is left of {row.name} on {row.host} stays there: {why}", is_problem=True)
        pool_nodes.cleared(row)
        return
    pool_nodes.note(row, f"Node {row.name} can't be ended yet: {why}", is_problem=True)
    pool_nodes.rest(row, BACKOFF_S[min(failures, len(BACKOFF_S)) - 1], failures=failures)
