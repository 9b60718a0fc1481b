"""The life of a profile: asked for by people, held by one worker at a time, and ended once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from datastores.models import DatasetVersion, Datastore, Profile, ProfileResult
from datastores.services import profiles
from datastores.services.profiles import Held
from datastores.states import TRANSITIONS, WorkStatus
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.models import AuditEvent, User
from tests.support.tables import csv_version

pytestmark = pytest.mark.django_db
RESULT = ProfileResult(row_count=1, columns=[])


@pytest.fixture
def version(datastore: Datastore) -> DatasetVersion:
    return csv_version(datastore, "small", "a\n1\n", {"a": "integer"})


@pytest.fixture
def held(version: DatasetVersion) -> Held:
    profiles.request_profile(version, actor=None)
    return taken()


def taken() -> Held:
    held = profiles.claim()
    assert held is not None
    return held


def row() -> Profile:
    return Profile.objects.get()


def fall_silent(seconds: float = 3600) -> None:
    Profile.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=seconds))


def test_of_two_who_ask_one_begins_it(version: DatasetVersion, owner: User) -> None:
    first, is_new = profiles.request_profile(version, actor=owner)
    second, is_second_new = profiles.request_profile(version, actor=owner)
    assert (first.pk, is_new, is_second_new) == (second.pk, True, False)
    assert AuditEvent.objects.filter(verb="dataset.profile").count() == 1


def test_files_have_no_profile(version: DatasetVersion, datastore: Datastore, owner: User) -> None:
    from datastores.models import DataPath
    from datastores.services import create_dataset

    files = create_dataset(
        datastore.workspace, name="f", paths=[DataPath(datastore_id=datastore.pk, path="small/")], actor=owner
    )
    with pytest.raises(UserError, match="Only a table"):
        profiles.request_profile(files, actor=owner)


def test_one_worker_takes_it(held: Held) -> None:
    assert profiles.claim() is None
    assert (row().status, row().attempts, row().token) == ("running", 1, held.token)


def test_progress_is_kept_within_its_bounds(held: Held) -> None:
    assert profiles.say_progress(held, fraction=1.7, stage="x" * 500)
    assert (row().progress, len(row().stage)) == (1.0, 200)


def test_the_result_is_kept_and_the_one_before_goes(held: Held, version: DatasetVersion) -> None:
    assert profiles.complete(held, RESULT)
    assert (row().status, row().result.row_count, row().token, row().progress) == ("completed", 1, None, 1.0)
    profiles.request_profile(version, actor=None)
    again = taken()
    assert Profile.objects.count() == 2, "until the new one is there, the old one is shown"
    assert profiles.complete(again, RESULT)
    assert Profile.objects.count() == 1


def test_a_failure_says_why_and_it_can_be_asked_for_again(held: Held, version: DatasetVersion) -> None:
    assert profiles.fail(held, "The file broke.")
    assert (row().status, row().reason) == ("failed", "The file broke.")
    assert profiles.request_profile(version, actor=None)[1]


def test_cancelled_in_the_queue_it_ends_at_once(version: DatasetVersion, owner: User) -> None:
    profile, _ = profiles.request_profile(version, actor=owner)
    profiles.cancel_profile(profile, actor=owner)
    assert row().status == "cancelled"
    assert profiles.claim() is None
    assert AuditEvent.objects.filter(verb="dataset.cancel_profile").count() == 1
    with pytest.raises(ConflictError, match="ended already"):
        profiles.cancel_profile(profile, actor=owner)


def test_cancelled_while_it_runs_its_worker_hears_of_it(held: Held, owner: User) -> None:
    assert not profiles.is_cancelled(held)
    profiles.cancel_profile(row(), actor=owner)
    profiles.cancel_profile(row(), actor=owner)  # twice is once
    assert row().status == "running"
    assert profiles.is_cancelled(held)
    assert profiles.end_cancelled(held)
    assert row().status == "cancelled"
    assert AuditEvent.objects.filter(verb="dataset.cancel_profile").count() == 1


def test_a_worker_that_is_stopped_hands_it_back_and_no_attempt_is_lost(held: Held) -> None:
    assert profiles.hand_back(held)
    assert (row().status, row().attempts, row().token) == ("queued", 0, None)
    assert taken().token != held.token


def test_handed_back_and_cancelled_it_does_not_begin_again(held: Held, owner: User) -> None:
    profiles.cancel_profile(row(), actor=owner)
    assert profiles.hand_back(held)
    assert row().status == "cancelled"


def test_a_silent_worker_loses_it_and_speaks_for_it_no_more(held: Held) -> None:
    profiles.lose_silent()
    assert row().status == "running", "it has just been heard of"
    fall_silent()
    profiles.lose_silent()
    assert row().status == "queued"
    again = taken()
    for speak in (
        lambda: profiles.heartbeat(held),
        lambda: profiles.say_progress(held, fraction=0.9, stage="late"),
        lambda: profiles.complete(held, RESULT),
        lambda: profiles.fail(held, "late"),
        lambda: profiles.end_cancelled(held),
        lambda: profiles.hand_back(held),
    ):
        assert not speak()
    assert (row().status, row().attempts, row().token) == ("running", 2, again.token)
    assert profiles.complete(again, RESULT)


def test_it_is_tried_three_times(held: Held) -> None:
    for attempt in (1, 2, 3):
        assert row().attempts == attempt
        fall_silent()
        profiles.lose_silent()
        if attempt < 3:
            taken()
    assert row().status == "failed"
    assert "3 times" in row().reason


def test_silent_and_cancelled_it_ends(held: Held, owner: User) -> None:
    profiles.cancel_profile(row(), actor=owner)
    fall_silent()
    profiles.lose_silent()
    assert row().status == "cancelled"


def test_who_was_silent_and_came_back_in_time_keeps_it(held: Held) -> None:
    fall_silent()
    silent = row()
    assert profiles.heartbeat(held)
    profiles._lose(silent)  # the sweep saw it before the heartbeat
    assert row().status == "running"


@pytest.mark.parametrize("status", [WorkStatus.COMPLETED, WorkStatus.FAILED, WorkStatus.CANCELLED])
def test_what_has_ended_stays_so(held: Held, status: WorkStatus) -> None:
    assert not TRANSITIONS[status]
    Profile.objects.update(status=status)
    assert not profiles.complete(held, RESULT)
    assert not profiles.hand_back(held)
    assert row().status == status
