"""A broker that is away costs whoever rings a moment, however many slots wait to be woken."""

import time
from collections.abc import Iterator

import pytest

from compute import doorbell
from studio.celery import app
from tests.support.compute import Compute
from tests.support.servers.ports import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture
def nowhere() -> Iterator[None]:
    """Messages go to a port that nobody listens on."""
    before = app.conf.broker_url, app.conf.broker_write_url, app.conf.broker_read_url
    url = f"amqp://guest:guest@127.0.0.1:{free_port()}//"
    app.conf.broker_url = app.conf.broker_write_url = app.conf.broker_read_url = url
    app._pool = app.amqp._producer_pool = None
    try:
        yield
    finally:
        app.conf.broker_url, app.conf.broker_write_url, app.conf.broker_read_url = before
        app._pool = app.amqp._producer_pool = None


def test_ringing_twenty_slots_and_nudging_takes_no_time(nowhere: None, caplog: pytest.LogCaptureFixture) -> None:
    compute = Compute()
    node = compute.node(slots=20)
    began_s = time.monotonic()
    doorbell.ring({compute.target.pk: 20})
    doorbell._nudge_cancel({node.pk: [1]})
    # Celery's own patience is six seconds for each message.
    assert time.monotonic() - began_s < 3
    said = [record.message for record in caplog.records if record.name == "compute.doorbell"]
    assert len(said) == 2, "one try for all twenty"
    assert said[0].startswith(f"could not ring target {compute.target.pk} (the sweep will make it good)")
