"""The pages of datasets: lists, forms that keep what was typed, tables and what is derived from them."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from datastores.models import DataPath, Dataset, DatasetVersion, Datastore
from datastores.services import create_dataset, create_table
from datastores.sources import Column, DelimitedFormat, FilesSource, TabularDefinition
from studio.workspaces.models import User, Workspace

pytestmark = pytest.mark.django_db
Put = Callable[..., None]


@pytest.fixture
def client(signed_in: Callable[[User], Client], contributor: User) -> Client:
    return signed_in(contributor)


@pytest.fixture
def table(workspace: Workspace, datastore: Datastore, owner: User, put: Put) -> DatasetVersion:
    put("sales/a.csv", content=b"id,price,<b>at</b>\n1,2.5,2026-01-01\n2,5.5,2026-01-02\n")
    return create_table(workspace, name="sales", definition=definition(datastore), actor=owner)


def definition(datastore: Datastore) -> TabularDefinition:
    names = {"id": "integer", "price": "number", "<b>at</b>": "date"}
    return TabularDefinition(
        source=FilesSource(paths=[DataPath(datastore_id=datastore.pk, path="sales/*.csv")], format=DelimitedFormat()),
        columns=[Column(name=name, type=kind) for name, kind in names.items()],
    )


def page(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(f"/w/digits/datasets/{path}")
    assert answer.status_code == status, path
    return answer.content.decode()


def send(client: Client, path: str, fields: dict[str, object]) -> tuple[int, str]:
    answer = client.post(f"/w/digits/datasets/{path}", fields)
    return answer.status_code, answer.content.decode()


def test_the_list_is_filtered_and_asks_no_more_for_more(
    client: Client,
    workspace: Workspace,
    datastore: Datastore,
    owner: User,
    *,
    table: DatasetVersion,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(60):
        paths = [DataPath(datastore_id=datastore.pk, path=f"f{number}")]
        create_dataset(workspace, name=f"d{number:02}", description=f"<i>{number}</i>", paths=paths, actor=owner)
    with django_assert_max_num_queries(10):
        body = page(client, "")
    assert "d49" in body
    assert "d50" not in body
    assert "&lt;i&gt;7&lt;/i&gt;" in body
    assert "d50" in page(client, "?page=2")
    tables = page(client, "?kind=table")
    assert ">sales</a>" in tables
    assert "d01" not in tables
    assert ">sales</a>" not in page(client, "?kind=file&page=2")
    assert "d33" in page(client, "?q=%3Ci%3E33")
    assert "No dataset fits" in page(client, "?q=nothing&kind=nonsense")


def test_a_table_is_told_in_words(client: Client, table: DatasetVersion, datastore: Datastore) -> None:
    body = page(client, f"{table.dataset_id}/")
    assert "Text separated by comma, with a header, utf-8" in body
    assert "pandas.read_parquet(path)" in body
    rows = page(client, f"{table.dataset_id}/versions/1/preview/")
    assert "&lt;b&gt;at&lt;/b&gt;" in rows
    assert "<b>at</b>" not in rows
    assert "2026-01-02" in rows
    Datastore.objects.filter(pk=datastore.pk).update(removed_at="2026-01-01T00:00Z", is_default=False)
    assert "which was removed" in page(client, f"{table.dataset_id}/")
    assert "has been removed" in page(client, f"{table.dataset_id}/versions/1/preview/")
    assert "has been removed" in page(client, f"{table.dataset_id}/versions/1/files/")
    assert "has been removed" in page(client, f"{table.dataset_id}/versions/1/changes/")
    for query in ("tab=nonsense", "tab=preview&version=2"):
        page(client, f"{table.dataset_id}/?{query}", 404)


def test_what_changed_is_shown_and_made_a_version_of(client: Client, table: DatasetVersion, put: Put) -> None:
    assert "changed since" not in page(client, f"{table.dataset_id}/versions/1/changes/")
    put("sales/<b>.csv", content=b"id,price,<b>at</b>\n3,2.5,2026-01-01\n")
    body = page(client, f"{table.dataset_id}/versions/1/changes/")
    assert "1 file changed since this version was made" in body
    assert "sales/&lt;b&gt;.csv" in body
    status, _ = send(client, f"{table.dataset_id}/versions/1/again/", {})
    assert status == 302
    assert table.dataset.versions.first().file_count == 2
    assert "changed since" not in page(client, f"{table.dataset_id}/versions/2/changes/")


def test_web_addresses_are_checked_and_never_hold_a_password(client: Client) -> None:
    for address, words in {
        "https://user:secret@example.org/a": "Leave the name and password out",
        "ftp://example.org/a": "must begin with https",
        "https:///a": "names no host",
        "https://example.org/a b": "no spaces",
        "https://example.org:port/a": "is no web address",
    }.items():
        status, body = send(client, "new/", {"name": "web", "datastore": ["web"], "path": [address]})
        assert status == 400
        assert words in body
    assert not Dataset.objects.exists()


def test_the_form_of_a_table_finds_out_and_keeps_what_was_typed(
    client: Client, workspace: Workspace, datastore: Datastore, put: Put
) -> None:
    put("in/a.csv", content=b"id;word\n1;one\n2;<i>two</i>\n")
    fields: dict[str, object] = {"where": "files", "datastore": [datastore.pk], "path": ["in/a.csv"]}
    _, found = send(client, "new/table/", fields)
    assert "Found: semicolon" in found
    assert "&lt;i&gt;two&lt;/i&gt;" in found
    chosen = {**fields, "column": ["id", "word"], "column_type": ["string", ""], "partition_format": "{folder}/a.csv"}
    _, again = send(client, "new/table/", chosen)
    assert ">folder<" in again
    wrong = {**chosen, "separator": ",", "column_type": ["date", ""], "name": "bad name", "tags": "stage=raw"}
    status, body = send(client, "new/?kind=table", wrong)
    assert status == 400
    for kept in ('value="in/a.csv"', 'value="{folder}/a.csv"', 'value="bad name"', 'value="stage=raw"'):
        assert kept in body
    status, _ = send(client, "new/?kind=table", {**chosen, "name": "words", "tags": "stage=raw, checked"})
    assert status == 302
    made = Dataset.objects.get(name="words").versions.get()
    assert made.tags.tags == {"stage": "raw", "checked": ""}
    assert {column.name: column.type for column in made.definition.columns} == {
        "id": "string",
        "word": "string",
        "folder": "string",
    }
    form = page(client, f"{made.dataset_id}/versions/new/")
    assert 'value="in/a.csv"' in form
    status, _ = send(client, f"{made.dataset_id}/versions/new/", {**chosen, "description": "again", "tags": ""})
    assert status == 302
    assert made.dataset.versions.count() == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"where": "query", "sql_datastore": "x", "query": "SELECT 1"}, "Choose a SQL datastore"),
        ({"where": "query", "sql_datastore": "1" * 30, "query": "SELECT 1"}, "Choose a SQL datastore"),
        ({"where": "query", "sql_datastore": "1", "query": "SELECT 1", "timeout_s": "long"}, "number of seconds"),
        ({"where": "mltable", "mltable_datastore": "99", "mltable_path": "a"}, "Choose a datastore of this"),
        ({"where": "files", "datastore": ["x"], "path": ["a"]}, "Choose a datastore"),
        ({"where": "files", "datastore": ["web"], "path": ["a"], "format": "excel"}, "Choose one of these"),
        ({"where": "nonsense"}, "Say where the rows are"),
    ],
)
def test_odd_fields_of_a_table_end_in_a_sentence(client: Client, fields: dict[str, object], words: str) -> None:
    status, body = send(client, "new/table/", fields)
    assert status == 200
    assert words in body


def test_steps_are_added_moved_and_saved(client: Client, table: DatasetVersion) -> None:
    base = f"{table.dataset_id}/versions/1/derive/"
    assert "No step yet" in page(client, base)
    _, body = send(client, f"{base}part/", {"do": "add:filter"})
    assert "step-0-operator" in body
    assert "There is no column" in body
    steps: dict[str, object] = {
        "step-0-kind": "filter",
        "step-0-match": "all",
        "step-0-column": ["price"],
        "step-0-operator": [">"],
        "step-0-value": ["3"],
        "step-1-kind": "drop_columns",
        "step-1-columns": ["price"],
    }
    _, body = send(client, f"{base}part/", steps)
    assert "1 row of 2 columns" in body
    _, moved = send(client, f"{base}part/", {**steps, "do": "up:1"})
    assert moved.index("Drop columns") < moved.index("Filter rows")
    assert "There is no column “price” here" in moved
    for wish in ("remove:0", "down:0", "more:0", "less:0:0", "less:0:9", "up:0", "remove:77", "add:nonsense", "x"):
        assert send(client, f"{base}part/", {**steps, "do": wish})[0] == 200
    status, body = send(client, base, {**steps, "name": "bad name"})
    assert status == 400
    assert "step-1-kind" in body
    status, _ = send(client, base, {**steps, "name": "large"})
    assert status == 302
    made = Dataset.objects.get(name="large").versions.get()
    assert made.definition.derived_from == table.pk
    assert "Derived from" in page(client, f"{made.dataset_id}/")
    assert f">{made}<" in page(client, f"{table.dataset_id}/")
    status, _ = send(client, base, {**steps, "name": "", "target": str(made.dataset_id), "step-0-value": ["4"]})
    assert status == 302
    assert made.dataset.versions.count() == 2


def test_a_split_makes_both_parts(client: Client, table: DatasetVersion) -> None:
    base = f"{table.dataset_id}/versions/1/derive/"
    split = {"step-0-kind": "split", "step-0-percent": "50", "step-0-part": "both", "step-0-seed": "1"}
    status, body = send(client, base, {**split, "name": "train", "second_name": "sales"})
    assert status == 400
    assert "taken" in body
    assert not Dataset.objects.filter(name="train").exists()
    status, _ = send(client, base, {**split, "name": "train", "second_name": "test"})
    assert status == 302
    parts = [Dataset.objects.get(name=name).versions.get().definition.transformations[-1] for name in ("train", "test")]
    assert [(part.part, part.fraction, part.seed) for part in parts] == [("first", 0.5, 1), ("second", 0.5, 1)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "take", "count": "many"}, "whole number"),
        ({"kind": "sample", "percent": "x", "seed": "0"}, "number of percent"),
        ({"kind": "sample", "percent": "200", "seed": "0"}, "between 0 and 1"),
        ({"kind": "time", "column": "<b>at</b>", "mode": "after", "after": ""}, "Choose a day"),
        ({"kind": "time", "column": "<b>at</b>", "mode": "after", "after": "soon"}, "Give a day and a time"),
        ({"kind": "time", "column": "<b>at</b>", "mode": "recent", "amount": "x", "unit": "days"}, "as a number"),
        ({"kind": "keep_columns"}, "at least one"),
        ({"kind": "partition_by", "columns": ["id", "price", "<b>at</b>"]}, "no key"),
        ({"kind": "filter", "match": "some", "column": "id", "operator": "=", "value": "1"}, "Choose one"),
        ({"kind": "filter", "match": "all", "column": "id", "operator": "like", "value": "1"}, "Choose one"),
    ],
)
def test_a_step_that_can_not_be_says_what_to_do(
    client: Client, table: DatasetVersion, fields: dict[str, object], words: str
) -> None:
    given = {f"step-0-{name}": value for name, value in fields.items()}
    status, body = send(client, f"{table.dataset_id}/versions/1/derive/part/", given)
    assert status == 200
    assert words in body


def test_only_a_table_is_derived_from(client: Client, workspace: Workspace, datastore: Datastore, owner: User) -> None:
    paths = [DataPath(datastore_id=datastore.pk, path="a")]
    files = create_dataset(workspace, name="files", paths=paths, actor=owner)
    page(client, f"{files.dataset_id}/versions/1/derive/", 404)
    assert "it has no rows" in page(client, f"{files.dataset_id}/versions/1/preview/")


def test_another_workspaces_table_is_no_target(
    client: Client, table: DatasetVersion, stranger: User, datastore: Datastore
) -> None:
    elsewhere = stranger.workspaces.get()
    theirs = Datastore.objects.get(workspace=elsewhere, is_default=True)
    other = create_table(elsewhere, name="theirs", definition=definition(theirs), actor=stranger)
    steps = {"step-0-kind": "take", "step-0-count": "1", "name": "", "target": str(other.dataset_id)}
    status, body = send(client, f"{table.dataset_id}/versions/1/derive/", steps)
    assert status == 400
    assert "Choose a table of this workspace" in body
    assert other.dataset.versions.count() == 1


def test_the_api_makes_reads_and_derives_tables(client: Client, datastore: Datastore, put: Put) -> None:
    base = "/api/workspaces/digits/datasets"
    put("in/a.csv", content=b"id,word\n1,one\n2,two\n")
    table = {"source": {"kind": "files", "paths": [{"datastore_id": datastore.pk, "path": "in/*.csv"}]}}

    def post(path: str, body: object) -> tuple[int, dict[str, object]]:
        answer = client.post(f"{base}/{path}", body, content_type="application/json")
        return answer.status_code, answer.json()

    status, found = post("infer/?rows=1", {"table": table})
    assert (status, found["rows"], found["is_cut"]) == (200, [["1", "one"]], True)
    status, made = post("", {"name": "words", "table": table, "tags": {"stage": "raw"}})
    assert (status, made["kind"], made["latest_version"], made["file_count"]) == (201, "table", 1, 1)
    of_it = f"{made['id']}/versions/1"
    version = client.get(f"{base}/{of_it}/").json()
    assert version["tags"] == {"stage": "raw"}
    assert version["definition"]["columns"][0] == {"name": "id", "type": "integer"}
    assert client.get(f"{base}/{of_it}/rows/?rows=1").json()["rows"] == [["1", "one"]]
    put("in/b.csv", content=b"id,word\n3,three\n")
    assert client.get(f"{base}/{of_it}/changes/").json()["added"] == 1
    status, again = post(f"{made['id']}/versions/", {})
    assert (status, again["number"], again["file_count"]) == (201, 2, 2)
    take = [{"kind": "take", "count": 1}]
    status, derived = post(f"{of_it}/derive/", {"name": "one", "transformations": take})
    assert (status, derived["version"]["definition"]["derived_from"]) == (201, version["id"])
    for body, loc in (
        ({"name": "x", "transformations": [{"kind": "take", "count": "x"}]}, ["transformations", 0, "count"]),
        ({"name": "x", "transformations": [{"kind": "nothing"}]}, ["transformations", 0]),
        ({"transformations": take}, ["name"]),
        ({"dataset_id": 10**12, "transformations": take}, None),
    ):
        status, answer = post(f"{of_it}/derive/", body)
        assert status == (404 if loc is None else 400), answer
        assert loc is None or answer["problems"][0]["loc"] == loc
    for body in ({"name": "y"}, {"name": "y", "paths": [], "table": table}, {"name": "y", "table": {"source": {}}}):
        assert post("", body)[0] == 400


def test_old_shapes_of_the_api_keep_working(client: Client, datastore: Datastore, put: Put) -> None:
    put("a/1")
    base = "/api/workspaces/digits/datasets"
    paths = [{"datastore_id": datastore.pk, "path": "a"}]
    made = client.post(f"{base}/", {"name": "a", "paths": paths}, content_type="application/json").json()
    assert made["paths"] == paths
    assert made["latest_version"] == 1
    versions = client.get(f"{base}/{made['id']}/versions/").json()["results"]
    assert [(version["number"], version["paths"]) for version in versions] == [(1, paths)]
