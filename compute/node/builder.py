"""Builds ahead of the first step: in a thread beside the slots, as if a step waited for them."""

import logging
import socket
import threading

from django.db import Error as DatabaseFailure
from django.db import connection

from compute.database import patiently
from compute.environments.building import ready_environment
from compute.environments.places import EnvironmentsFolder
from compute.environments.trimming import trim_soon
from compute.execution.handle import InterruptedByWish
from compute.execution.reasons import StepFailure
from compute.models import EnvironmentBuild
from compute.node.context import NodeContext
from compute.services import builds
from compute.services.builds import Builder

logger = logging.getLogger(__name__)

_busy = threading.Lock()


def look(context: NodeContext) -> None:
    """Do what is asked for, without waiting for it. Asked again meanwhile, it does no harm."""
    if not context.stopping.is_set():
        threading.Thread(target=_run, args=(context,), name="builder", daemon=True).start()


def take_stock() -> None:
    """At the node's start: rows that speak of what is no longer there are closed, and what is over the limit goes."""
    folder = EnvironmentsFolder.of_this_node()
    if folder.root.is_dir():
        place, there = folder.place, list(folder.ready())
        patiently(lambda: builds.note_what_is_there(place, there))
        trim_soon(folder)


def _run(context: NodeContext) -> None:
    if not _busy.acquire(blocking=False):
        return  # whoever has it looks again until there is none
    try:
        while not context.stopping.is_set() and (wish := builds.next_wish(context.node)) is not None:
            _build(context, wish)
    except DatabaseFailure as error:
        logger.warning("could not look for builds, the next heartbeat does: %s", error)
    finally:
        connection.close()
        _busy.release()


def _build(context: NodeContext, wish: EnvironmentBuild) -> None:
    node = context.node
    builder = Builder(node.pk, node.name, socket.gethostname(), node.target_id)
    with context.aside(f"build-{wish.pk}") as handle:
        try:
            with ready_environment(
                wish.spec,
                builder=builder,
                handle=handle,
                say=_nobody_listens,
                isolation=context.isolation,
                wish=wish,
            ):
                builds.drop_wish(wish)  # where it was there already
        except (StepFailure, InterruptedByWish) as ended:
            builds.fail_wish(wish, ended.reason if isinstance(ended, StepFailure) else "Its node was stopped.")
        except Exception:
            logger.exception("the build of %s broke", wish.digest[:16])
            builds.fail_wish(wish, "The build broke. The node's own log says why.")


def _nobody_listens(_data: bytes) -> None:
    """The build's row has its log."""
