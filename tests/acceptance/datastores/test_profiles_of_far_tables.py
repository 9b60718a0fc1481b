"""Profiles of tables that lie elsewhere: files of an S3 server, and the rows of a query."""

import secrets
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from datastores.backends import get_backend, store_class
from datastores.models import Dataset, DatasetVersion, Datastore, Profile
from datastores.services.profiles import request_profile
from datastores.sources import Column, DataPath, DelimitedFormat, FilesSource, QuerySource, TabularDefinition
from studio.lib.secrets import Sealed
from studio.workspaces.models import User, Workspace
from studio.workspaces.services import create_workspace
from tests.support.servers.postgresql import PostgreSql
from tests.support.servers.s3 import S3Server
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("loopback_admitted")]

COLUMNS = [Column(name="id", type="integer"), Column(name="city", type="string"), Column(name="score", type="number")]
CITIES = ("Bonn", "Kiel", "")
ROWS = [(number, CITIES[number % 3], number / 4) for number in range(999)]


@pytest.fixture
def workspace(worker_stack: Callable[..., Stack]) -> Workspace:
    return create_workspace(name="Data", slug="data", owner=User.objects.create_user("olga"))


def _store(workspace: Workspace, kind: str, config: dict[str, Any], given: dict[str, str]) -> Datastore:
    checked = store_class(kind).Config.model_validate(config)
    return Datastore.objects.create(
        workspace=workspace,
        name=kind,
        kind=kind,
        config=checked.model_dump(mode="json"),
        credentials=Sealed.seal(given),
    )


def _version(workspace: Workspace, source: FilesSource | QuerySource) -> DatasetVersion:
    dataset = Dataset.objects.create(workspace=workspace, name="far")
    definition = TabularDefinition(source=source, columns=COLUMNS)
    return DatasetVersion.objects.create(dataset=dataset, number=1, definition=definition)


def _profiled(version: DatasetVersion, worker_stack: Callable[..., Stack]) -> Profile:
    worker_stack(STUDIO_PRIVATE_HOSTS="127.0.0.1").data()
    profile, _ = request_profile(version, actor=None)

    def look() -> bool:
        profile.refresh_from_db()
        return profile.finished_at is not None

    wait_for(look, what="the profile ends", timeout_s=90)
    return profile


def _check(profile: Profile) -> None:
    assert profile.status == "completed", profile.reason
    assert profile.result.row_count == len(ROWS)
    found = {column["name"]: column for column in profile.result.columns}
    assert [(name, column["missing"], column["distinct"]) for name, column in found.items()] == [
        ("id", 0, 999),
        ("city", 333, 2),
        ("score", 0, 999),
    ]
    assert {each["value"]: each["count"] for each in found["city"]["top"]} == {"Bonn": 333, "Kiel": 333}
    assert (float(found["score"]["minimum"]), float(found["score"]["maximum"])) == (0.0, 249.5)
    assert float(found["score"]["mean"]) == pytest.approx(124.75)
    assert sum(found["score"]["histogram"]["counts"]) == len(ROWS)


def test_files_of_an_s3_server(workspace: Workspace, s3_server: S3Server, worker_stack: Callable[..., Stack]) -> None:
    config = {**s3_server.config, "bucket": s3_server.make_bucket()}
    store = _store(workspace, "s3", config, s3_server.secrets)
    for part in range(3):
        lines = [f"{number},{city},{score}" for number, city, score in ROWS[part::3]]
        get_backend(store).write(f"t/{part}.csv", BytesIO("\n".join(["id,city,score", *lines, ""]).encode()))
    source = FilesSource(paths=[DataPath(datastore_id=store.pk, path="t/*.csv")], format=DelimitedFormat())
    _check(_profiled(_version(workspace, source), worker_stack))


def test_rows_of_a_query(
    workspace: Workspace, postgresql_server: PostgreSql, worker_stack: Callable[..., Stack]
) -> None:
    table = f"t_{secrets.token_hex(4)}"
    rows = ", ".join(f"({number}, NULLIF('{city}', ''), {score})" for number, city, score in ROWS)
    server = postgresql_server
    server.run(
        f"CREATE TABLE {table} (id integer, city text, score double precision)",
        f"INSERT INTO {table} VALUES {rows}",
        f"GRANT USAGE ON SCHEMA public TO {server.reader}",  # other tests make the schema anew
        f"GRANT SELECT ON {table} TO {server.reader}",
    )
    try:
        config = {"host": server.host, "port": server.port, "database": server.database, "user": server.reader}
        store = _store(workspace, "postgresql", config, {"password": server.reader_password})
        source = QuerySource(datastore_id=store.pk, query=f"SELECT id, city, score FROM {table}")
        _check(_profiled(_version(workspace, source), worker_stack))
    finally:
        server.run(f"DROP TABLE {table}")
