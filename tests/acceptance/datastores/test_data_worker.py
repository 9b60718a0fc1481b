"""The data worker as a process of its own: what waits is done once, whoever dies meanwhile, and ends when it should."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from pytest_django import Settings

from datastores.models import DatasetVersion, Datastore, Profile
from datastores.services.profiles import cancel_profile, request_profile
from studio.workspaces.models import User
from studio.workspaces.services import create_workspace
from tests.support.stack import Stack, Worker
from tests.support.tables import csv_version
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
LARGE_ROWS = 150_000
PATIENCE_S = 150.0  # a busy machine


@pytest.fixture
def datastore(worker_stack: Callable[..., Stack], settings: Settings, tmp_path: Path) -> Datastore:
    workspace = create_workspace(name="Data", slug="data", owner=User.objects.create_user("olga"))
    return Datastore.objects.get(workspace=workspace, is_default=True)


@pytest.fixture
def small(datastore: Datastore) -> DatasetVersion:
    return csv_version(datastore, "small", "a,b\n1,x\n2,y\n2,\n", {"a": "integer", "b": "string"})


@pytest.fixture
def large(datastore: Datastore) -> DatasetVersion:
    """Some seconds of work."""
    line = ",".join(str(number * 37 % 1009) for number in range(60))
    names = [f"c{number}" for number in range(60)]
    content = ",".join(names) + "\n" + f"{line}\n" * LARGE_ROWS
    return csv_version(datastore, "large", content, dict.fromkeys(names, "integer"))


def ended(profile: Profile) -> Profile | None:
    profile.refresh_from_db()
    return profile if profile.finished_at else None


def wait_until_ended(profile: Profile) -> Profile:
    found = wait_for(lambda: ended(profile), what="the profile ends", timeout_s=PATIENCE_S)
    assert found is not None
    return found


def readers_of(worker: Worker) -> list[psutil.Process]:
    """The processes that read data for it: not the one that they are forked from, nor one that waits for a call."""
    found = []
    for process in psutil.Process(worker.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            # Who reads is the first to go where memory ends.
            is_at_work = int(Path(f"/proc/{process.pid}/oom_score_adj").read_text()) == 1000
            if is_at_work and process.ppid() != worker.pid and _lives(process):
                found.append(process)
    return found


def wait_until_read(profile: Profile, worker: Worker) -> None:
    """A profile is running from the moment that it is taken; its reader is forked a little later."""
    wait_for(lambda: readers_of(worker), what="the reader is there", timeout_s=PATIENCE_S)
    profile.refresh_from_db()
    assert profile.status == "running", profile.reason


def test_what_is_asked_for_is_listed_and_profiled(
    small: DatasetVersion, worker_stack: Callable[..., Stack], settings: Settings
) -> None:
    stack = worker_stack()
    stack.data()
    profile, _ = request_profile(small, actor=None)
    done = wait_until_ended(profile)
    assert done.status == "completed", done.reason
    assert done.result.row_count == 3
    assert [(column["name"], column["missing"], column["distinct"]) for column in done.result.columns] == [
        ("a", 0, 2),
        ("b", 1, 2),
    ]
    wait_for(lambda: DatasetVersion.objects.get(pk=small.pk).listed_at, what="the version is listed")
    assert not list((settings.STUDIO_HOME / "tmp" / "profiles").iterdir())


def test_a_worker_that_is_killed_in_the_middle_costs_an_attempt_and_nothing_else(
    large: DatasetVersion, worker_stack: Callable[..., Stack]
) -> None:
    stack = worker_stack(STUDIO_DATA_LEASE_S="8", STUDIO_SWEEP_INTERVAL_S="0.4")
    first = stack.data()
    profile, _ = request_profile(large, actor=None)
    wait_until_read(profile, first)
    family = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    wait_for(lambda: not any(_lives(each) for each in family), what="its readers end with it")
    stack.control()
    stack.scheduler()
    stack.data()
    done = wait_until_ended(profile)
    assert (done.status, done.attempts) == ("completed", 2), done.reason
    assert done.result.row_count == LARGE_ROWS
    assert Profile.objects.count() == 1


def test_a_wish_to_end_it_is_heard_within_seconds_and_its_reader_goes(
    large: DatasetVersion, worker_stack: Callable[..., Stack]
) -> None:
    worker = worker_stack().data()
    profile, _ = request_profile(large, actor=None)
    wait_until_read(profile, worker)
    cancel_profile(profile, actor=None)
    wait_until_ended(profile)
    # A wish that nobody heard would have left it to be completed.
    assert (profile.status, profile.reason) == ("cancelled", "Cancelled.")
    # The one that forks readers stays; what it forked for this is gone.
    wait_for(lambda: not readers_of(worker), what="the reader ends", timeout_s=PATIENCE_S)


def test_a_stop_takes_seconds_and_hands_the_work_back(
    large: DatasetVersion, worker_stack: Callable[..., Stack]
) -> None:
    worker = worker_stack().data()
    profile, _ = request_profile(large, actor=None)
    wait_until_read(profile, worker)
    worker.process.terminate()
    worker.process.wait(timeout=PATIENCE_S)
    profile.refresh_from_db()
    # One that waited for its work would have completed it.
    assert (profile.status, profile.attempts, profile.token) == ("queued", 0, None)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
