"""A run that goes beyond a quota is refused, with who set it and how to go on; what is used is counted as steps end."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from compute.models import Attempt, CpuUse, Job, Quota, StorageUse
from compute.services.leases import lose
from compute.services.recount import ask_recount, recount_storage
from compute.services.use import month_of
from compute.states import QuotaScope
from datastores.services.files import delete_path
from pipelines.models import Run
from pipelines.services import submit_run
from studio.lib.problems import UserError
from studio.workspaces.access import Access
from studio.workspaces.models import Role, User
from tests.service.pipelines.world import World

pytestmark = pytest.mark.django_db
SOURCE_BYTES = 9  # of the world's own


@pytest.fixture
def world() -> World:
    return World.make()


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", first_name="Grace", last_name="Hopper", password="x")


def cpu_seconds() -> float:
    return sum(CpuUse.objects.values_list("cpu_seconds", flat=True))


def stored(world: World) -> int:
    return sum(StorageUse.objects.filter(workspace=world.workspace).values_list("size_bytes", flat=True))


def test_a_run_with_more_steps_than_may_wait_is_refused(world: World, root: User) -> None:
    Quota.objects.create(workspace=world.workspace, queued_steps=3, set_by=root)
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"))
    world.submit(pipeline)
    with pytest.raises(UserError) as refused:
        world.submit(pipeline)
    assert str(refused.value).startswith(
        "This workspace may have 3 steps waiting: 2 wait now, and this run has 2. "
        "Wait until some of them have begun, or cancel a run. The limit was set by Grace Hopper on "
    )
    assert Run.objects.count() == 1
    world.claim()  # one of them has begun
    world.submit(pipeline)


def test_a_person_is_held_to_what_holds_for_each(world: World, root: User) -> None:
    Quota.objects.create(workspace=world.workspace, scope=QuotaScope.EACH, queued_steps=1, set_by=root)
    pipeline = world.pipeline(world.step("a"))
    world.submit(pipeline)
    with pytest.raises(UserError, match="You may have 1 step waiting"):
        world.submit(pipeline)
    ada = world.member("ada", Role.CONTRIBUTOR)
    submit_run(Access(ada, world.workspace, Role.CONTRIBUTOR), pipeline)


def test_no_waiting_helps_a_run_that_is_larger_than_the_quota(world: World, root: User) -> None:
    quota = Quota.objects.create(workspace=world.workspace, queued_steps=2, set_by=root)
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"), world.step("c", "b"))
    with pytest.raises(UserError) as refused:
        world.submit(pipeline)
    assert str(refused.value).startswith(
        "This workspace may have 2 steps waiting, and this run alone has 3. The limit was set by Grace Hopper on "
    )
    Quota.objects.filter(pk=quota.pk).update(queued_steps=None, cpu_hours=0)
    CpuUse.objects.create(
        workspace=world.workspace, month=month_of(timezone.now()), person=world.owner.pk, cpu_seconds=1
    )
    with pytest.raises(UserError, match="may use 0 CPU hours") as refused:
        world.submit(pipeline)
    assert "Submit again" not in str(refused.value)


def test_cpu_hours_are_those_of_the_month(world: World) -> None:
    Quota.objects.create(workspace=world.workspace, cpu_hours=2)
    pipeline = world.pipeline(world.step("a"))
    this_month = month_of(timezone.now())
    last_month = month_of(this_month_start() - timedelta(days=1))
    owner = world.owner.pk
    CpuUse.objects.create(workspace=world.workspace, month=last_month, person=owner, cpu_seconds=10**6)
    CpuUse.objects.create(workspace=world.workspace, month=this_month, person=owner, cpu_seconds=7199)
    world.submit(pipeline)
    CpuUse.objects.filter(month=this_month).update(cpu_seconds=7200)
    with pytest.raises(UserError, match=r"may use 2 CPU hours in a month, and 2\.0 are used in .*an administrator"):
        world.submit(pipeline)


def this_month_start() -> object:
    return timezone.now().replace(day=1, hour=0, minute=0)


def test_storage_is_refused_beyond_the_limit_and_a_deletion_makes_room(world: World) -> None:
    Quota.objects.create(workspace=world.workspace, storage_bytes=5 + SOURCE_BYTES)
    pipeline = world.pipeline(world.step("a", allow_reuse=False))
    run = world.submit(pipeline)
    world.drain()
    assert stored(world) == 5
    with pytest.raises(UserError, match="Delete outputs and files that nobody needs"):
        world.submit(pipeline)
    delete_path(world.datastore, path=f"runs/{run.pk}", actor=world.owner)
    assert recount_storage(world.workspace.pk)
    assert stored(world) == 0
    world.submit(pipeline)


def test_a_recount_keeps_what_is_there_and_counts_nothing_twice(world: World) -> None:
    pipeline = world.pipeline(world.step("a"))
    world.submit(pipeline)
    world.drain()
    world.submit(pipeline)  # reused: nothing more is stored
    assert world.drain() == []
    assert stored(world) == 5
    ask_recount(world.workspace.pk)
    assert recount_storage(world.workspace.pk)
    assert stored(world) == 5


def test_an_attempt_counts_with_the_cpus_it_asked_for_however_it_ends(world: World) -> None:
    pipeline = world.pipeline(world.step("a", resources={"cpus": 2}, retry={"max_attempts": 2}))
    world.node.cpus = 4
    world.node.save()
    world.submit(pipeline)

    def begun_an_hour_ago() -> object:
        lease = world.claim()
        hour_ago = lease.claimed_at - timedelta(hours=1)
        Attempt.objects.filter(pk=lease.attempt_id).update(claimed_at=hour_ago)
        object.__setattr__(lease, "claimed_at", hour_ago)
        return lease

    assert world.fail(begun_an_hour_ago())
    assert cpu_seconds() == pytest.approx(7200, abs=60)
    begun_an_hour_ago()
    assert lose(Job.objects.get(), "it was pulled out of the wall")
    assert cpu_seconds() == pytest.approx(14400, abs=60)
    lease = begun_an_hour_ago()
    assert world.complete(lease)
    assert not world.complete(lease), "a late finisher is told that it lost, and counts for nothing"
    assert cpu_seconds() == pytest.approx(21600, abs=60)
    assert CpuUse.objects.get().person == world.owner.pk


def test_owners_see_everybody_beside_the_limits_and_others_themselves(world: World, root: User) -> None:
    ada = world.member("ada", Role.CONTRIBUTOR)
    Quota.objects.create(workspace=world.workspace, running_steps=4, set_by=root)
    Quota.objects.create(workspace=world.workspace, scope=QuotaScope.PERSON, person=ada, cpu_hours=10, set_by=root)
    pipeline = world.pipeline(world.step("a"))
    world.submit(pipeline)
    world.claim()
    rows = _api(world, world.owner)
    assert [row["person"] for row in rows] == [None, "ada", world.owner.username]
    assert rows[0]["uses"][0] == {"name": "running_steps", "used": 1.0, "limit": 4}
    assert [row["person"] for row in _api(world, ada)] == [None, "ada"]
    text = _client(ada).get(f"/w/{world.workspace.slug}/compute/quotas/").content.decode()
    assert "1 / 4" in text
    assert "Grace Hopper" in text
    assert world.owner.username not in text.replace(f"/w/{world.workspace.slug}", "")


def test_the_page_costs_the_same_with_many_people(world: World, django_assert_max_num_queries: object) -> None:
    client = _client(world.owner)
    page = f"/w/{world.workspace.slug}/compute/quotas/"
    for number in range(12):
        world.member(f"p{number}", Role.READER)
    with django_assert_max_num_queries(16):
        assert client.get(page).status_code == 200


def test_the_administration_sets_quotas_and_refuses_one_without_its_person(world: World, root: User) -> None:
    client = _client(root)
    body = {"workspace": world.workspace.pk, "scope": "person", "running_steps": 3}
    answer = client.post("/admin/compute/quota/add/", body)
    assert "Choose the person whom it holds for." in answer.content.decode()
    assert client.post("/admin/compute/quota/add/", body | {"person": world.owner.pk}).status_code == 302
    quota = Quota.objects.get()
    assert (quota.set_by, quota.running_steps, quota.person) == (root, 3, world.owner)
    whole = {"workspace": world.workspace.pk, "scope": "workspace", "running_steps": 3}
    assert client.post("/admin/compute/quota/add/", whole).status_code == 302
    again = client.post("/admin/compute/quota/add/", whole)
    assert "There is a quota for that in this workspace already: change that one." in again.content.decode()


def test_a_priority_goes_as_far_as_the_role_allows(world: World) -> None:
    pipeline = world.pipeline(world.step("a"))
    ada = Access(world.member("ada", Role.CONTRIBUTOR), world.workspace, Role.CONTRIBUTOR)
    with pytest.raises(UserError) as refused:
        submit_run(ada, pipeline, priority=11)
    (problem,) = refused.value.problems
    assert problem.loc == ("priority",)
    assert problem.message == "Give a priority from -100 to 10. An owner of the workspace can go up to 100."
    submit_run(ada, pipeline, priority=10)
    with pytest.raises(UserError, match="from -100 to 100"):
        world.submit(pipeline, priority=101)
    run = world.submit(pipeline, priority=100)
    assert Job.objects.latest("pk").priority == 100
    lease = world.claim()
    assert lease.title.endswith(f"run {run.pk}"), "it goes first although it came last"
    assert _client(world.owner).get(f"/api/workspaces/{world.workspace.slug}/runs/{run.pk}/").json()["priority"] == 100


def _client(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def _api(world: World, user: User) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = (
        _client(user).get(f"/api/workspaces/{world.workspace.slug}/quotas/").json()["results"]
    )
    return rows
