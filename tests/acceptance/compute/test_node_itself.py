"""A real node tells of its machine and of itself, and stops when it is asked to."""

from collections.abc import Callable

import pytest

from compute import node_queries
from compute.models import Node
from compute.services import stop_node
from compute.states import JobStatus
from tests.support.compute import Compute, in_state
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def test_figures_log_and_stop(worker_stack: Callable[..., Stack]) -> None:
    compute = Compute()
    stack = worker_stack(STUDIO_CANCEL_GRACE_S="0.3", STUDIO_NODE_HEARTBEAT_S="0.5", STUDIO_NODE_SAMPLE_S="0.3")
    worker = stack.node(compute.target.pk)
    node = Node.objects.get(target=compute.target)

    def figures() -> node_queries.NodeFigures:
        return node_queries.figures_of([node])[0][0]

    wait_for(lambda: len(figures().at) >= 3, what="three figures of the machine")
    assert any(value is not None for value in figures().cpu)
    wait_for(lambda: any("is ready" in line.text for line in node_queries.log_of(node)), what="the node's own words")

    job = in_state(compute.script("import time; time.sleep(600)"), JobStatus.RUNNING)
    stop_node(node, stopped_by=None)
    worker.process.wait(60)
    assert worker.process.returncode == 0
    job.refresh_from_db()
    assert (job.status, job.failures) == (JobStatus.QUEUED, 0)
    node.refresh_from_db()
    assert node.stopped_at is not None
    said = [line.text for line in node_queries.log_of(node)]
    assert any("asked node" in text for text in said)
    assert "has stopped" in said[-1]
