"""Datasets of files on the web: kept as addresses, seen through the guard alone, and told apart when they change."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import Settings

from datastores.changes import changes_since
from datastores.drafts import FilesDraft, TableDraft
from datastores.models import DataPath, Dataset
from datastores.services import create_dataset, create_table, settle_table
from datastores.tabular import reading
from studio.lib.problems import UserError
from studio.workspaces.models import User, Workspace
from tests.support.servers.web import WebServer

pytestmark = pytest.mark.django_db


def web(url: str) -> list[DataPath]:
    return [DataPath(datastore_id=None, path=url)]


@pytest.fixture
def _admitted(settings: Settings) -> None:
    settings.PRIVATE_HOSTS = ["127.0.0.1"]


@pytest.mark.usefixtures("_admitted")
def test_a_file_on_the_web_is_listed_and_compared(
    workspace: Workspace, owner: User, web_server: WebServer, signed_in: Callable[[User], Client]
) -> None:
    url, folder = web_server.make_folder()
    (folder / "a.csv").write_text("id,word\n1,one\n")
    address = f"{url.replace('http', 'HTTP')}/a.csv#rows"
    version = create_dataset(workspace, name="web", paths=web(address), actor=owner)
    assert [path.path for path in version.definition.paths] == [f"{url}/a.csv"]
    assert (version.file_count, version.size_bytes, version.listing_error) == (1, 14, "")
    unchanged = changes_since(version)
    assert unchanged is not None
    assert unchanged.total == 0
    (folder / "a.csv").write_text("id,word\n1,one\n2,two\n")
    changes = changes_since(version)
    assert changes is not None
    assert [(change.kind, change.file.path) for change in changes.first] == [("changed", f"{url}/a.csv")]
    client = signed_in(owner)
    base = f"/w/digits/datasets/{version.dataset_id}"
    for part in ("/", "/versions/1/files/", "/versions/1/changes/"):
        assert f"{url}/a.csv" in client.get(base + part).content.decode()


@pytest.mark.usefixtures("_admitted")
def test_a_table_on_the_web_is_read(workspace: Workspace, owner: User, web_server: WebServer) -> None:
    url, folder = web_server.make_folder()
    (folder / "a.csv").write_text("id,word\n1,one\n")
    draft = TableDraft(source=FilesDraft(paths=web(f"{url}/a.csv")))
    version = create_table(workspace, name="web", definition=settle_table(workspace, draft).definition, actor=owner)
    assert reading.preview(version.definition, workspace_id=workspace.pk).rows == [["1", "one"]]


def test_an_address_in_the_servers_own_network_is_refused(
    workspace: Workspace, owner: User, web_server: WebServer
) -> None:
    for address in (f"{web_server.url}/a.csv", "http://169.254.169.254/latest/meta-data", "http://[::1]/a"):
        with pytest.raises(UserError) as caught:
            create_dataset(workspace, name="inside", paths=web(address), actor=owner)
        assert caught.value.problems[0].loc == ("paths", 0, "path")
        with pytest.raises(UserError):
            settle_table(workspace, TableDraft(source=FilesDraft(paths=web(address))))
    assert not Dataset.objects.exists()
