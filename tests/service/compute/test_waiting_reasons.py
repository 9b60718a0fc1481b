"""The queue's order and the reason of each job, as pages and API say them: in few queries, and nobody else's names."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compute import queries
from compute.models import Quota
from compute.services import pool_nodes, set_target_intake
from compute.services.leases import claim
from compute.states import Intake
from compute.waiting_queries import COUNTED, in_line, reasons
from studio.workspaces.models import Workspace
from tests.support.compute import Compute, completed
from tests.support.pools import Pool

pytestmark = pytest.mark.django_db


def test_the_line_is_the_order_in_which_jobs_are_claimed() -> None:
    compute = Compute()
    ada, bob, eve = (compute.person(name) for name in ("ada", "bob", "eve"))
    for person, count in ((ada, 4), (bob, 2), (eve, 3)):
        for _ in range(count):
            compute.job(requested_by_id=person.pk)
    for _ in range(2):
        compute.job(requested_by_id=bob.pk, priority=1)
    compute.job()
    node = compute.node()
    claim(node)
    claim(node)
    expected = list(in_line(compute.target.pk).values_list("pk", flat=True))
    claimed = []
    while (lease := claim(node)) is not None:
        claimed.append(lease.job_id)
    assert claimed == expected


def test_each_job_has_its_reason() -> None:
    compute = Compute()
    ada = compute.person("ada")
    compute.node("a", cpus=4, gpus=["0", "1"])
    node = compute.node("b", cpus=1, slots=1)
    first = compute.job(cpus=1, requested_by_id=ada.pk)
    claim(node)
    jobs = [
        compute.job(requested_by_id=ada.pk),
        compute.job(requested_by_id=ada.pk, gpus=3),
        compute.job(requested_by_id=ada.pk),
    ]
    told = reasons(compute.workspace, [first.pk, *(job.pk for job in jobs)])
    assert [told.get(job.pk) for job in (first, *jobs)] == [
        None,
        "Starts in a moment",
        "No node that lives has 3 GPUs: the largest has 2 GPUs",
        "3rd in line: 2 of ada's steps before it",
    ]
    Quota.objects.create(workspace=compute.workspace, running_steps=1)
    assert reasons(compute.workspace, [jobs[0].pk]) == {
        jobs[0].pk: "Your workspace runs 1 step: a quota allows 1 at once"
    }
    set_target_intake(compute.target, Intake.PAUSED, changed_by=None)
    assert "is paused" in reasons(compute.workspace, [jobs[0].pk])[jobs[0].pk]


def test_a_pool_without_nodes_says_whether_it_starts_one() -> None:
    pool = Pool()
    job, large = pool.job(), pool.job(cpus=64)

    def told() -> list[str]:
        return [reasons(pool.workspace, [each.pk])[each.pk] for each in (job, large)]

    assert told() == ["Its pool starts a node in a moment"] * 2
    pool_nodes.note_event(pool.target.pk, "Its host refuses the connection.", is_problem=True)
    assert told() == ["Its pool could not start a node: the pool's page says why"] * 2
    pool_nodes.add_pool_node(pool.target, provider="processes")
    assert told() == ["Waits for a node: its pool is starting one"] * 2
    pool.node("gone", cpus=2, heard_of=False)
    assert told() == [
        "Waits for a node: its pool is starting one",
        "No node of this pool has 64 CPUs: the largest has 2 CPUs",
    ]


def test_other_workspaces_steps_are_counted_and_not_named() -> None:
    compute, other = Compute(), Compute()
    compute.node()
    eve, ada = other.person("eve"), compute.person("ada")
    other.target = compute.target
    for _ in range(2):
        other.job(requested_by_id=eve.pk, priority=1)
    job = compute.job(requested_by_id=ada.pk)
    assert reasons(compute.workspace, [job.pk]) == {job.pk: "3rd in line: 2 of other workspaces' steps before it"}
    assert reasons(other.workspace, [job.pk]) == {}
    (theirs, _, own) = queries.queue(compute.target, compute.workspace).jobs
    assert (theirs.waits_for, theirs.requested_by) == ("", "")
    assert (own.requested_by, own.position) == ("ada", 3)


def test_whoever_stands_far_back_is_told_that_much(monkeypatch: pytest.MonkeyPatch) -> None:
    assert COUNTED >= 500
    monkeypatch.setattr("compute.waiting_queries.COUNTED", 2)
    compute = Compute()
    compute.node()
    jobs = [compute.job() for _ in range(4)]
    assert reasons(compute.workspace, [jobs[3].pk]) == {jobs[3].pk: "Many steps go before it"}


def test_a_queue_of_many_jobs_and_nodes_costs_as_many_queries_as_a_short_one() -> None:
    compute = Compute()
    Quota.objects.create(workspace=compute.workspace, running_steps=100)

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            page = queries.queue(compute.target, compute.workspace)
            assert all(job.waits_for for job in page.jobs)
        return len(captured)

    def more(name: str) -> None:
        node = compute.node(name, cpus=8)
        person = compute.person(name)
        for _ in range(12):
            compute.job(cpus=1, requested_by_id=person.pk)
        completed(claim(node))

    more("one")
    before = cost()
    more("two")
    assert cost() == before
    assert before <= 10


def test_the_page_and_the_api_say_it() -> None:
    from tests.service.compute.pages_world import make_world

    world = make_world()
    world.node("atlas", target=world.own)
    world.job("big step", target=world.own, cpus=64)
    client = world.client()
    text = client.get(f"/w/ours/compute/{world.own.pk}/").content.decode()
    assert "No node that lives has 64 CPUs" in text
    assert "for 64 CPUs" in text
    answer = client.get(f"/api/workspaces/ours/compute/{world.own.pk}/queue/").json()
    assert answer["length"] == 1
    assert answer["jobs"][0]["waits_for"].startswith("No node that lives has 64 CPUs")
    assert Workspace.objects.count() == 2
