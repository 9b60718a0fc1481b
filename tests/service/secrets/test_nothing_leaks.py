"""A datastore's secret goes to its server, and nowhere else: not to people, logs, errors, or other processes."""

import logging
import logging.config
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.views.debug import ExceptionReporter
from pytest_django import Settings
from rest_framework.test import APIClient

from datastores.backends import open_store
from datastores.models import Datastore
from datastores.sources import Column, QuerySource, TabularDefinition
from datastores.tabular import reading
from studio.lib.problems import UserError
from studio.lib.secrets import Sealed
from studio.workspaces.models import AuditEvent, Membership, Role, User, Workspace
from studio.workspaces.services import create_workspace
from tests.support.servers.mariadb import MariaDb
from tests.support.servers.postgresql import PostgreSql
from tests.support.servers.sshd import SshServer

SECRET = "tell-tale-5ecret"


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path) -> None:
    settings.STUDIO_HOME = tmp_path / "home"
    settings.STUDIO_HOME.mkdir()
    settings.PRIVATE_HOSTS = ["127.0.0.1"]


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user("olga")


@pytest.fixture
def workspace(owner: User) -> Workspace:
    return create_workspace(name="Digits", slug="digits", owner=owner)


@pytest.fixture
def datastore(workspace: Workspace) -> Datastore:
    return Datastore.objects.create(
        workspace=workspace,
        name="shop",
        kind="postgresql",
        config={"host": "127.0.0.1", "port": 1, "database": "shop", "user": "studio"},
        credentials=Sealed.seal({"password": SECRET}),
    )


def sealed_text(datastore: Datastore) -> str:
    assert datastore.credentials is not None
    return datastore.credentials.token


# People.


@pytest.mark.parametrize("role", Role)
def test_the_api_and_the_pages_show_none(workspace: Workspace, datastore: Datastore, role: Role) -> None:
    user = User.objects.create_user(f"user-{role}")
    Membership.objects.create(workspace=workspace, user=user, role=role)
    api, pages = APIClient(), Client()
    api.force_authenticate(user)
    pages.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    for answer in (
        api.get("/api/workspaces/digits/datastores/"),
        api.get(f"/api/workspaces/digits/datastores/{datastore.pk}/"),
        pages.get("/w/digits/datastores/"),
        pages.get(f"/w/digits/datastores/{datastore.pk}/"),
        pages.get(f"/w/digits/datastores/{datastore.pk}/edit/"),
    ):
        said = answer.content.decode()
        assert SECRET not in said
        assert sealed_text(datastore) not in said
        assert answer.status_code in {200, 403, 502}  # nobody answers there


def test_the_admin_shows_none(datastore: Datastore) -> None:
    client = Client()
    admin = get_user_model().objects.create_superuser("root", password="x")
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    for address in ("/admin/datastores/datastore/", f"/admin/datastores/datastore/{datastore.pk}/change/"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert SECRET not in answer.content.decode()
        assert sealed_text(datastore) not in answer.content.decode()


def test_registering_over_rest_writes_it_down_nowhere_else(workspace: Workspace, owner: User) -> None:
    api = APIClient()
    api.force_authenticate(owner)
    wanted = {
        "name": "another",
        "kind": "postgresql",
        "config": {"host": "127.0.0.1", "port": 1, "database": "shop", "user": "studio"},
        "credentials": {"password": SECRET},
    }
    answer = api.post("/api/workspaces/digits/datastores/", wanted, format="json")
    assert SECRET not in answer.content.decode()
    wrong = {**wanted, "credentials": {"password": SECRET, "nonsense": SECRET}, "config": {"password": SECRET}}
    answer = api.post("/api/workspaces/digits/datastores/", wrong, format="json")
    assert answer.status_code == 400
    assert SECRET not in answer.content.decode()
    assert not [event for event in AuditEvent.objects.all() if SECRET in f"{event.verb} {event.target}"]


def test_rows_and_dumps_show_none(datastore: Datastore) -> None:
    assert SECRET not in f"{datastore!r} {datastore} {datastore.credentials!r} {vars(datastore)}"
    dump = StringIO()
    call_command("dumpdata", "datastores.datastore", stdout=dump)
    assert SECRET not in dump.getvalue()
    store = open_store("postgresql", datastore.config, {"password": SECRET})
    assert SECRET not in f"{store!r} {vars(store)}"


# Errors and logs, at their most talkative.


@pytest.fixture
def log() -> Iterator[StringIO]:
    """All that the studio would log if somebody set STUDIO_LOG_LEVEL to DEBUG."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    level = root.level
    logging.config.dictConfig(django_settings.LOGGING)
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def wrong(kind: str, config: dict[str, Any], secrets: dict[str, str]) -> Callable[[], None]:
    return lambda: open_store(kind, config, secrets).test()


def test_wrong_credentials_are_in_no_error_and_in_no_log(
    postgresql_server: PostgreSql,
    mariadb_server: MariaDb,
    sshd_server: SshServer,
    sftp_by_password_server: SshServer,
    log: StringIO,
) -> None:
    password = {"password": SECRET}
    attempts: dict[str, Callable[[], None]] = {
        kind: wrong(kind, {"host": server.host, "port": server.port, "database": "shop", "user": "studio"}, password)
        for kind, server in {"postgresql": postgresql_server, "mysql": mariadb_server}.items()
    }
    for kind in ("postgresql", "mysql"):
        attempts[f"{kind} away"] = wrong(kind, {"host": "127.0.0.1", "port": 1, "database": "d", "user": "u"}, password)
    for name, ssh in {"sftp": sftp_by_password_server, "sshd": sshd_server}.items():
        config = {"host": ssh.host, "port": ssh.port, "user": ssh.user, "host_key": ssh.host_key, "auth": "password"}
        attempts[name] = wrong("sftp", config, password)
    key = sshd_server.private_key.replace("BEGIN", f"BEGIN {SECRET}")
    attempts["key"] = wrong(
        "sftp",
        {"host": sshd_server.host, "port": sshd_server.port, "user": "x", "host_key": sshd_server.host_key},
        {"private_key": key},
    )
    attempts["s3 away"] = wrong(
        "s3",
        {"bucket": "bucket", "endpoint": "http://127.0.0.1:1"},
        {"access_key": "AK", "secret_key": SECRET, "session_token": SECRET},
    )
    for name, attempt in attempts.items():
        with pytest.raises(UserError) as caught:
            attempt()
        assert SECRET not in "".join(traceback.format_exception(caught.value)), name
        request = RequestFactory().post("/", {"credentials_password": SECRET})
        report = ExceptionReporter(request, type(caught.value), caught.value, caught.value.__traceback__)
        assert SECRET not in report.get_traceback_html(), name
        assert SECRET not in report.get_traceback_text(), name
        logging.getLogger("studio").error("it broke", exc_info=caught.value)
    assert "it broke" in log.getvalue()
    assert SECRET not in log.getvalue()


def test_an_error_that_nobody_expected_shows_no_values() -> None:
    def broken(password: str) -> None:
        raise RuntimeError(f"of {len(password)} characters")

    try:
        broken(SECRET)
    except RuntimeError:
        request = RequestFactory().post("/", {"credentials_password": SECRET, "config_key": SECRET})
        report = ExceptionReporter(request, *sys.exc_info())
    for said in (report.get_traceback_html(), report.get_traceback_text()):
        assert "of 16 characters" in said
        assert SECRET not in said


@pytest.mark.parametrize(
    "name", ["botocore", "botocore.auth", "azure.core", "sqlalchemy.engine", "asyncssh", "urllib3"]
)
def test_libraries_log_no_requests(log: StringIO, name: str) -> None:
    logging.getLogger(name).debug("a request with %s", SECRET)
    logging.getLogger(name).info("a request with %s", SECRET)
    assert log.getvalue() == ""


# Other processes.


def test_no_process_carries_it_in_its_arguments_or_environment(
    workspace: Workspace, postgresql_server: PostgreSql
) -> None:
    postgresql_server.run(f"CREATE ROLE teller LOGIN PASSWORD '{SECRET}'")
    datastore = Datastore.objects.create(
        workspace=workspace,
        name="tell",
        kind="postgresql",
        config={"host": "127.0.0.1", "port": postgresql_server.port, "database": "shop", "user": "teller"},
        credentials=Sealed.seal({"password": SECRET}),
    )
    definition = TabularDefinition(
        source=QuerySource(datastore_id=datastore.pk, query="SELECT 1 AS a, pg_sleep(2)::text AS b"),
        columns=[Column(name="a", type="integer"), Column(name="b", type="string")],
    )
    seen: list[bytes] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for process in Path("/proc").glob("[0-9]*"):
                for part in ("cmdline", "environ"):
                    try:
                        seen.append((process / part).read_bytes())
                    except OSError:
                        continue

    looker = threading.Thread(target=look)
    looker.start()
    try:
        preview = reading.preview(definition, workspace_id=workspace.pk, deadline_s=30)
    finally:
        over.set()
        looker.join()
    assert preview.rows == [["1", ""]]
    assert len(seen) > 100
    assert not [part for part in seen if SECRET.encode() in part]
