"""A step's log by stream through the API: what the studio says apart from what the script prints."""

import pytest
from django.test import Client

from compute.logs.writer import LogWriter
from compute.models import Attempt, LogChunk
from pipelines.models import Run
from studio.workspaces.models import Role
from tests.service.pipelines.world import World


@pytest.fixture
def run(world: World) -> Run:
    run = world.submit(world.pipeline(world.step("a")))
    lease = world.claim()
    log = LogWriter(job_id=lease.job_id, attempt_id=lease.attempt_id, attempt=1)
    log.say("Limits: none.")
    log.feed("o", b"<b>one</b>\ntwo\n")
    log.feed("e", b"trouble\n")
    rows, _columns = log.last_rows()
    LogChunk.objects.bulk_create(rows)
    Attempt.objects.filter(pk=lease.attempt_id).update(log_lines=log.lines, log_bytes=log.size_bytes)
    world.complete(lease)
    return run


def client_of(user: object) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")  # type: ignore[arg-type]
    return client


def test_a_reader_reads_one_stream_alone(world: World, run: Run) -> None:
    client = client_of(world.member("rita", Role.READER))
    address = f"/api/workspaces/ours/runs/{run.pk}/steps/a/log/stream/"
    page = client.get(address, {"stream": "o"}).json()
    assert page == {
        "attempt": 1,
        "attempts": [1],
        "complete": True,
        "earlier": None,
        "lines": [{"n": 1, "s": "o", "t": "<b>one</b>"}, {"n": 2, "s": "o", "t": "two"}],
    }
    assert [line["n"] for line in client.get(address, {"stream": "o", "before": 2}).json()["lines"]] == [1]
    assert client.get(address, {"stream": "s"}).json()["lines"][0]["t"].endswith("Limits: none.")
    answer = client.get(f"{address}download/", {"stream": "e"})
    assert b"".join(answer.streaming_content) == b"trouble\n"
    assert f"run-{run.pk}-a-attempt-1-stderr.log" in answer.headers["Content-Disposition"]
    for wrong in ({}, {"stream": "x"}, {"stream": "oe"}):
        refused = client.get(address, wrong)
        assert (refused.status_code, "Choose a stream" in refused.content.decode()) == (400, True)


def test_a_stranger_reads_none(run: Run) -> None:
    stranger = client_of(World.make("theirs").owner)
    for slug in ("ours", "theirs"):
        for verb in ("", "download/"):
            address = f"/api/workspaces/{slug}/runs/{run.pk}/steps/a/log/stream/{verb}"
            assert stranger.get(address, {"stream": "o"}).status_code == 404
