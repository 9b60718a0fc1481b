"""An hour of figures and the last lines of its log: a node writes them with its heartbeats, and nothing grows."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from compute import node_queries
from compute.models import Node, NodeLog, NodeSample
from compute.node import own_log, sampling
from compute.node.own_log import OwnLog
from compute.node.records import Records
from compute.node_records import KEPT_S, NodeLine, NodeLines, NodePoint, NodePoints
from compute.services import node_records, sweeping
from compute.services.nodes import heartbeat
from tests.support.compute import Compute

pytestmark = pytest.mark.django_db


@pytest.fixture
def node(settings: Settings, tmp_path: Path) -> Node:
    settings.NODE_HOME = tmp_path
    return Compute().node("atlas")


@pytest.fixture
def records(node: Node) -> Records:
    return Records(node, OwnLog())


def say(log: OwnLog, text: str, level: int = logging.INFO, **more: Any) -> None:
    log.handle(logging.LogRecord("compute.node", level, __file__, 1, text, (), None, **more))


def beat(records: Records) -> bool:
    alive = heartbeat(records.node, also=records.write)
    records.wrote()
    return alive


def texts(node: Node) -> list[str]:
    return [line.text for line in node_queries.log_of(node)]


def test_figures_come_with_heartbeats_in_one_row(records: Records) -> None:
    for _ in range(3):
        records.sampler.look()
        assert beat(records)
    (row,) = NodeSample.objects.all()
    assert len(row.points.points) == 3
    (figures,), now = node_queries.figures_of([records.node])
    assert len(figures.at) == len(figures.cpu) == len(figures.disk_read) == 3
    assert abs(figures.at[-1] - now.timestamp()) < 60
    assert figures.memory_total
    assert figures.disk_used[-1]
    assert not figures.gpus


def test_a_heartbeat_without_news_writes_nothing_more(records: Records) -> None:
    records.sampler.look()
    beat(records)
    with CaptureQueriesContext(connection) as captured:
        beat(records)
    assert not [query for query in captured if "node_sample" in query["sql"] or "compute_nodelog" in query["sql"]]


def test_minutes_begin_a_new_row_and_known_figures_come_once(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    records.sampler.look()
    beat(records)
    monkeypatch.setattr(sampling, "ROW_S", 0.0)
    records.sampler.look()
    beat(records)
    assert NodeSample.objects.count() == 2
    (figures,), _ = node_queries.figures_of([records.node])
    assert figures.at == sorted(figures.at)
    (later,), _ = node_queries.figures_of([records.node], since_s=figures.at[0])
    assert later.at == figures.at[1:]


def test_what_could_not_be_kept_is_kept_later_and_the_lease_is_renewed(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.sampler.look()
    say(records.log, "hello")
    before = Node.objects.get().heartbeat_at

    def refuse(*_args: Any, **_more: Any) -> None:
        raise DatabaseError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(own_log, "write_lines", refuse)
        assert beat(records)
    assert Node.objects.get().heartbeat_at > before
    assert (NodeLog.objects.count(), NodeSample.objects.count()) == (0, 0)
    beat(records)
    assert texts(records.node) == ["hello"]
    assert NodeSample.objects.count() == 1


def test_a_row_that_somebody_removed_is_made_again(records: Records) -> None:
    records.sampler.look()
    beat(records)
    NodeSample.objects.all().delete()
    records.sampler.look()
    beat(records)
    assert len(NodeSample.objects.get().points.points) == 2


def test_the_sweep_forgets_figures_of_more_than_an_hour_ago(node: Node) -> None:
    points = NodePoints(points=[NodePoint(at_s=0.0, cpu=5)])
    for minutes in (5, 55, 90):
        began = timezone.now() - timedelta(minutes=minutes)
        NodeSample.objects.create(node=node, began_at=began, points=points)
    sweeping.sweep()
    assert NodeSample.objects.count() == 2
    (figures,), now = node_queries.figures_of([node])
    assert len(figures.at) == 2
    assert min(figures.at) > now.timestamp() - KEPT_S


def test_the_log_holds_what_the_node_said(records: Records) -> None:
    say(records.log, "a step\nwas lost", logging.ERROR)
    beat(records)
    say(records.log, "and goes on")
    beat(records)
    lines = node_queries.log_of(records.node)
    assert [(line.level, line.text, line.is_first) for line in lines] == [
        ("ERROR", "a step\nwas lost", True),
        ("INFO", "and goes on", False),
    ]
    assert [line.text for line in node_queries.log_of(records.node, lines=1)] == ["and goes on"]


def test_a_flood_costs_its_oldest_lines_and_says_so(records: Records) -> None:
    for number in range(own_log.WAITING_LINES + 50):
        say(records.log, f"line {number}")
    say(records.log, "x" * 50_000)
    while beat(records) and len(records.log._lines):
        pass
    said = [line.text for row in NodeLog.objects.all() for line in row.lines.lines]
    assert said[0] == "51 lines were left out here: there were too many at once."
    assert said[1] == "line 51"
    assert len(said) == own_log.WAITING_LINES + 1
    assert "characters left out" in said[-1]
    assert len(said[-1]) < own_log.LINE_CHARACTERS + 100


def test_old_lines_go_whatever_incarnation_said_them(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_records, "LOG_LINES_KEPT", 10)
    for number in range(30):
        line = NodeLine(at=float(number), text=f"line {number}")
        node_records.write_lines(node, NodeLines(lines=[line]), forget=number % 8 == 0)
    assert NodeLog.objects.count() <= 10 + 8
    assert texts(node)[-1] == "line 29"
    monkeypatch.setattr(node_records, "LOG_BYTES_KEPT", 20)
    node_records.write_lines(node, NodeLines(lines=[NodeLine(at=1.0, text="y" * 15)]), forget=True)
    assert texts(node)[-1] == "y" * 15
    assert NodeLog.objects.count() < 4


def test_no_secret_of_the_installation_reaches_the_log(records: Records, settings: Settings) -> None:
    settings.REDIS_URL = "redis://:pass%2Fword@redis:6379/0"
    say(records.log, f"key {settings.SECRET_KEY}")
    say(records.log, "cannot reach redis://:pass%2Fword@redis:6379/0 with pass/word")
    say(records.log, "postgres://studio:hunter2@db/studio is away")
    error = RuntimeError(f"token {settings.SECRET_KEY}")
    info = (type(error), error, error.__traceback__)
    records.log.handle(logging.LogRecord("compute", logging.ERROR, __file__, 1, "it broke", (), info))
    beat(records)
    said = "\n".join(texts(records.node))
    assert "it broke" in said
    assert "redis:6379" in said
    for secret in (settings.SECRET_KEY, "pass/word", "pass%2Fword", "hunter2"):
        assert secret not in said
