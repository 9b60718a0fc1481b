"""With the real scheduler and control worker: deletions are given back, and an upgrade is counted by itself."""

import io
from collections.abc import Callable

import pytest
from django.utils import timezone

from compute.models import StorageCount
from compute.queueing import NOBODY
from compute.services.quotas import storage_used
from datastores.backends import get_backend
from datastores.services import Upload, delete_path, upload_files
from tests.service.pipelines.world import World
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_deleted_is_given_back_and_what_was_there_before_is_found(
    world: World, worker_stack: Callable[..., Stack]
) -> None:
    stack = worker_stack()
    stack.control()
    owner, before = world.owner.pk, storage_used(world.workspace.pk)
    files = [Upload(name, io.BytesIO(b"x" * 50)) for name in ("a", "b")]
    upload_files(world.datastore, folder="", files=files, actor=world.owner)
    assert storage_used(world.workspace.pk) == {**before, owner: 100}
    delete_path(world.datastore, path="a", actor=world.owner)
    wait_for(lambda: storage_used(world.workspace.pk).get(owner) == 50, what="the deletion is counted")

    get_backend(world.datastore).write("from/before", io.BytesIO(b"x" * 7))
    wait_for(lambda: StorageCount.objects.get().asked_at is None, what="the count ends")
    StorageCount.objects.update(asked_at=timezone.now(), searches=True)  # as the migration leaves it: nobody rings
    stack.scheduler()
    expected = {NOBODY: before[NOBODY] + 7, owner: 50}
    wait_for(lambda: storage_used(world.workspace.pk) == expected, what="the sweep has it counted")
