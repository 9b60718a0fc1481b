"""The node's process: a Celery worker whose threads are the slots, a keeper, a fence, and a guardian beside it."""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from celery.exceptions import WorkerShutdown
from django.conf import settings
from django.db import connection

from compute import doorbell
from compute.database import patiently
from compute.execution import processes
from compute.execution.bounds.step_bounds import Bounds
from compute.execution.sandbox.detection import find_isolation
from compute.execution.supervision import awaited, spawn
from compute.execution.warm import pool
from compute.models import ComputeTarget, Job, Node
from compute.node import (
    builder,
    orders,  # noqa: F401 (what Celery can ask of this process)
)
from compute.node import context as node_context
from compute.node.capacity import NodeCapacity
from compute.node.context import NodeContext
from compute.node.keeper import Fence, Janitor, Keeper
from compute.node.own_log import OwnLog
from compute.node.records import Records
from compute.services.clock import follow_the_database
from compute.services.nodes import hand_back_inherited, inherited_jobs, register, say_goodbye
from compute.states import KeptBy
from datastores.relay.homes import shares_home
from studio.celery import app

logger = logging.getLogger(__name__)


def serve(
    target: ComputeTarget,
    *,
    name: str,
    slots: int,
    capacity: NodeCapacity,
    kept_by: KeptBy = KeptBy.HAND,
    pool_node_id: int | None = None,
) -> None:
    """Be a node of `target` until a signal says stop.

    Raises UserError as `register` does, and where it can't isolate steps as it is told to.
    """
    with _stopping_on_signals(), _own_log() as log, _studios_folders():
        isolation = find_isolation()
        patiently(follow_the_database)
        node = patiently(
            lambda: register(
                target=target,
                name=name,
                slots=slots,
                capacity=capacity,
                kept_by=kept_by,
                pool_node_id=pool_node_id,
                isolation=isolation.kind,
                isolation_note=isolation.why,
            )
        )
        logger.log(logging.INFO if isolation.sandbox else logging.WARNING, isolation.sentence)
        context = node_context.current = NodeContext(node, isolation, Bounds.of_this_node())
        records = Records(node, log)
        keeper, fence, janitor = Keeper(context, records), Fence(context), Janitor(context)
        try:
            processes.adopt_orphans()
            with _guardian(context), _warm_starts(context):
                _take_over(node)
                keeper.start()
                records.sampler.start()
                fence.start()
                janitor.start()
                context.sampler.start()
                _Signals.context = context
                _work(target, slots, log)
        except WorkerShutdown:
            pass
        finally:
            context.stop()
            keeper.over.set()
            fence.over.set()
            janitor.stop()
            context.sampler.stop()
            context.bounds.close()
            say_goodbye(node)
            logger.info("node %s of %s has stopped", name, target.name)
            records.last_words()
            connection.close()


def _work(target: ComputeTarget, slots: int, log: OwnLog) -> None:
    worker = app.WorkController(
        pool="threads",
        concurrency=slots,
        queues=[target.queue],
        hostname=doorbell.worker_hostname(_context().node.pk),
        ready_callback=lambda _consumer: _ready(target),
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    # Celery sets Django up once more, and that sets logging up anew.
    logging.getLogger().addHandler(log)
    worker.start()


def _ready(target: ComputeTarget) -> None:
    """Look into the queue on every slot: whatever was rung for while no node lived was not heard."""
    node = _context().node
    slots = "1 slot" if node.slots == 1 else f"{node.slots} slots"
    logger.info("node %s of %s is ready: %s", node.name, target.name, slots)
    doorbell.ring({target.pk: node.slots})


def _context() -> NodeContext:
    assert node_context.current is not None, "set by `serve`"
    return node_context.current


def _take_over(node: Node) -> None:
    """End what earlier incarnations left running on this machine, then give their jobs back, then clear up."""
    earlier = inherited_jobs(node)
    left = processes.kill_until_gone(lambda: _leftovers(node))
    if left:
        logger.error("processes %s of an earlier node can't be ended: they hang in the kernel", sorted(left))
    processes.unmount_marked(NodeContext.marker_of_node(node))
    handed_back = patiently(lambda: hand_back_inherited(earlier))
    if handed_back:
        logger.warning("%d jobs of this node's last incarnation were handed back", handed_back)
    _remove_old_folders()
    builder.take_stock()


def _leftovers(node: Node) -> set[int]:
    """Processes of earlier incarnations. The guardian and this process carry no marker."""
    return processes.members(marker=NodeContext.marker_of_node(node))


def _remove_old_folders() -> None:
    """Working folders that no lease speaks for. Listed before the leases are: a folder is made after its lease."""
    folders = list((Path(settings.NODE_HOME) / "attempts").glob("*"))
    tokens = Job.objects.exclude(lease_token=None).values_list("lease_token", flat=True)
    held = {token.hex for token in tokens if token is not None}
    for folder in folders:
        if folder.name not in held:
            if (folder / "mounts").exists():
                processes.unmount_below(folder)
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _own_log() -> Iterator[OwnLog]:
    """All that this process logs, for the node's page."""
    log = OwnLog()
    logging.getLogger().addHandler(log)
    try:
        yield log
    finally:
        logging.getLogger().removeHandler(log)


@contextlib.contextmanager
def _studios_folders() -> Iterator[None]:
    """Where this machine shares them, they are used in place; else the studio is asked for what lies there."""
    if patiently(shares_home):
        yield
        return
    from datastores.relay.contents import forget_unused
    from datastores.relay.gateway import gateway, use_gateway

    with gateway() as socket:
        use_gateway(socket)
        forget_unused()
        logger.info("this machine does not share the studio's STUDIO_HOME: what lies there comes over Redis")
        yield


@contextlib.contextmanager
def _guardian(context: NodeContext) -> Iterator[None]:
    """A small process that ends this node's steps should the node itself be killed without a chance to do so."""
    Path(settings.NODE_HOME).mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    guardian = spawn(
        [sys.executable, "-I", "-S", str(processes.__file__), context.marker, str(node_context.fence_after_s())],
        cwd="/",
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        stdin=reading,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(reading)
    os.set_blocking(writing, False)
    context.guardian = writing
    try:
        yield
    finally:
        context.guardian = None
        os.close(writing)
        with contextlib.suppress(subprocess.TimeoutExpired):
            guardian.wait(2.0)
        awaited.discard(guardian.pid)


@contextlib.contextmanager
def _warm_starts(context: NodeContext) -> Iterator[None]:
    """Interpreters that are kept ready, unless the settings say otherwise, or they can't enter the steps' sandboxes."""
    sandbox = context.isolation.sandbox
    if not settings.WARM_STARTS or (sandbox and not sandbox.can_be_entered):
        yield
        return
    pool.current = pool.Pool(marker=context.marker, slots=context.node.slots, sandbox=sandbox)
    try:
        yield
    finally:
        pool.current.close()
        pool.current = None


class _Signals:
    context: NodeContext | None = None
    is_stopping = False


@contextlib.contextmanager
def _stopping_on_signals() -> Iterator[None]:
    """The first SIGTERM, SIGINT or SIGHUP stops the node; it is on its way then, and further ones change nothing."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, _stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(_number: int, _frame: FrameType | None) -> None:
    if _Signals.is_stopping:
        return
    _Signals.is_stopping = True
    if _Signals.context is not None:
        _Signals.context.stop()
    # Raised out of whatever the main thread waits for: the broker's next message may be long in coming.
    raise WorkerShutdown(0)
