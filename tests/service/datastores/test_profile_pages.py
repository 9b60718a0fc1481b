"""The pages and the API of profiles and comparisons: what they show, to whom, and with how many queries."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from datastores.models import DatasetVersion, Datastore, Profile, ProfileResult
from datastores.services.profiles import claim, request_profile
from datastores.tabular.column_profiles import ColumnProfile, Histogram, TopValue
from studio.workspaces.models import User
from tests.support.tables import csv_version

pytestmark = pytest.mark.django_db
MOST_QUERIES = 12
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def client(signed_in: Callable[[User], Client], owner: User) -> Client:
    return signed_in(owner)


@pytest.fixture
def version(datastore: Datastore) -> DatasetVersion:
    return csv_version(datastore, "readings", "a\n1\n", {"a": "integer", HOSTILE: "string"})


@pytest.fixture
def address(version: DatasetVersion) -> str:
    return f"/w/digits/datasets/{version.dataset_id}/versions/1/profile/"


def column(name: str) -> ColumnProfile:
    histogram = Histogram(edges=[0, 1, 2], counts=[3, 1], rule="2 bins.")
    return ColumnProfile(name=name, type="number", count=4, missing=1, distinct=2, mean=0.5, histogram=histogram)


def texts(name: str, *values: str) -> ColumnProfile:
    top = [TopValue(value=value, count=2) for value in values]
    return ColumnProfile(name=name, type="string", count=4, missing=0, distinct=2, minimum=HOSTILE, top=top)


def completed(version: DatasetVersion, *columns: ColumnProfile) -> Profile:
    result = ProfileResult(row_count=4, columns=[each.model_dump(mode="json") for each in columns])
    now = timezone.now()
    return Profile.objects.create(version=version, status="completed", result=result, started_at=now, finished_at=now)


def body(client: Client, address: str, status: int = 200, **query: object) -> str:
    answer = client.get(address, query)
    assert answer.status_code == status
    return answer.content.decode()


def part(client: Client, address: str, **query: object) -> str:
    answer = client.get(address, query, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "<html" not in answer.content.decode()
    return answer.content.decode()


def test_it_is_begun_shown_and_cancelled(client: Client, version: DatasetVersion, address: str) -> None:
    assert "Not profiled yet" in body(client, address)
    begun = client.post(address, headers={"HX-Request": "true"}).content.decode()
    assert "Queued" in begun
    assert claim() is not None
    assert "Opening the data" in part(client, address)
    cancelled = client.post(f"{address}cancel/", headers={"HX-Request": "true"}).content.decode()
    assert "Its end was asked for" in cancelled
    Profile.objects.update(status="failed", reason="The file <b>broke</b>.", finished_at=timezone.now())
    failed = part(client, address)
    assert "The file &lt;b&gt;broke&lt;/b&gt;." in failed
    assert "Try again" in failed


def test_without_scripts_a_button_leads_back(client: Client, address: str) -> None:
    assert client.post(address)["Location"] == address
    assert client.post(f"{address}cancel/")["Location"] == address
    compare = "/w/digits/datasets/compare/?a=1&b=2"
    assert client.post(address, {"next": compare})["Location"] == compare
    assert client.post(address, {"next": "https://evil.example/"})["Location"] == address


def test_a_result_stays_while_a_new_one_is_made(client: Client, version: DatasetVersion, address: str) -> None:
    completed(version, column("a"))
    request_profile(version, actor=None)
    shown = part(client, address)
    assert "Queued" in shown
    assert "1</span> column<" in shown


def test_a_wide_table_is_paged_and_searched(
    client: Client,
    version: DatasetVersion,
    address: str,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    completed(version, *(column(f"c{number:03}") for number in range(120)))
    with django_assert_max_num_queries(MOST_QUERIES):
        first = body(client, address)
    assert first.count("data-column-open") == 50
    assert part(client, address, page=3).count("data-column-open") == 20
    assert part(client, address, q="C119").count("data-column-open") == 1
    assert "No column is called" in part(client, address, q=HOSTILE)
    assert HOSTILE not in part(client, address, q=HOSTILE)


def test_what_values_say_is_only_shown(client: Client, version: DatasetVersion, address: str) -> None:
    completed(version, column(HOSTILE), texts("t", HOSTILE, "</script><b>"))
    for shown in (
        body(client, address),
        part(client, f"{address}columns/0/"),
        part(client, f"{address}columns/1/"),
        body(client, f"{address}columns/1/"),
    ):
        assert HOSTILE not in shown
        assert "</script><b>" not in shown
    assert "&lt;script&gt;" in part(client, f"{address}columns/1/")
    assert 'type="application/json" data-figure' in part(client, f"{address}columns/0/")
    body(client, f"{address}columns/2/", 404)


def test_two_versions(
    client: Client,
    version: DatasetVersion,
    datastore: Datastore,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    other = csv_version(datastore, "others", "a\n1\n", {"a": "number", "new": "string"})
    compare = "/w/digits/datasets/compare/"
    assert "Choose two versions" in body(client, compare)
    pair = {"a": version.pk, "b": other.pk}
    missing = body(client, compare, **pair)
    assert missing.count("has no profile yet") == 2
    assert "1 added" in missing
    assert "1 removed" in missing
    assert "1 retyped" in missing
    completed(version, column("a"), texts(HOSTILE))
    completed(other, column("a"), texts("new", "x"))
    with django_assert_max_num_queries(MOST_QUERIES):
        shown = body(client, compare, **pair)
    assert "has no profile yet" not in shown
    assert HOSTILE not in shown
    assert part(client, compare, **pair, show="changes", q="new").count("data-column-open") == 1
    both = part(client, f"{compare}columns/2/", **pair)
    assert "data-figure" in both
    assert "readings:1" in both
    body(client, f"{compare}columns/3/", 404, **pair)
    body(client, compare, 404, a=version.pk, b=10**9)
    body(client, compare, 404, a="x", b=1)


def test_the_version_before_is_offered_for_comparison(
    client: Client, version: DatasetVersion, datastore: Datastore
) -> None:
    second = csv_version(datastore, "readings", "a,new\n1,x\n", {"a": "integer", "new": "string"}, number=2)
    compare = "/w/digits/datasets/compare/"
    assert "1 added" in body(client, compare, b=second.pk)
    for asked in ({"b": version.pk}, {"a": "", "b": second.pk}):
        assert "Choose two versions" in body(client, compare, **asked)


def test_files_are_not_compared_column_by_column(client: Client, version: DatasetVersion, owner: User) -> None:
    from datastores.models import DataPath
    from datastores.services import create_dataset

    workspace = version.dataset.workspace
    datastore = Datastore.objects.get(workspace=workspace, is_default=True)
    paths = [DataPath(datastore_id=datastore.pk, path="readings/")]
    files = create_dataset(workspace, name="files", paths=paths, actor=owner)
    assert "only tables have columns" in body(client, "/w/digits/datasets/compare/", a=files.pk, b=version.pk)
    profile = f"/w/digits/datasets/{files.dataset_id}/versions/1/profile/"
    assert "Only tables have a profile" in body(client, profile)
    assert "Only a table has a profile" in client.post(profile, follow=True).content.decode()


def test_a_reader_looks_and_starts_nothing(
    reader: User, version: DatasetVersion, address: str, signed_in: Callable[[User], Client]
) -> None:
    completed(version, column("a"))
    client = signed_in(reader)
    assert "Profile again" not in body(client, address)
    for path in (address, f"{address}cancel/"):
        assert client.post(path).status_code == 403
    assert client.post(f"/api{address.replace('/w/', '/workspaces/')}").status_code == 403


def test_over_rest(client: Client, version: DatasetVersion, datastore: Datastore, address: str) -> None:
    api = f"/api{address.replace('/w/', '/workspaces/')}"
    assert client.get(api).status_code == 404
    assert client.post(api).status_code == 201
    assert client.post(api).status_code == 200
    assert client.get(api).json()["status"] == "queued"
    assert client.post(f"{api}cancel/").json()["status"] == "cancelled"
    assert client.post(f"{api}cancel/").status_code == 409
    completed(version, column("a"), texts(HOSTILE))
    assert [each["name"] for each in client.get(api).json()["columns"]] == ["a", HOSTILE]
    other = csv_version(datastore, "others", "a\n1\n", {"a": "number", "new": "string"})
    completed(other, column("a"), texts("new", "x"))
    compare = "/api/workspaces/digits/datasets/compare/"
    found = client.get(compare, {"a": version.pk, "b": other.pk}).json()
    assert (found["added"], found["removed"], found["retyped"]) == (["new"], [HOSTILE], ["a"])
    retyped = next(each for each in found["columns"] if each["name"] == "a")
    assert retyped["distribution"] == {"edges": [0.0, 1.0, 2.0], "a": [0.75, 0.25], "b": [0.75, 0.25]}
    assert client.get(compare, {"a": "x", "b": other.pk}).status_code == 400
    assert client.get(compare, {"a": 10**9, "b": other.pk}).status_code == 400
