"""A workspace sees its own targets and those that an administrator shares with it; of the others it knows nothing."""

import pytest
from django.test import Client

from compute import queries
from compute.models import ComputeTarget
from compute.services import create_target
from compute.sharing import clashes_of_sharing, may_change
from pipelines import services
from pipelines.catalogue import bind
from pipelines.validation import parse_definition
from studio.lib.problems import UserError
from studio.workspaces.models import Role, User
from tests.service.compute.pages_world import World as Rooms
from tests.service.compute.pages_world import make_world
from tests.service.pipelines.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def rooms() -> Rooms:
    return make_world()


def seen(rooms: Rooms) -> set[str]:
    return set(queries.targets_of(rooms.ours).values_list("name", flat=True))


def test_a_target_that_is_shared_by_name_is_seen_there_and_nowhere_else(rooms: Rooms) -> None:
    assert seen(rooms) == {"local", "training"}
    rooms.foreign.shared_with.add(rooms.ours)
    assert seen(rooms) == {"local", "training", "secret"}
    # Once, with however many it is shared.
    rooms.shared.shared_with.add(rooms.ours, rooms.theirs)
    assert queries.targets_of(rooms.ours).filter(name="local").count() == 1


def test_a_target_of_the_studio_that_is_shared_with_nobody_is_seen_by_nobody(rooms: Rooms) -> None:
    rooms.shared.shared_with_all = False
    rooms.shared.save()
    assert seen(rooms) == {"training"}
    assert rooms.client().get(f"/w/ours/compute/{rooms.shared.pk}/").status_code == 404


def test_whom_it_is_shared_with_may_use_it_and_not_change_it(rooms: Rooms) -> None:
    rooms.foreign.shared_with.add(rooms.ours)
    client = rooms.client(Role.OWNER)
    text = client.get(f"/w/ours/compute/{rooms.foreign.pk}/").content.decode()
    assert "shared with this workspace" in text
    assert "/delete/" not in text
    for rest in ("edit/", "delete/"):
        assert client.post(f"/w/ours/compute/{rooms.foreign.pk}/{rest}", {"slots": 1}).status_code == 403
    api = f"/api/workspaces/ours/compute/{rooms.foreign.pk}/"
    assert client.get(api).json()["shared"] is True
    assert client.patch(api, {"slots": 9}, content_type="application/json").status_code == 403
    assert client.delete(api).status_code == 403


def test_pipelines_run_on_what_is_shared_with_their_workspace_only() -> None:
    ours, theirs = World.make("ours"), World.make("theirs")
    target = create_target(workspace=theirs.workspace, name="gpus", created_by=None)
    pipeline = ours.pipeline(ours.step("train", compute="gpus"))
    with pytest.raises(UserError, match="no compute target “gpus”"):
        ours.submit(pipeline)
    target.shared_with.add(ours.workspace)
    run = ours.submit(pipeline)
    assert run.steps.get().frozen.compute_id == target.pk
    # The builder's choices follow.
    client = Client()
    client.force_login(ours.owner, backend="django.contrib.auth.backends.ModelBackend")
    page = f"/w/ours/pipelines/{pipeline.pk}/edit/"
    assert "gpus" in client.get(page).content.decode()
    target.shared_with.remove(ours.workspace)
    services.save_version(
        ours.access, pipeline, definition=parse_definition({"steps": []}), base_version=pipeline.latest_version
    )
    assert "gpus" not in client.get(page).content.decode()


def test_a_step_that_becomes_ready_after_the_sharing_ended_fails_with_that_reason() -> None:
    ours, theirs = World.make("ours"), World.make("theirs")
    target = create_target(workspace=theirs.workspace, name="gpus", created_by=None)
    target.shared_with.add(ours.workspace)
    run = ours.submit(ours.pipeline(ours.step("first"), ours.step("second", "first", compute="gpus")))
    target.shared_with.remove(ours.workspace)
    ours.complete(ours.claim())
    assert ours.statuses(run) == {"first": "completed", "second": "failed"}
    assert "no longer shared" in run.steps.get(name="second").reason


def test_the_workspaces_own_target_goes_before_one_that_is_shared_with_it() -> None:
    ours, theirs = World.make("ours"), World.make("theirs")
    shared = create_target(workspace=theirs.workspace, name="gpus", created_by=None)
    own = ComputeTarget.objects.create(workspace=ours.workspace, name="gpus")
    shared.shared_with.add(ours.workspace)
    assert bind(ours.workspace, parse_definition({"steps": []}), {}).computes["gpus"] == own
    assert clashes_of_sharing(shared, with_all=False, chosen=[ours.workspace]) == [
        "Workspace “Ours” sees a target “gpus” already: rename or remove one first."
    ]


def test_only_the_administration_shares(rooms: Rooms) -> None:
    root = User.objects.create_superuser("root", password="x")
    client = Client()
    client.force_login(root, backend="django.contrib.auth.backends.ModelBackend")
    page = f"/admin/compute/computetarget/{rooms.foreign.pk}/change/"
    body = {"name": "secret", "workspace": rooms.theirs.pk, "kind": "local", "slots": 2}
    body |= {f"nodes-{name}": 0 for name in ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS", "MAX_NUM_FORMS")}
    assert client.post(page, body | {"shared_with": [rooms.ours.pk]}).status_code == 302
    assert seen(rooms) == {"local", "training", "secret"}
    answer = client.post(page, body | {"name": "training", "shared_with": [rooms.ours.pk]})
    assert "sees a target “training” already" in answer.content.decode()


def test_an_administrator_may_change_what_is_shared_wherever_they_are_a_member() -> None:
    world = World.make()
    local = ComputeTarget.objects.get(name="local")
    assert not may_change(world.access, local)
    world.owner.is_superuser = True
    assert may_change(world.access, local)
