"""A node's page, its figures and its log over REST, stop and start: who sees them, who may."""

import html
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from compute.models import Node, NodeLog, NodeSample
from compute.node.capacity import NodeCapacity
from compute.node_records import GpuPoint, NodeLine, NodeLines, NodePoint, NodePoints
from compute.services.nodes import register, say_goodbye
from compute.states import JobStatus, KeptBy
from studio.installation import services as installed
from studio.lib.problems import UserError
from studio.workspaces.models import AuditEvent, Membership, Role, User
from tests.service.compute.pages_world import World, make_world

pytestmark = pytest.mark.django_db

CAPACITY = NodeCapacity(cpus=2, memory_bytes=4 * 1024**3)
GPU = GpuPoint(key="GPU-1", name="A100", busy=80, memory_used=10**9, memory_total=4 * 10**9)


@pytest.fixture
def world() -> World:
    return make_world()


def page(node: Node, action: str = "", *, workspace: str = "ours") -> str:
    return f"/w/{workspace}/compute/{node.target_id}/nodes/{node.pk}/{action}"


def rest(node: Node, action: str = "", *, workspace: str = "ours") -> str:
    return f"/api/workspaces/{workspace}/compute/{node.target_id}/{action}"


def api(world: World, role: Role = Role.OWNER, **more: Any) -> APIClient:
    user = User.objects.create_user(f"api-{User.objects.count()}", **more)
    Membership.objects.create(workspace=world.ours, user=user, role=role)
    client = APIClient()
    client.force_authenticate(user)
    return client


def use(node: Node, *, gpus: int = 0, minutes_ago: float = 1, count: int = 3) -> None:
    points = [
        NodePoint(
            at_s=10.0 * number,
            cpu=40 + number,
            memory_used=2 * 10**9,
            memory_total=8 * 10**9,
            disk_used=30 * 10**9,
            disk_total=100 * 10**9,
            disk_read=0,
            disk_written=10**6,
            gpus=[GPU.model_copy(update={"key": f"GPU-{each}"}) for each in range(gpus)],
        )
        for number in range(count)
    ]
    began = timezone.now() - timedelta(minutes=minutes_ago)
    NodeSample.objects.create(node=node, began_at=began, points=NodePoints(points=points))


def said(node: Node, *texts: str, level: Any = "INFO") -> None:
    lines = [NodeLine(at=1.7e9, level=level, logger="compute.node", text=text) for text in texts]
    NodeLog.objects.create(
        node=node, incarnation=node.incarnation, lines=NodeLines(lines=lines), line_count=len(lines), size_bytes=1
    )


def test_the_targets_page_says_how_each_node_is_used(world: World) -> None:
    use(world.node("atlas"), gpus=2)
    world.node("borealis")
    world.node("castor", stopped_at=timezone.now())
    text = html.unescape(world.client(Role.READER).get(f"/w/ours/compute/{world.shared.pk}/").content.decode())
    for words in ("42 %", "2 GB of 8 GB", "30 GB of 100 GB", "80 %", "Its first figures come within seconds"):
        assert words in text
    assert text.count("data-figure=") == 4


def test_the_number_of_queries_does_not_grow_with_nodes(world: World) -> None:
    client = world.client()
    use(world.node("atlas"), gpus=1)
    address = f"/w/ours/compute/{world.shared.pk}/"
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    for number in range(20):
        node = world.node(f"node-{number}")
        for minutes in (50, 30, 1):
            use(node, minutes_ago=minutes)
    with CaptureQueriesContext(connection) as many:
        answer = client.get(address)
    assert answer.content.decode().count('data-figure="cpu"') == 21
    assert len(many) == len(few)
    assert len(many) <= 20


def test_a_nodes_page_has_its_figures_its_jobs_and_its_log(world: World) -> None:
    node = world.node("atlas", target=world.own)
    use(node)
    said(node, "is ready", "<b>odd</b>")
    world.job("our training", JobStatus.RUNNING, lease_node=node, target=world.own)
    world.job("elsewhere", JobStatus.RUNNING, lease_node=world.node("two", target=world.own), target=world.own)
    client = world.client()
    answer = client.get(page(node)).content.decode()
    for words in ("is ready", "our training", 'data-figure="memory"', "&lt;b&gt;odd&lt;/b&gt;"):
        assert words in answer
    assert "elsewhere" not in answer
    with CaptureQueriesContext(connection) as few:
        client.get(page(node))
    for number in range(30):
        said(node, f"line {number}")
        use(node)
    with CaptureQueriesContext(connection) as many:
        client.get(page(node))
    assert len(many) == len(few) <= 16
    part = client.get(page(node), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "line 29" in part


def test_the_log_is_for_those_who_may_change_the_target(world: World) -> None:
    own, shared = world.node("atlas", target=world.own), world.node("borealis")
    for node in (own, shared):
        said(node, "their training is no longer ours")
    log = f"nodes/{shared.pk}/log/"
    for role in Role:
        assert "their training" not in world.client(role).get(page(shared)).content.decode()
        assert api(world, role).get(rest(shared, log)).status_code == 403
    assert "their training" not in world.client(Role.CONTRIBUTOR).get(page(own)).content.decode()
    assert api(world, Role.CONTRIBUTOR).get(rest(own, f"nodes/{own.pk}/log/")).status_code == 403
    assert "their training" in world.client().get(page(own)).content.decode()
    answer = api(world, Role.READER, is_superuser=True).get(rest(shared, log), {"lines": 1})
    assert [line["text"] for line in answer.json()["lines"]] == ["their training is no longer ours"]
    assert api(world, is_superuser=True).get(rest(shared, log), {"lines": 0}).status_code == 400


def test_figures_over_rest_are_those_of_the_targets_nodes(world: World) -> None:
    node, other = world.node("atlas"), world.node("hidden", target=world.foreign)
    use(node, gpus=1)
    use(other)
    client = api(world, Role.READER)
    body = client.get(rest(node, "figures/"), {"node": [node.pk, other.pk]}).json()
    (figures,) = body["nodes"]
    assert (figures["name"], figures["cpu"], figures["memory_total"]) == ("atlas", [40, 41, 42], 8 * 10**9)
    assert figures["gpus"][0]["busy"] == [80, 80, 80]
    later = client.get(rest(node, "figures/"), {"since": figures["at"][1]}).json()["nodes"][0]
    assert later["cpu"] == [42]
    for wrong in ({"node": "x"}, {"since": "x"}, {"since": "nan"}, {"since": "1e300"}, {"node": list(range(1, 99))}):
        assert client.get(rest(node, "figures/"), wrong).status_code in {200, 400}, wrong
    assert client.get(rest(other, "figures/")).status_code == 404
    assert client.get(rest(other, "figures/", workspace="theirs")).status_code == 404


def test_another_workspaces_node_is_not_there(world: World) -> None:
    hidden = world.node("hidden", target=world.foreign)
    ours = world.node("atlas", target=world.own)
    client, rests = world.client(), api(world)
    for target in (world.foreign.pk, world.own.pk):
        base = f"/w/ours/compute/{target}/nodes/{hidden.pk}/"
        assert client.get(base).status_code == 404
        for action in ("stop", "start"):
            assert client.post(f"{base}{action}/").status_code == 404
            assert rests.post(f"/api{base[:2]}orkspaces{base[2:]}{action}/").status_code == 404
        assert rests.get(f"/api/workspaces/ours/compute/{target}/nodes/{hidden.pk}/log/").status_code == 404
    assert not Node.objects.exclude(pk=ours.pk).exclude(stop_requested_at=None).exists()


def test_a_supervised_node_that_is_stopped_stays_so_until_it_is_started(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "here")
    node = register(target=world.own, name="here", slots=1, capacity=CAPACITY, kept_by=KeptBy.SUPERVISOR)

    def wanted() -> bool:
        return any(service.name.endswith(f"-{world.own.pk}") for service in installed.local_nodes(()))

    assert wanted()
    client = world.client()
    client.post(page(node, "stop/"))
    assert not wanted()
    assert "stopping" in client.get(page(node)).content.decode()
    say_goodbye(node)
    with pytest.raises(UserError, match="stopped on its page"):
        register(target=world.own, name="here", slots=1, capacity=CAPACITY, kept_by=KeptBy.SUPERVISOR)
    assert ">Start<" in client.get(page(node)).content.decode().replace("</svg>", "</svg>>")
    client.post(page(node, "start/"))
    assert wanted()
    again = register(target=world.own, name="here", slots=1, capacity=CAPACITY, kept_by=KeptBy.SUPERVISOR)
    assert again.stop_requested_at is None
    verbs = AuditEvent.objects.filter(workspace=world.ours).values_list("verb", flat=True)
    assert {"compute.stop_node", "compute.start_node"} <= set(verbs)


def test_a_node_that_was_started_by_hand_is_started_by_hand(world: World) -> None:
    node = world.node("atlas", target=world.own)
    client = api(world)
    assert client.post(rest(node, f"nodes/{node.pk}/start/")).status_code == 409
    assert client.post(rest(node, f"nodes/{node.pk}/stop/")).status_code == 200
    say_goodbye(node)
    answer = client.post(rest(node, f"nodes/{node.pk}/stop/"))
    assert answer.status_code == 409
    assert "has stopped already" in answer.json()["detail"]
    assert "started by hand" in client.post(rest(node, f"nodes/{node.pk}/start/")).json()["detail"]
    assert register(target=world.own, name="atlas", slots=1, capacity=CAPACITY).stop_requested_at is None


@pytest.mark.parametrize("role", [Role.READER, Role.CONTRIBUTOR])
def test_only_those_who_manage_compute_stop_nodes(world: World, role: Role) -> None:
    own, shared = world.node("atlas", target=world.own), world.node("borealis")
    for action in ("stop", "start"):
        assert world.client(role).post(page(own, f"{action}/")).status_code == 403
        assert api(world, role).post(rest(own, f"nodes/{own.pk}/{action}/")).status_code == 403
        assert world.client(Role.OWNER).post(page(shared, f"{action}/")).status_code == 403
    assert "stop/" not in world.client(role).get(page(own)).content.decode()
    assert not Node.objects.exclude(stop_requested_at=None).exists()
    assert api(world, role, is_superuser=True).post(rest(shared, f"nodes/{shared.pk}/stop/")).status_code == 200
