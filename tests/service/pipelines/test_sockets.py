"""The sockets through the real ASGI application: sign-in, origin, catching up, following a log, and who is refused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import OperationalError, connections
from django.test import Client

from pipelines import consumers, services
from pipelines.models import StepRun
from studio.asgi import application
from studio.workspaces.models import Membership, Role, User
from tests.service.pipelines.world import World
from tests.support.metrics import measure

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(transactional_db) -> World:
    return World.make()


@pytest.fixture(autouse=True)
async def _no_connection_left() -> AsyncIterator[None]:
    """The thread behind `sync_to_async` keeps its connection, and PostgreSQL would not drop a database in use."""
    yield
    await sync_to_async(connections.close_all)()


def _cookie(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@asynccontextmanager
async def socket(path: str, user: User | None, *, origin: str = "http://testserver") -> AsyncIterator[Any]:
    headers = [(b"origin", origin.encode()), (b"host", b"testserver")]
    if user is not None:
        cookie = await sync_to_async(_cookie)(user)
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
    communicator = WebsocketCommunicator(application, path, headers=headers)
    connected, _ = await communicator.connect(timeout=5)
    communicator.connected = connected
    yield communicator
    await communicator.disconnect()


async def close_code(communicator: Any) -> int:
    message = await communicator.receive_output(timeout=5)
    assert message["type"] == "websocket.close"
    return message["code"]


async def until_event(communicator: Any, step: str, status: str) -> list[dict[str, Any]]:
    """Everything heard until this event came."""
    heard: list[dict[str, Any]] = []
    while True:
        message = await communicator.receive_json_from(timeout=5)
        if message["type"] != "events":
            continue
        heard += message["events"]
        if any(event.get("step") == step and event["status"] == status for event in message["events"]):
            return heard


async def test_events_come_from_where_the_client_was(world: World) -> None:
    run = await sync_to_async(world.submit)(await sync_to_async(world.pipeline)(world.step("a"), world.step("b", "a")))
    async with socket(f"/ws/w/ours/runs/{run.pk}/", world.owner) as live:
        await live.send_json_to({"type": "since", "seq": 0})
        first = await live.receive_json_from(timeout=5)
        assert [event["seq"] for event in first["events"]] == [1, 2]
        assert first["last_event"] == 2
        await sync_to_async(world.drain)()
        heard = await until_event(live, "b", "completed")
        seqs = [event["seq"] for event in heard]
        assert seqs == list(range(3, 3 + len(seqs)))
    async with socket(f"/ws/w/ours/runs/{run.pk}/", world.owner) as again:
        await again.send_json_to({"type": "since", "seq": 5})
        caught_up = await again.receive_json_from(timeout=5)
        assert caught_up["events"][0]["seq"] == 6
        assert caught_up["events"][-1] == {**caught_up["events"][-1], "kind": "run", "status": "completed"}
        # Asking with nothing new is answered too: that is how a client knows that the line lives.
        await again.send_json_to({"type": "since", "seq": caught_up["last_event"]})
        assert (await again.receive_json_from(timeout=5))["events"] == []


async def test_nothing_is_sent_before_the_client_says_what_it_has(world: World) -> None:
    run = await sync_to_async(world.submit)(await sync_to_async(world.pipeline)(world.step("a")))
    async with socket(f"/ws/w/ours/runs/{run.pk}/", world.owner) as live:
        await sync_to_async(world.drain)()
        assert await live.receive_nothing(timeout=0.3)


async def test_a_watched_log_is_told_at_once_and_when_its_step_begins(world: World) -> None:
    run = await sync_to_async(world.submit)(await sync_to_async(world.pipeline)(world.step("a"), world.step("b", "a")))
    async with socket(f"/ws/w/ours/runs/{run.pk}/", world.owner) as live:
        await live.send_json_to({"type": "since", "seq": 0})
        await live.receive_json_from(timeout=5)
        await live.send_json_to({"type": "watch_log", "step": "b"})
        log = await live.receive_json_from(timeout=5)
        assert log == {"type": "log", "step": "b", "attempt": 0, "lines": 0, "bytes": 0, "complete": False}
        await sync_to_async(world.drain)()
        while (message := await live.receive_json_from(timeout=5))["type"] != "log" or message["attempt"] == 0:
            pass
        assert (message["step"], message["attempt"]) == ("b", 1)


async def test_a_growing_log_is_told(world: World) -> None:
    from studio.lib.on_commit import publish

    run = await sync_to_async(world.submit)(await sync_to_async(world.pipeline)(world.step("a")))
    lease = await sync_to_async(world.claim)()
    async with socket(f"/ws/w/ours/runs/{run.pk}/", world.owner) as live:
        await live.send_json_to({"type": "watch_log", "step": "a"})
        await live.receive_json_from(timeout=5)
        for lines in (5, 70, 900):
            news = {"attempt": 1, "lines": lines, "bytes": lines * 10, "complete": lines == 900}
            publish(f"log.{lease.job_id}", {"type": "log.grew", "job_id": lease.job_id, **news})
        said = []
        while not said or said[-1]["lines"] < 900:
            said.append(await live.receive_json_from(timeout=5))
        assert said[-1] == {
            "type": "log",
            "step": "a",
            "attempt": 1,
            "lines": 900,
            "bytes": 9000,
            "complete": True,
        }


@pytest.mark.parametrize(
    "message",
    [
        "no json",
        "[]",
        '{"type": "since"}',
        '{"type": "since", "seq": -1}',
        '{"type": "since", "seq": true}',
        '{"type": "since", "seq": 1e400}',
        '{"type": "watch_log", "step": "nobody"}',
        '{"type": "watch_log", "step": 7}',
        "[" * 5000,
        '{"type": "' + "x" * 20_000 + '"}',
    ],
)
async def test_a_message_without_sense_is_answered_and_the_socket_lives(world: World, message: str) -> None:
    run = await sync_to_async(world.submit)(await sync_to_async(world.pipeline)(world.step("a")))
    async with socket(f"/ws/w/ours/runs/{run.pk}/", world.owner) as live:
        await live.send_to(text_data=message)
        assert (await live.receive_json_from(timeout=5))["type"] == "error"
        await live.send_json_to({"type": "since", "seq": 0})
        assert (await live.receive_json_from(timeout=5))["type"] == "events"


async def test_strangers_are_shown_the_door(world: World) -> None:
    theirs = await sync_to_async(World.make)("theirs")
    run = await sync_to_async(world.submit)(await sync_to_async(world.pipeline)(world.step("a")))
    async with socket(f"/ws/w/ours/runs/{run.pk}/", None) as live:
        assert await close_code(live) == 4401
    async with socket(f"/ws/w/ours/runs/{run.pk}/", theirs.owner) as live:
        assert await close_code(live) == 4404
    # A run of another workspace, through a workspace of one's own.
    async with socket(f"/ws/w/theirs/runs/{run.pk}/", theirs.owner) as live:
        assert await close_code(live) == 4404
    async with socket("/ws/w/ours/live/", theirs.owner) as live:
        assert await close_code(live) == 4404
    async with socket(f"/ws/w/ours/runs/{run.pk}/", world.owner, origin="http://elsewhere.example") as live:
        assert not live.connected


async def test_a_removed_member_hears_no_more(world: World) -> None:
    reader = await sync_to_async(world.member)("reader", Role.READER)
    run = await sync_to_async(world.submit)(await sync_to_async(world.pipeline)(world.step("a")))
    async with socket(f"/ws/w/ours/runs/{run.pk}/", reader) as live:
        await live.send_json_to({"type": "since", "seq": 0})
        await live.receive_json_from(timeout=5)
        await Membership.objects.filter(user=reader).adelete()
        await sync_to_async(world.drain)()
        assert await close_code(live) == 4404


async def test_lists_hear_that_something_changed_and_a_burst_is_one_message(world: World) -> None:
    pipeline = await sync_to_async(world.pipeline)(world.step("a"), world.step("b", "a"))
    async with socket("/ws/w/ours/live/", world.owner) as live:
        target = world.node.target_id
        await live.send_json_to({"type": "watch", "what": ["runs", f"compute:{target}"]})
        # Said only when nothing can be missed any more: whoever reads the lists now has all that came before.
        watching = {"type": "watching", "what": [f"compute:{target}", "runs"]}
        assert await live.receive_json_from(timeout=5) == watching
        await sync_to_async(world.submit)(pipeline)
        await sync_to_async(world.drain)()
        said = set()
        while len(said) < 2:
            said.add((await live.receive_json_from(timeout=5))["what"])
        assert said == {"runs", f"compute:{target}"}


@pytest.mark.parametrize("what", [["secrets"], ["compute:999"], [3], "runs", ["compute:x"], ["runs"] * 101])
async def test_only_what_is_there_can_be_watched(world: World, what: Any) -> None:
    async with socket("/ws/w/ours/live/", world.owner) as live:
        await live.send_json_to({"type": "watch", "what": what})
        assert (await live.receive_json_from(timeout=5))["type"] == "error"


async def test_what_a_database_that_was_away_kept_back_is_told_afterwards(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = await sync_to_async(world.pipeline)(world.step("first"))
    run = await sync_to_async(world.submit)(pipeline)
    async with socket(f"/ws/w/{world.workspace.slug}/runs/{run.pk}/", world.owner) as client:
        await client.send_json_to({"type": "since", "seq": 0})
        await client.receive_json_from(timeout=5)
        read, failures = consumers.queries.events_after, [OperationalError("the server is gone")]

        def away_once(*arguments: Any) -> Any:
            if failures:
                raise failures.pop()
            return read(*arguments)

        monkeypatch.setattr(consumers.queries, "events_after", away_once)
        await sync_to_async(services.cancel_run)(world.access, run)
        events = await until_event(client, "first", "cancelled")
        assert not failures
        assert events


async def test_cancelling_is_told(world: World) -> None:
    run = await sync_to_async(world.submit)(await sync_to_async(world.pipeline)(world.step("a"), world.step("b", "a")))
    async with socket(f"/ws/w/ours/runs/{run.pk}/", world.owner) as live:
        await live.send_json_to({"type": "since", "seq": 0})
        await live.receive_json_from(timeout=5)
        await sync_to_async(services.cancel_run)(world.access, run)
        heard = await until_event(live, "a", "cancelled")
        assert heard[0] == {**heard[0], "kind": "cancel_requested", "by": "ours-owner"}
    assert await StepRun.objects.filter(run=run, status="cancelled").acount() == 2


async def test_whoever_watches_a_run_hears_that_a_step_measured_something(world: World) -> None:
    run = await sync_to_async(world.submit)(await sync_to_async(world.pipeline)(world.step("a")))
    lease = await sync_to_async(world.claim)()
    async with socket(f"/ws/w/ours/runs/{run.pk}/", world.owner) as live:
        await live.send_json_to({"type": "since", "seq": 10_000})
        assert (await live.receive_json_from(timeout=5))["type"] == "events"
        await sync_to_async(measure)(lease, ["s", "loss", 1, None])
        assert await live.receive_json_from(timeout=5) == {"type": "metrics", "steps": ["a"]}
