"""Secrets at rest: nobody sees them by accident, and their keys can be changed while the studio runs."""

import copy
import json
import pickle
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from datastores.models import Datastore
from studio.lib import rotation
from studio.lib.problems import UserError
from studio.lib.rotation import rotate_secrets
from studio.lib.secrets import Sealed, sealed_fields
from studio.workspaces.models import Workspace

SECRET = {"password": "tell-tale-5ecret"}


@pytest.fixture
def workspace(db: None) -> Workspace:
    return Workspace.objects.create(slug="digits", name="digits")


def keys(settings: Settings, newest: str, *older: str) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = newest, list(older)


def stored(workspace: Workspace, name: str, secrets: dict[str, str] = SECRET) -> Datastore:
    return Datastore.objects.create(
        workspace=workspace, name=name, kind="s3", config={"bucket": "b"}, credentials=Sealed.seal(secrets)
    )


def reread(row: Datastore) -> Sealed:
    row.refresh_from_db()
    assert row.credentials is not None
    return row.credentials


def test_what_was_sealed_is_opened_by_any_of_the_keys(settings: Settings) -> None:
    keys(settings, "first")
    sealed = Sealed.seal(SECRET)
    assert sealed.open() == SECRET
    keys(settings, "second", "first")
    assert (sealed.open(), sealed.is_current) == (SECRET, False)
    renewed = sealed.renewed()
    assert renewed.is_current
    keys(settings, "second")
    assert renewed.open() == SECRET
    with pytest.raises(UserError, match="STUDIO_SECRET_KEY no longer holds") as caught:
        sealed.open()
    assert caught.value.__cause__ is None
    assert caught.value.problems[0].loc == ("credentials",)


@pytest.mark.parametrize(
    "spoil", [lambda token: token[:-4] + "AAAA", lambda _: "nonsense", lambda _: "", lambda _: "ü"]
)
def test_what_was_tampered_with_is_not_opened(spoil: Any) -> None:
    with pytest.raises(UserError):
        Sealed(spoil(Sealed.seal(SECRET).token)).open()


def test_two_of_the_same_look_different() -> None:
    assert Sealed.seal(SECRET) != Sealed.seal(SECRET)


def test_it_is_never_shown_or_sent() -> None:
    sealed = Sealed.seal(SECRET)
    for shown in (repr(sealed), str(sealed), f"{sealed}", f"{[sealed]}"):
        assert sealed.token not in shown
        assert SECRET["password"] not in shown
    for send in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not sent anywhere"):
            send(sealed)
    with pytest.raises(TypeError):
        json.dumps(sealed)


def test_the_column_holds_no_plain_text(workspace: Workspace) -> None:
    row = stored(workspace, "store")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM datastores_datastore WHERE id = %s", [row.pk])
        assert SECRET["password"] not in str(cursor.fetchall())
    with pytest.raises(TypeError, match="Seal secrets"):
        Datastore.objects.filter(pk=row.pk).update(credentials=json.dumps(SECRET))


def test_every_column_of_secrets_is_found() -> None:
    assert (Datastore, "credentials") in list(sealed_fields())


def test_all_are_written_anew_with_the_newest_key(
    workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 3)
    keys(settings, "old")
    rows = [stored(workspace, f"store-{number}", {"password": f"secret {number}"}) for number in range(7)]
    Datastore.objects.create(workspace=workspace, name="none", kind="s3", config={})
    keys(settings, "new", "old")
    rows.append(stored(workspace, "young", {"password": "secret 7"}))
    done = rotate_secrets()
    assert (done.renewed, done.current, done.lost) == (7, 1, [])
    keys(settings, "new")
    assert [reread(row).open()["password"] for row in rows] == [f"secret {number}" for number in range(8)]
    again = rotate_secrets()
    assert (again.renewed, again.current) == (0, 8)


def test_a_lost_key_is_named_and_keeps_nothing_else_back(workspace: Workspace, settings: Settings) -> None:
    keys(settings, "lost")
    stored(workspace, "forgotten")
    keys(settings, "old")
    good = stored(workspace, "good")
    keys(settings, "new", "old")
    said = StringIO()
    with pytest.raises(CommandError, match=r"1 can't be opened .* “forgotten”"):
        call_command("rotate_secrets", stdout=said)
    assert said.getvalue() == "1 were written anew, 0 had the newest key already.\n"
    assert reread(good).is_current


def test_what_somebody_enters_meanwhile_stands(
    workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys(settings, "old")
    row = stored(workspace, "store")
    keys(settings, "new", "old")
    renewed = Sealed.renewed

    def slow(sealed: Sealed) -> Sealed:
        Datastore.objects.filter(pk=row.pk).update(credentials=Sealed.seal({"password": "entered meanwhile"}))
        return renewed(sealed)

    monkeypatch.setattr(Sealed, "renewed", slow)
    assert rotate_secrets().renewed == 0
    assert reread(row).open() == {"password": "entered meanwhile"}
