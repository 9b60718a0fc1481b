"""Pause, drain, resume: nothing new starts, what runs goes on, and only those who may change a target do it."""

import pytest
from django.test import Client
from django.utils import timezone

from compute.models import ComputeTarget, Node
from compute.services import remove_node, set_node_intake, set_target_intake
from compute.services.leases import claim
from compute.services.nodes import register
from compute.services.sweeping import ring_again
from compute.states import Intake, JobStatus
from studio.lib.problems import ConflictError
from studio.workspaces.models import AuditEvent, Role, User
from tests.service.compute.pages_world import World, make_world
from tests.service.compute.test_nodes import CAPACITY
from tests.support.compute import Compute, completed

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("intake", [Intake.PAUSED, Intake.DRAINING])
def test_nothing_new_starts_on_a_target_that_takes_nothing_and_what_runs_goes_on(intake: Intake) -> None:
    compute = Compute()
    node = compute.node()
    compute.job()
    lease = claim(node)
    waits = compute.job()
    assert set_target_intake(compute.target, intake, changed_by=None)
    assert claim(node) is None
    assert completed(lease) == (True, None), "and the end of what ran brings no next job with it"
    assert set_target_intake(compute.target, Intake.OPEN, changed_by=None)
    assert claim(node).job_id == waits.pk


def test_a_node_that_drains_leaves_the_work_to_the_others() -> None:
    compute = Compute()
    one, two = compute.node("one"), compute.node("two")
    job = compute.job()
    assert set_node_intake(one, Intake.DRAINING, changed_by=None)
    assert claim(one) is None
    assert claim(two).job_id == job.pk


def test_the_second_who_asks_changes_nothing_and_is_told_so() -> None:
    compute = Compute()
    ada = compute.person("ada")
    assert set_target_intake(compute.target, Intake.PAUSED, changed_by=ada)
    stale = ComputeTarget.objects.get(pk=compute.target.pk)
    assert not set_target_intake(stale, Intake.PAUSED, changed_by=ada)
    assert list(AuditEvent.objects.values_list("verb", "actor")) == [("compute.pause", ada.pk)]


def test_a_node_that_is_started_again_stays_as_it_was() -> None:
    compute = Compute()
    node = compute.node(heard_of=False)
    set_node_intake(node, Intake.DRAINING, changed_by=None)
    compute.job()
    assert claim(register(target=compute.target, name=node.name, slots=1, capacity=CAPACITY)) is None


def test_nobody_is_woken_for_a_target_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compute = Compute()
    compute.node("one")
    two = compute.node("two")
    compute.job()
    compute.target.jobs.update(queued_at="2020-01-01T00:00Z")
    rung: list[int] = []
    monkeypatch.setattr("compute.doorbell._send_ring", rung.append)
    set_node_intake(two, Intake.PAUSED, changed_by=None)
    ring_again()
    assert len(rung) == 1
    set_target_intake(compute.target, Intake.PAUSED, changed_by=None)
    ring_again()
    assert len(rung) == 1


def test_only_a_node_that_is_gone_can_be_taken_off_the_list() -> None:
    compute = Compute()
    node = compute.node()
    job = compute.job()
    claim(node)
    with pytest.raises(ConflictError, match="lives"):
        remove_node(node, removed_by=None)
    Node.objects.filter(pk=node.pk).update(stopped_at=timezone.now())
    with pytest.raises(ConflictError, match="still holds jobs"):
        remove_node(node, removed_by=None)
    compute.target.jobs.filter(pk=job.pk).update(status=JobStatus.COMPLETED, lease_node=None)
    remove_node(node, removed_by=None)
    remove_node(node, removed_by=None)  # twice
    assert not Node.objects.exists()


@pytest.fixture
def world() -> World:
    return make_world()


def address(target: ComputeTarget, rest: str = "") -> str:
    return f"/w/ours/compute/{target.pk}/{rest}"


def test_an_owner_pauses_and_resumes_on_the_page(world: World) -> None:
    client = world.client()
    node = world.node("atlas", target=world.own)
    assert "Drain" in client.get(address(world.own)).content.decode()
    answer = client.post(address(world.own, "intake/"), {"intake": "paused"}, follow=True)
    text = answer.content.decode()
    assert "is paused" in text
    assert "Resume" in text
    client.post(address(world.own, f"nodes/{node.pk}/intake/"), {"intake": "draining"})
    node.refresh_from_db()
    assert node.intake == Intake.DRAINING
    client.post(address(world.own, "intake/"), {"intake": "nonsense"})
    world.own.refresh_from_db()
    assert world.own.intake == Intake.PAUSED


def test_what_is_shared_only_an_administrator_changes(world: World) -> None:
    node = world.node("atlas")
    owner = world.client()
    assert "Drain" not in owner.get(address(world.shared)).content.decode()
    for rest, body in (("intake/", {"intake": "paused"}), (f"nodes/{node.pk}/intake/", {"intake": "paused"})):
        assert owner.post(address(world.shared, rest), body).status_code == 403
    administrator = world.client(Role.READER)
    User.objects.filter(pk=administrator.session["_auth_user_id"]).update(is_superuser=True)
    assert administrator.post(address(world.shared, "intake/"), {"intake": "paused"}).status_code == 302
    world.shared.refresh_from_db()
    assert world.shared.intake == Intake.PAUSED


def test_a_contributor_changes_nothing_and_a_foreign_target_is_not_there(world: World) -> None:
    contributor = world.client(Role.CONTRIBUTOR)
    assert contributor.post(address(world.own, "intake/"), {"intake": "paused"}).status_code == 403
    assert world.client().post(address(world.foreign, "intake/"), {"intake": "paused"}).status_code == 404
    theirs = world.node("theirs", target=world.foreign)
    # A node's number counts below its own target only.
    assert world.client().post(address(world.own, f"nodes/{theirs.pk}/remove/")).status_code == 404


def test_the_api_says_and_changes_it(world: World) -> None:
    client = world.client()
    node = world.node("atlas", target=world.own, cpus=4, memory_bytes=8 * 10**9)
    base = f"/api/workspaces/ours/compute/{world.own.pk}/"
    answer = client.patch(base, {"intake": "draining"}, content_type="application/json")
    assert answer.json()["intake"] == "draining"
    assert answer.json()["slots"] == 2
    answer = client.patch(f"{base}nodes/{node.pk}/", {"intake": "paused"}, content_type="application/json")
    (row,) = answer.json()["nodes"]
    assert row["intake"] == "paused"
    assert row["capacity"] == {"cpus": 4.0, "memory_bytes": 8 * 10**9, "gpus": 0}
    assert client.delete(f"{base}nodes/{node.pk}/").status_code == 409
    assert client.patch(base, {"intake": "asleep"}, content_type="application/json").status_code == 400


def test_the_administration_pauses_and_resumes(world: World) -> None:
    client = Client()
    root = User.objects.create_superuser("root", password="x")
    client.force_login(root, backend="django.contrib.auth.backends.ModelBackend")
    body = {"action": "pause", "_selected_action": [world.shared.pk]}
    client.post("/admin/compute/computetarget/", body)
    world.shared.refresh_from_db()
    assert world.shared.intake == Intake.PAUSED
    assert AuditEvent.objects.get().actor == root
