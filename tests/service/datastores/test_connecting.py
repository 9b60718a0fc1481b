"""Stores with secrets: registered, tried, changed, and never read back. Against a real S3 server."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from datastores.backends import Store, get_backend, store_classes
from datastores.kinds import fields_of
from datastores.models import Datastore
from datastores.services import change_datastore, make_default, register_datastore, try_connection, try_datastore
from studio.lib.problems import UserError
from studio.workspaces.models import AuditEvent, User, Workspace
from tests.support.servers.s3 import S3Server

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback_admitted")]


@pytest.fixture
def bucket(s3_server: S3Server) -> dict[str, Any]:
    return {**s3_server.config, "bucket": s3_server.make_bucket()}


@pytest.fixture
def remote(workspace: Workspace, owner: User, s3_server: S3Server, bucket: dict[str, Any]) -> Datastore:
    return register_datastore(
        workspace, kind="s3", name="remote", config=bucket, credentials=s3_server.secrets, actor=owner
    )


def locs(caught: "pytest.ExceptionInfo[UserError]") -> set[tuple[str | int, ...]]:
    return {problem.loc for problem in caught.value.problems}


def test_credentials_are_sealed_and_work(remote: Datastore, s3_server: S3Server) -> None:
    from io import BytesIO

    stored = Datastore.objects.get(pk=remote.pk)
    assert stored.credentials is not None
    for secret in s3_server.secrets.values():
        assert secret not in stored.credentials.token
        assert secret not in str(stored.config)
        assert not AuditEvent.objects.filter(target__contains=secret).exists()
    get_backend(stored).write("a.txt", BytesIO(b"there"))
    assert [entry.name for entry in get_backend(stored).list().entries] == ["a.txt"]


def test_a_connection_is_tried_and_nothing_is_kept(
    workspace: Workspace, owner: User, s3_server: S3Server, bucket: dict[str, Any]
) -> None:
    before = Datastore.everything.count()
    tried = try_connection(workspace, kind="s3", config=bucket, credentials=s3_server.secrets, actor=owner)
    assert tried.can_write
    assert bucket["bucket"] in tried.location
    assert Datastore.everything.count() == before


@pytest.mark.parametrize(
    ("config", "secrets", "part"),
    [
        ({"bucket": "no-such-bucket-here"}, {}, "config"),
        ({"endpoint": "http://127.0.0.1:9"}, {}, "config"),
        ({"bucket": "not a name"}, {}, "config"),
        ({}, {"secret_key": "wrong-secret-key"}, "credentials"),
        ({}, {"secret_key": ""}, "credentials"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    workspace: Workspace,
    owner: User,
    s3_server: S3Server,
    bucket: dict[str, Any],
    *,
    config: dict[str, str],
    secrets: dict[str, str],
    part: str,
) -> None:
    with pytest.raises(UserError) as caught:
        try_connection(
            workspace,
            kind="s3",
            config={**bucket, **config},
            credentials={**s3_server.secrets, **secrets},
            actor=owner,
        )
    assert {loc[0] for loc in locs(caught)} == {part}
    assert "wrong-secret-key" not in str(caught.value)


def test_a_server_that_says_nothing_is_given_up_on(workspace: Workspace, owner: User, bucket: dict[str, Any]) -> None:
    import socket
    import time

    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = {**bucket, "endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        started = time.monotonic()
        with pytest.raises(UserError):
            try_connection(
                workspace,
                kind="s3",
                config=config,
                credentials={"access_key": "a" * 20, "secret_key": "b" * 40},
                actor=owner,
            )
        assert time.monotonic() - started < 12


def test_a_server_that_refuses_is_told_to_the_one_who_asks_and_is_no_error_in_the_log(
    bucket: dict[str, Any],
    *,
    owner: User,
    s3_server: S3Server,
    signed_in: Callable[[User], Client],
    workspace: Workspace,
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = {"kind": "s3", "config": {**bucket, "endpoint": "http://127.0.0.1:1"}, "credentials": s3_server.secrets}
    path = f"/api/workspaces/{workspace.slug}/datastores/test/"
    answer = signed_in(owner).post(path, body, content_type="application/json")
    assert answer.status_code == 502
    assert "refuses the connection" in answer.json()["detail"]
    assert "django.request" not in {record.name for record in caplog.records}


def test_who_may_mend_a_datastore_that_cannot_be_opened_is_led_to_its_settings(
    remote: Datastore,
    bucket: dict[str, Any],
    *,
    owner: User,
    contributor: User,
    s3_server: S3Server,
    signed_in: Callable[[User], Client],
) -> None:
    s3_server.remove_bucket(bucket["bucket"])
    settings = f"/w/digits/datastores/{remote.pk}/edit/"
    for person, is_led in ((owner, True), (contributor, False)):
        answer = signed_in(person).get(f"/w/digits/datastores/{remote.pk}/")
        body = answer.content.decode()
        assert answer.status_code == 400
        assert "There is no bucket" in body
        assert "Try again" in body
        assert (settings in body) is is_led


@pytest.mark.parametrize("store", [store for store in store_classes() if "auth" in store.Config.model_fields])
def test_how_one_signs_in_is_asked_before_what_one_signs_in_with(store: type[Store]) -> None:
    fields = fields_of(store)
    asked = [field.name for field in fields].index("auth")
    assert asked < min(place for place, field in enumerate(fields) if field.part == "credentials")


def test_an_empty_secret_stays_and_a_new_one_replaces(remote: Datastore, owner: User, s3_server: S3Server) -> None:
    change_datastore(remote, credentials={"access_key": "", "secret_key": ""}, actor=owner)
    try_datastore(Datastore.objects.get(pk=remote.pk), actor=owner)
    change_datastore(remote, credentials={"secret_key": "another-secret-key"}, actor=owner)
    with pytest.raises(UserError):
        try_datastore(Datastore.objects.get(pk=remote.pk), actor=owner)
    try_datastore(
        Datastore.objects.get(pk=remote.pk), credentials={"secret_key": s3_server.secrets["secret_key"]}, actor=owner
    )
    assert AuditEvent.objects.filter(verb="datastore.change").get().target == "remote: secret_key"


def test_another_way_to_sign_in_forgets_the_secrets_of_the_first(remote: Datastore, owner: User) -> None:
    change_datastore(remote, config={"auth": "anonymous"}, actor=owner)
    assert Datastore.objects.get(pk=remote.pk).credentials is None


def test_kept_secrets_are_not_sent_to_another_server(remote: Datastore, owner: User) -> None:
    with pytest.raises(UserError, match="given for another address") as caught:
        change_datastore(remote, config={"endpoint": "http://127.0.0.1:9"}, same_data=True, actor=owner)
    assert locs(caught) == {("credentials", "access_key"), ("credentials", "secret_key")}
    with pytest.raises(UserError, match="given for another address"):
        try_datastore(remote, config={"endpoint": "http://127.0.0.1:9"}, actor=owner)


def test_a_datastore_does_not_lead_elsewhere_without_a_word(
    remote: Datastore, owner: User, s3_server: S3Server
) -> None:
    other = s3_server.make_bucket()
    with pytest.raises(UserError, match="would lead to") as caught:
        change_datastore(remote, config={"bucket": other}, actor=owner)
    assert locs(caught) == {("same_data",)}
    change_datastore(remote, config={"bucket": other}, same_data=True, actor=owner)
    assert Datastore.objects.get(pk=remote.pk).config["bucket"] == other
    change_datastore(remote, config={"region": "eu-west-1"}, actor=owner)


def test_an_s3_store_becomes_the_default(remote: Datastore, owner: User) -> None:
    make_default(remote, actor=owner)
    assert Datastore.objects.get(workspace=remote.workspace, is_default=True) == remote


def test_the_form_shows_no_secret_again(
    workspace: Workspace,
    owner: User,
    s3_server: S3Server,
    bucket: dict[str, Any],
    signed_in: Callable[[User], Client],
) -> None:
    client = signed_in(owner)
    fields = {f"config_{name}": value for name, value in bucket.items()}
    fields |= {f"credentials_{name}": value for name, value in s3_server.secrets.items()}
    if bucket.get("path_style"):
        fields["config_path_style"] = "on"
    refused = client.post("/w/digits/datastores/new/", {"kind": "s3", "name": "no spaces", **fields})
    assert refused.status_code == 400
    assert "password" in refused.content.decode()
    for secret in s3_server.secrets.values():
        assert secret not in refused.content.decode()
    made = client.post("/w/digits/datastores/new/", {"kind": "s3", "name": "remote", **fields})
    assert made.status_code == 302
    remote = Datastore.objects.get(name="remote")
    edit = client.get(f"/w/digits/datastores/{remote.pk}/edit/").content.decode()
    assert "Kept as it is" in edit
    answers = [edit, client.get(f"/api/workspaces/digits/datastores/{remote.pk}/").content.decode()]
    for secret in s3_server.secrets.values():
        assert all(secret not in answer for answer in answers)
    # The form as it stands, secrets empty: nothing changes but the words.
    fields = {name: value for name, value in fields.items() if name.startswith("config_")}
    saved = client.post(f"/w/digits/datastores/{remote.pk}/edit/", {"description": "ours", **fields})
    assert saved.status_code == 302
    try_datastore(Datastore.objects.get(pk=remote.pk), actor=owner)
    fields["config_bucket"] = s3_server.make_bucket()
    asked = client.post(f"/w/digits/datastores/{remote.pk}/edit/", fields)
    assert asked.status_code == 400
    assert 'name="same_data"' in asked.content.decode()


def test_over_the_api(
    remote: Datastore,
    *,
    owner: User,
    contributor: User,
    s3_server: S3Server,
    bucket: dict[str, Any],
    signed_in: Callable[[User], Client],
) -> None:
    base = "/api/workspaces/digits/datastores/"
    body = {"kind": "s3", "config": bucket, "credentials": s3_server.secrets}
    client = signed_in(owner)
    tried = client.post(f"{base}test/", body, content_type="application/json")
    assert tried.status_code == 200
    assert "It can be read and written." in tried.json()["message"]
    assert client.post(f"{base}{remote.pk}/test/", {}, content_type="application/json").status_code == 200
    made = client.post(base, {**body, "name": "second"}, content_type="application/json")
    assert made.status_code == 201
    shown = client.get(f"{base}{remote.pk}/").json()
    assert shown["credentials"] == ["access_key", "secret_key"]
    assert shown["config"]["bucket"] == bucket["bucket"]
    patched = client.patch(f"{base}{remote.pk}/", {"credentials": {"secret_key": ""}}, content_type="application/json")
    assert patched.status_code == 200
    kinds = client.get(f"{base}kinds/").json()["kinds"]
    assert {"local", "s3"} <= {kind["kind"] for kind in kinds}
    other = signed_in(contributor)
    assert "config" not in other.get(f"{base}{remote.pk}/").json()
    assert other.get(f"{base}{remote.pk}/files/").status_code == 200  # uses it, and can't read it out
    for path in ("test/", f"{remote.pk}/test/"):
        assert other.post(f"{base}{path}", body, content_type="application/json").status_code == 403
