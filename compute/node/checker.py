"""Connection checks on a node: in a thread beside the slots, which may all be busy for hours."""

import logging
import threading

from django.db import Error as DatabaseFailure
from django.db import connection

from compute.node.context import NodeContext
from compute.services.checks import run_checks

logger = logging.getLogger(__name__)

_busy = threading.Lock()


def look(context: NodeContext) -> None:
    """Do what is asked for, without waiting for it. Asked again meanwhile, it does no harm."""
    if not context.stopping.is_set():
        threading.Thread(target=_run, args=(context,), name="checker", daemon=True).start()


def _run(context: NodeContext) -> None:
    if not _busy.acquire(blocking=False):
        return  # whoever has it looks again until there is none
    try:
        run_checks(context.node)
    except DatabaseFailure as error:
        logger.warning("could not look for connection checks, the next heartbeat does: %s", error)
    finally:
        connection.close()
        _busy.release()
