"""RabbitMQ as the broker: doorbells, wishes to cancel and the sweep's messages go over it; Redis has pages' nudges."""

from collections.abc import Callable, Iterator

import pytest

from compute.services import request_cancel
from compute.states import JobStatus
from studio.celery import app
from tests.support.compute import Compute, in_state, over
from tests.support.servers.rabbitmq import rabbitmq
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

LONG_S = 120.0


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with rabbitmq() as url:
        yield url


@pytest.fixture
def through(broker: str) -> Iterator[str]:
    """This process sends its messages there too."""
    before = app.conf.broker_url, app.conf.broker_write_url, app.conf.broker_read_url
    app.conf.broker_url = app.conf.broker_write_url = app.conf.broker_read_url = broker
    app._pool = None
    app.amqp._producer_pool = None
    try:
        yield broker
    finally:
        app.conf.broker_url, app.conf.broker_write_url, app.conf.broker_read_url = before
        app._pool = None
        app.amqp._producer_pool = None


def test_steps_run_are_cancelled_and_found_by_the_sweep(through: str, worker_stack: Callable[..., Stack]) -> None:
    # A heartbeat that is far off, and a sweep that is slow: whatever is quick here went over the broker.
    stack = worker_stack(BROKER_URL=through, STUDIO_NODE_LEASE_S="600", STUDIO_NODE_HEARTBEAT_S="200")
    compute = Compute(slots=2)
    early = compute.script("print('queued before any node lived')")
    stack.node(compute.target.pk)
    assert over(early, LONG_S).status == JobStatus.COMPLETED
    assert over(compute.script("print('rung for')"), LONG_S).status == JobStatus.COMPLETED

    job = in_state(compute.script("import time; time.sleep(600)"), JobStatus.RUNNING, LONG_S)
    assert request_cancel([job.pk]) == 1
    assert over(job, LONG_S).status == JobStatus.CANCELLED

    def answers() -> bool:
        return any(name.startswith("node-") for each in app.control.ping(timeout=2) for name in each)

    wait_for(answers, what="the node answers to Celery's ping", timeout_s=LONG_S)

    stack.control()
    stack.scheduler()
    # As if its doorbell had been lost: only the sweep, whose own message is one of RabbitMQ's, can ring.
    app.control.purge()
    unheard = compute.script("print('nobody rang')")
    app.control.purge()
    assert over(unheard, LONG_S).status == JobStatus.COMPLETED
