"""A broker that is away costs whoever rings a moment, however many slots wait to be woken."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from compute import doorbell
from studio.celery import app
from tests.support.compute import Compute
from tests.support.servers.ports import free_port

pytestmark = pytest.mark.django_db


@contextmanager
def _broker(url: str) -> Iterator[None]:
    """Messages go there."""
    before = app.conf.broker_url, app.conf.broker_write_url, app.conf.broker_read_url
    app.conf.broker_url = app.conf.broker_write_url = app.conf.broker_read_url = url
    app._pool = app.amqp._producer_pool = None
    try:
        yield
    finally:
        app.conf.broker_url, app.conf.broker_write_url, app.conf.broker_read_url = before
        app._pool = app.amqp._producer_pool = None


@pytest.fixture
def nowhere() -> Iterator[None]:
    """Messages go to a port that nobody listens on."""
    with _broker(f"amqp://guest:guest@127.0.0.1:{free_port()}//"):
        yield


@pytest.fixture
def frozen() -> Iterator[None]:
    """Messages go to a Redis that the kernel alone answers for."""
    listening = socket.create_server(("127.0.0.1", 0))
    with listening, _broker(f"redis://127.0.0.1:{listening.getsockname()[1]}/0"):
        yield


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


def test_a_frozen_redis_is_given_up(frozen: None, caplog: pytest.LogCaptureFixture) -> None:
    compute = Compute()
    compute.node(slots=20)
    began_s = time.monotonic()
    doorbell.ring({compute.target.pk: 20})
    assert time.monotonic() - began_s < 15
    (said,) = [record.message for record in caplog.records if record.name == "compute.doorbell"]
    assert said.startswith(f"could not ring target {compute.target.pk} (the sweep will make it good)")
