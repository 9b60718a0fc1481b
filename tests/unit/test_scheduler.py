"""The scheduler while the broker is away."""

from pathlib import Path

import pytest
from celery.schedules import schedule

from studio.celery import app
from studio.scheduler import SteadyScheduler
from tests.support.servers.ports import free_port


@pytest.fixture
def scheduler(tmp_path: Path) -> SteadyScheduler:
    before = app.conf.broker_url, app.conf.broker_write_url, app.conf.broker_read_url
    url = f"redis://127.0.0.1:{free_port()}/0"
    app.conf.broker_url = app.conf.broker_write_url = app.conf.broker_read_url = url
    app._pool = app.amqp._producer_pool = None
    try:
        yield SteadyScheduler(app, schedule_filename=str(tmp_path / "schedule"), lazy=True)
    finally:
        app.conf.broker_url, app.conf.broker_write_url, app.conf.broker_read_url = before
        app._pool = app.amqp._producer_pool = None


def test_a_message_that_nobody_takes_is_one_line(scheduler: SteadyScheduler, caplog: pytest.LogCaptureFixture) -> None:
    entry = scheduler.Entry(name="sweep", task="compute.sweep", schedule=schedule(2.0), app=app)
    scheduler.apply_entry(entry)
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert "the broker did not take a message" in record.message
    assert "sweep" in record.message
    assert record.exc_info is None
