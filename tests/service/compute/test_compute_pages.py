"""The pages of compute targets: who sees what of them, and who may change them."""

import html
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compute import queries
from compute.models import ComputeTarget, Job
from compute.services import pool_nodes
from compute.states import JobStatus
from studio.workspaces.models import AuditEvent, Role
from tests.service.compute.pages_world import World, make_world
from tests.support.pools import Pool

pytestmark = pytest.mark.django_db

LIST = "/w/ours/compute/"


@pytest.fixture
def world() -> World:
    return make_world()


def detail(target: ComputeTarget) -> str:
    return f"{LIST}{target.pk}/"


def test_the_list_shows_own_and_shared_targets_only(world: World) -> None:
    text = world.client(Role.READER).get(LIST).content.decode()
    assert ">training<" in text
    assert ">local<" in text
    assert "secret" not in text


def test_a_shared_target_hides_what_other_workspaces_run(world: World) -> None:
    node = world.node("atlas")
    world.job("our training", JobStatus.RUNNING, lease_node=node)
    world.job("their plan", JobStatus.RUNNING, workspace=world.theirs, lease_node=node)
    world.job("their next plan", workspace=world.theirs)
    world.job("their old plan", JobStatus.FAILED, workspace=world.theirs, reason="their words")
    text = html.unescape(world.client().get(detail(world.shared)).content.decode())
    assert "our training" in text
    assert text.count("another workspace's job") == 2
    assert "their" not in text.replace("theirs", "")
    assert 'aria-label="2 of 2 slots in use"' in text  # a slot that another one holds is in use all the same


def test_the_queue_is_in_the_order_of_claims(world: World) -> None:
    world.job("second")
    world.job("third", queued_at=timezone.now())
    world.job("first", priority=5, queued_at=timezone.now())
    queue = queries.queue(world.shared, world.ours)
    assert [(job.position, job.title) for job in queue.jobs] == [(1, "first"), (2, "second"), (3, "third")]


def test_a_long_queue_comes_in_pages(world: World) -> None:
    for number in range(queries.QUEUE_PAGE + 3):
        world.job(f"job {number}", queued_at=timezone.now() + timedelta(seconds=number))
    last = queries.queue(world.shared, world.ours, page=99)
    assert (last.page, last.pages, last.length) == (2, 2, queries.QUEUE_PAGE + 3)
    assert [job.position for job in last.jobs] == [51, 52, 53]
    text = world.client().get(detail(world.shared) + "?page=2").content.decode()
    assert "Page 2 of 2" in text


def test_a_node_lives_as_long_as_its_lease(world: World) -> None:
    world.node("atlas")
    world.node("borealis", silent_s=settings.NODE_LEASE_S + 5)
    world.node("castor", silent_s=60, stopped_at=timezone.now())
    row = queries.target_rows([world.shared], world.ours)[0]
    assert [(node.name, node.state) for node in row.nodes] == [
        ("atlas", "alive"),
        ("borealis", "silent"),
        ("castor", "stopped"),
    ]
    assert (row.nodes_alive, row.slots_total, row.state) == (1, 2, "alive")


def test_a_new_target_is_starting_and_an_old_one_without_nodes_has_none(world: World) -> None:
    assert queries.target_rows([world.own], world.ours)[0].state == "starting"
    world.own.created_at = timezone.now() - timedelta(hours=1)
    assert queries.target_rows([world.own], world.ours)[0].state == "none"


def test_a_pool_says_whether_it_needs_a_node_starts_one_or_can_not(world: World) -> None:
    def state() -> str:
        return queries.target_rows([pool.target], pool.workspace)[0].state

    pool = Pool()
    pool.target.workspace = pool.workspace = world.ours
    pool.target.save()
    assert state() == "idle"
    pool.job()
    assert state() == "idle", "nobody knows yet whether it may run, or fits on a node"
    row = pool_nodes.add_pool_node(pool.target, provider="processes")
    pool_nodes.note_event(pool.target.pk, "Starts a node.")
    assert state() == "starting"
    pool_nodes.failed(row, "Its host broke off.")
    pool_nodes.note_event(pool.target.pk, "Its host refuses the connection.", is_problem=True)
    assert state() == "stuck"
    page = world.client().get(detail(pool.target)).content.decode()
    assert "Can't start a node" in page
    assert "the pool says below what stands in the way" in page
    Job.objects.filter(target=pool.target).delete()
    assert state() == "idle", "what it could not do is no matter as long as nothing waits"
    pool.change(min_nodes=1)
    assert state() == "stuck"
    pool_nodes.note_event(pool.target.pk, "Starts a node.")
    assert state() == "starting"


def test_what_finished_last_stands_first(world: World) -> None:
    now = timezone.now()
    world.job("long", JobStatus.COMPLETED, finished_at=now)
    world.job("short", JobStatus.COMPLETED, finished_at=now - timedelta(minutes=5))
    assert [job.title for job in queries.finished_jobs(world.shared, world.ours)] == ["long", "short"]


@pytest.mark.parametrize("path", [LIST, "detail"])
def test_the_number_of_queries_does_not_grow(world: World, path: str) -> None:
    address = detail(world.shared) if path == "detail" else path
    client = world.client()
    node = world.node("atlas")
    world.job("one", JobStatus.RUNNING, lease_node=node)
    client.get(address)
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(address)
    for number in range(12):
        other = ComputeTarget.objects.create(name=f"t{number}", workspace=world.ours)
        extra = world.node(f"node-{number}")
        world.node("only", target=other)
        for status in (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.COMPLETED):
            world.job(f"{status} {number}", status, lease_node=extra)
    with CaptureQueriesContext(connection) as many:
        client.get(address)
    assert len(many) == len(few)
    assert len(many) <= 20


def test_a_refresh_gets_the_part_that_moves(world: World) -> None:
    client = world.client()
    for address in (LIST, detail(world.shared)):
        part = client.get(address, headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in part
        assert "local" in part


def test_another_workspaces_target_is_not_there(world: World) -> None:
    client = world.client()
    for address in (detail(world.foreign), detail(world.foreign) + "edit/", f"/w/theirs/compute/{world.foreign.pk}/"):
        assert client.get(address).status_code == 404
    assert client.post(detail(world.foreign) + "delete/").status_code == 404
    assert ComputeTarget.objects.filter(pk=world.foreign.pk).exists()


@pytest.mark.parametrize("role", [Role.READER, Role.CONTRIBUTOR])
def test_only_owners_change_targets(world: World, role: Role) -> None:
    client = world.client(role)
    assert client.get(LIST + "new/").status_code == 403
    assert client.post(LIST + "new/", {"name": "mine", "slots": 2}).status_code == 403
    assert client.post(detail(world.own) + "edit/", {"slots": 8}).status_code == 403
    assert client.post(detail(world.own) + "delete/").status_code == 403
    assert "New target" not in client.get(LIST).content.decode()
    assert "Delete" not in client.get(detail(world.own)).content.decode().split("<dialog")[0]


def test_a_shared_target_is_no_owners_to_change(world: World) -> None:
    client = world.client()
    assert client.post(detail(world.shared) + "edit/", {"slots": 8}).status_code == 403
    assert client.post(detail(world.shared) + "delete/").status_code == 403
    assert ComputeTarget.objects.filter(pk=world.shared.pk).exists()


def test_an_owner_makes_changes_and_removes_a_target(world: World) -> None:
    client = world.client()
    made = client.post(LIST + "new/", {"name": "night", "slots": 3, "description": "After hours"})
    target = ComputeTarget.objects.get(name="night")
    assert made.headers["Location"] == detail(target)
    assert (target.workspace, target.slots, target.kind) == (world.ours, 3, "local")
    client.post(detail(target) + "edit/", {"slots": 5, "description": ""})
    target.refresh_from_db()
    assert (target.slots, target.description) == (5, "")
    world.node("night-node", target=target)  # its node lives, which is no hindrance: the supervisor stops it
    assert client.post(detail(target) + "delete/").headers["Location"] == LIST
    assert not ComputeTarget.objects.filter(pk=target.pk).exists()
    verbs = AuditEvent.objects.filter(workspace=world.ours).values_list("verb", flat=True)
    assert {"compute.create", "compute.change", "compute.delete"} <= set(verbs)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "local", "slots": 2}, "There is a compute target “local” already"),
        ({"name": "no spaces", "slots": 2}, "Use 1 to 100 letters"),
        ({"name": "zero", "slots": 0}, "greater than or equal to 1"),
        ({"name": "lots", "slots": 100_000}, "less than or equal to"),
        ({"name": "", "slots": 2}, "This field is required"),
    ],
)
def test_a_mistake_is_told_at_its_field(world: World, given: dict[str, object], field: str) -> None:
    answer = world.client().post(LIST + "new/", given)
    assert answer.status_code == 422
    assert field in html.unescape(answer.content.decode())


def test_a_target_with_work_is_not_removed(world: World) -> None:
    world.job("waits", target=world.own)
    client = world.client()
    answer = client.post(detail(world.own) + "delete/", follow=True)
    assert "1 job is queued or running" in html.unescape(answer.content.decode())
    assert ComputeTarget.objects.filter(pk=world.own.pk).exists()


def test_what_people_wrote_is_escaped(world: World) -> None:
    world.own.description = "<script>alert(1)</script>"
    world.own.save()
    world.job("<img src=x onerror=alert(1)>", target=world.own)
    for address in (LIST, detail(world.own)):
        text = world.client().get(address).content.decode()
        assert "<script>alert" not in text
        assert "<img src=x" not in text
