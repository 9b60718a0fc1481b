"""Every socket, opened by those who may not; and messages that name what belongs to another workspace."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from pipelines import consumers
from studio.lib.on_commit import publish
from studio.workspaces.models import Membership, Role, User
from tests.service.addresses import SOCKETS, Place
from tests.service.pipelines.test_sockets import close_code, socket

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = sorted(SOCKETS)
NAMED = [route for route in ASKED if route]  # the last one takes what is no address, and closes it


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Path:
    settings.STUDIO_HOME = tmp_path
    return tmp_path


@pytest.fixture
def ours(transactional_db: None, home: Path) -> Place:
    return Place.furnish("ours")


@pytest.fixture
def theirs(ours: Place) -> Place:
    return Place.furnish("theirs", step="secret")


@pytest.fixture(autouse=True)
async def _no_connection_left() -> AsyncIterator[None]:
    """The thread behind `sync_to_async` keeps its connection, and PostgreSQL would not drop a database in use."""
    yield
    await sync_to_async(connections.close_all)()


def path_of(route: str, **parts: Any) -> str:
    return SOCKETS[route].format(**parts)


async def parts_of(place: Place) -> dict[str, Any]:
    return await sync_to_async(place.parts)()


async def answer_to(live: Any, message: dict[str, Any]) -> dict[str, Any]:
    await live.send_json_to(message)
    answer: dict[str, Any] = await live.receive_json_from(timeout=5)
    return answer


@pytest.mark.parametrize("route", NAMED)
async def test_who_is_nobody_is_shown_out(ours: Place, route: str) -> None:
    path = path_of(route, **await parts_of(ours))
    async with socket(path, None) as live:
        assert await close_code(live) == 4401


@pytest.mark.parametrize("route", NAMED)
async def test_who_was_switched_off_is_shown_out(ours: Place, route: str) -> None:
    path = path_of(route, **await parts_of(ours))

    def switched_off() -> User:
        User.objects.filter(pk=ours.reader.pk).update(is_active=False)
        return ours.reader

    async with socket(path, await sync_to_async(switched_off)()) as live:
        assert await close_code(live) == 4401


@pytest.mark.parametrize("route", ASKED)
async def test_a_stranger_can_not_tell_what_is_there(ours: Place, theirs: Place, route: str) -> None:
    parts = await parts_of(ours)
    for path in (path_of(route, **parts), path_of(route, **parts | {"slug": "nowhere"})):
        async with socket(path, theirs.owner) as live:
            assert await close_code(live) == 4404


async def test_another_workspaces_run_is_not_there_through_ones_own(ours: Place, theirs: Place) -> None:
    both = await User.objects.acreate(username="both")
    for place in (ours, theirs):
        await Membership.objects.acreate(workspace=place.world.workspace, user=both, role=Role.OWNER)
    for run_id in (theirs.run.pk, 10**9, 10**30):
        async with socket(f"/ws/w/ours/runs/{run_id}/", both) as live:
            assert await close_code(live) == 4404


@pytest.mark.parametrize("route", NAMED)
async def test_a_page_of_another_site_opens_none(ours: Place, route: str) -> None:
    path = path_of(route, **await parts_of(ours))
    async with socket(path, ours.owner, origin="https://elsewhere.example") as live:
        assert not live.connected


async def test_another_workspaces_target_can_not_be_watched(ours: Place, theirs: Place) -> None:
    async with socket("/ws/w/ours/live/", ours.owner) as live:
        answers = [
            await answer_to(live, {"type": "watch", "what": ["runs", f"compute:{number}"]})
            for number in (theirs.target.pk, 10**9)
        ]
        assert answers[0] == answers[1]
        assert answers[0]["type"] == "error"


async def test_the_log_of_another_run_can_not_be_watched(ours: Place, theirs: Place) -> None:
    async with socket(f"/ws/w/ours/runs/{ours.run.pk}/", ours.reader) as live:
        answers = [
            await answer_to(live, {"type": "watch_log", "step": name})
            for name in ("secret", "nobody", "first\0", str(theirs.run.pk), f"log.{theirs.run.pk}")
        ]
        assert [answer["type"] for answer in answers] == ["error"] * 5
        assert len({answer["detail"] for answer in answers}) == 1
        own = await answer_to(live, {"type": "watch_log", "step": "first"})
        assert own["type"] == "log", "a reader watches what is theirs to see"


@pytest.mark.parametrize(
    "message", [{"type": "since", "seq": 0}, {"type": "watch_log", "step": "first"}, {"type": "watch_log", "step": "x"}]
)
async def test_who_was_let_out_since_is_told_nothing_about_the_run(ours: Place, message: dict[str, Any]) -> None:
    async with socket(f"/ws/w/ours/runs/{ours.run.pk}/", ours.reader) as live:
        await answer_to(live, {"type": "since", "seq": 10**6})
        await Membership.objects.filter(user=ours.reader).adelete()
        await live.send_json_to(message)
        assert await close_code(live) == 4404


async def test_who_was_let_out_since_watches_no_list(ours: Place) -> None:
    async with socket("/ws/w/ours/live/", ours.reader) as live:
        await answer_to(live, {"type": "?"})
        await Membership.objects.filter(user=ours.reader).adelete()
        await live.send_json_to({"type": "watch", "what": ["runs"]})
        assert await close_code(live) == 4404


async def test_who_was_let_out_since_hears_of_no_log(ours: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "MEMBER_CHECK_S", 0.0)
    step = await ours.run.steps.aget(name="first")
    async with socket(f"/ws/w/ours/runs/{ours.run.pk}/", ours.reader) as live:
        await answer_to(live, {"type": "watch_log", "step": "first"})
        await Membership.objects.filter(user=ours.reader).adelete()
        news = {"job_id": step.job_id, "attempt": 1, "lines": 9, "bytes": 90, "complete": True}
        publish(f"log.{step.job_id}", {"type": "log.grew", **news})
        assert await close_code(live) == 4404
