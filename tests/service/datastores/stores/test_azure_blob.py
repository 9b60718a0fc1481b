"""Azure's blobs: the contract against a real server, and what only such a server can do to it."""

import base64
import secrets
import time
from io import BytesIO
from typing import Any

import pytest
from pytest_django import Settings

from datastores.backends import Backend, ChangedMeanwhile, Unreachable, open_store
from datastores.backends.azure_blob import AzureBlobConfig, AzureBlobSecrets, AzureBlobStore
from studio.lib.problems import UserError
from tests.support.servers.azure import Azurite
from tests.support.servers.ports import free_port
from tests.support.servers.same import same
from tests.support.servers.web import WebServer

from .contract import ODD_NAMES, BackendContract, names, text

pytestmark = pytest.mark.usefixtures("loopback_admitted")


@pytest.fixture
def backend(azurite: Azurite) -> Backend:
    store = open_store("azure_blob", {**azurite.config, "container": azurite.make_container()}, azurite.secrets)
    assert isinstance(store, Backend)
    return store


class TestAzureBlob(BackendContract):
    too_long = "x" * 1100
    odd_names = tuple(name for name in ODD_NAMES if "\\" not in name)  # Azure makes a slash of it

    @pytest.fixture
    def backend(self, azurite: Azurite) -> Backend:
        store = open_store("azure_blob", {**azurite.config, "container": azurite.make_container()}, azurite.secrets)
        assert isinstance(store, Backend)
        return store


class TestAzureBlobFolder(TestAzureBlob):
    """Below a folder of a container, with a signature."""

    @pytest.fixture
    def backend(self, azurite: Azurite) -> Backend:
        container = azurite.make_container()
        config = {
            **azurite.config,
            "container": container,
            "auth": "sas",
            "folder": f"deep/{secrets.token_hex(4)}",
        }
        store = open_store("azure_blob", config, {"sas_token": azurite.sas(container)})
        assert isinstance(store, Backend)
        return store


@pytest.mark.parametrize("path", ["back\\slash", "ends with.", "folder./a"])
def test_names_that_azure_would_change_are_refused(backend: Backend, path: str) -> None:
    with pytest.raises(UserError, match="Choose another one"):
        backend.write(path, BytesIO(b"x"))


def settled(config: dict[str, Any], given: dict[str, str]) -> AzureBlobConfig:
    return AzureBlobStore.settle(AzureBlobConfig(**config), AzureBlobSecrets(**given), workspace_id=1, name="blobs")


def store_of(config: dict[str, Any], given: dict[str, str]) -> Backend:
    store = open_store("azure_blob", settled(config, given).model_dump(), given)
    assert isinstance(store, Backend)
    return store


def check_all(store: Backend, said: str, *loc: str) -> None:
    for attempt in (
        store.test,
        lambda: store.test(write=False),
        store.list,
        lambda: store.stat("a"),
        lambda: store.open_read("a"),
        lambda: store.write("a", BytesIO(b"x")),
        lambda: store.write("a", BytesIO(b"x" * 9_000_000)),
        lambda: store.make_folder("folder"),
        lambda: store.delete("a"),
        lambda: list(store.glob("**")),
    ):
        began = time.monotonic()
        with pytest.raises(UserError, match=said) as caught:
            attempt()
        assert time.monotonic() - began < 10
        assert caught.value.problems[0].loc == loc


def test_a_container_that_vanishes(azurite: Azurite) -> None:
    container = azurite.make_container()
    store = store_of({**azurite.config, "container": container}, azurite.secrets)
    store.write("a", BytesIO(b"x"))
    azurite.remove_container(container)
    check_all(store, f"There is no container {container}", "config", "container")


def test_a_wrong_key(azurite: Azurite) -> None:
    wrong = base64.b64encode(b"another key").decode()
    store = store_of({**azurite.config, "container": azurite.make_container()}, {"account_key": wrong})
    check_all(store, "does not accept these credentials", "credentials", "account_key")


@pytest.mark.parametrize("token", ["expired", "signed by nobody"])
def test_a_signature_that_is_none(azurite: Azurite, token: str) -> None:
    container = azurite.make_container()
    good = azurite.sas(container)
    given = azurite.sas(container, hours=-1) if token == "expired" else good.partition("sig=")[0] + "sig=bm9uZQ%3D%3D"
    sentence = (
        rf"The SAS token for the container {container} expired on .* UTC\. Give the datastore a new one\."
        if token == "expired"
        else "wrong, expired, or were revoked"
    )
    store = store_of({**azurite.config, "container": container, "auth": "sas"}, {"sas_token": f"?{given}"})
    check_all(store, sentence, "credentials", "sas_token")
    text = f"BlobEndpoint={azurite.endpoint};SharedAccessSignature={given}"
    config = {"container": container, "auth": "connection_string"}
    check_all(store_of(config, {"connection_string": text}), sentence, "credentials", "connection_string")


def test_a_signature_that_may_only_read(azurite: Azurite) -> None:
    container = azurite.make_container()
    store_of({**azurite.config, "container": container}, azurite.secrets).write("a/b", BytesIO(b"here"))
    store = store_of(
        {**azurite.config, "container": container, "auth": "sas"}, {"sas_token": azurite.sas(container, rights="rl")}
    )
    store.test(write=False)
    assert text(store, "a/b") == b"here"
    for attempt in (store.test, lambda: store.write("c", BytesIO(b"x")), lambda: store.delete("a/b")):
        with pytest.raises(UserError, match="may not do this") as caught:
            attempt()
        assert caught.value.problems[0].loc == ("credentials", "sas_token")


def test_a_connection_string(azurite: Azurite) -> None:
    given = {"connection_string": azurite.connection_string}
    store = store_of({"container": azurite.make_container(), "auth": "connection_string"}, given)
    store.test()
    store.write("a", BytesIO(b"x"))
    assert names(store) == ["a"]
    assert azurite.key not in str(settled({"container": "abc", "auth": "connection_string"}, given))


def test_a_public_container_needs_no_key(azurite: Azurite) -> None:
    public, private = azurite.make_container(public=True), azurite.make_container()
    store_of({**azurite.config, "container": public}, azurite.secrets).write("a", BytesIO(b"here"))
    store = store_of({**azurite.config, "container": public, "auth": "anonymous"}, {})
    store.test(write=False)
    assert text(store, "a") == b"here"
    with pytest.raises(UserError):
        store_of({**azurite.config, "container": private, "auth": "anonymous"}, {}).test(write=False)


def test_nothing_that_listens(azurite: Azurite) -> None:
    config = {**azurite.config, "endpoint": f"http://127.0.0.1:{free_port()}/account", "container": "abc"}
    with pytest.raises(Unreachable, match="refuses the connection") as caught:
        store_of(config, azurite.secrets).test()
    assert caught.value.problems[0].loc == ("config", "endpoint")


def test_a_name_that_nobody_has(azurite: Azurite) -> None:
    with pytest.raises(Unreachable, match="spelling"):
        store_of({"account": "nobodysaccount", "container": "abc"}, azurite.secrets).test()


def test_an_address_inside(azurite: Azurite, settings: Settings) -> None:
    settings.PRIVATE_HOSTS = []
    store = store_of({**azurite.config, "container": azurite.make_container()}, azurite.secrets)
    check_all(store, "STUDIO_PRIVATE_HOSTS", "config", "endpoint")


def test_a_server_of_something_else(azurite: Azurite, web_server: WebServer) -> None:
    with pytest.raises(UserError):
        store_of({**azurite.config, "endpoint": web_server.url, "container": "abc"}, azurite.secrets).test()


def test_a_file_that_changes_while_it_is_read(backend: Backend) -> None:
    backend.write("a", BytesIO(b"\0" * 9_000_000))
    with backend.open_read("a") as stream:
        stream.read(10)
        backend.write("a", BytesIO(b"\1" * 9_000_000))
        with pytest.raises(ChangedMeanwhile, match="anew"):
            stream.read()


KEY = base64.b64encode(b"key").decode()


@pytest.mark.parametrize(
    ("config", "given", "loc"),
    [
        ({"container": "Big"}, {"account_key": KEY}, ("config", "container")),
        ({"account": "My.Account"}, {"account_key": KEY}, ("config", "account")),
        ({}, {}, ("credentials", "account_key")),
        ({}, {"account_key": "no key"}, ("credentials", "account_key")),
        ({"auth": "sas"}, {"sas_token": "sv=2020"}, ("credentials", "sas_token")),
        ({"auth": "connection_string"}, {"connection_string": "AccountName=a"}, ("credentials", "connection_string")),
        ({"auth": "identity", "endpoint": "https://evil.example"}, {}, ("config", "endpoint")),
        ({"auth": "identity", "endpoint": "http://account.blob.core.windows.net"}, {}, ("config", "endpoint")),
        ({"auth": "identity", "endpoint": "https://a.blob.core.windows.net.evil.example"}, {}, ("config", "endpoint")),
    ],
)
def test_what_cannot_be_is_refused_before_a_connection(
    config: dict[str, Any], given: dict[str, str], loc: tuple[str, ...]
) -> None:
    with pytest.raises(UserError) as caught:
        store_of({"account": "account", "container": "abc", **config}, given)
    assert caught.value.problems[0].loc == loc


def test_it_says_where_it_is() -> None:
    store = store_of({"account": "account", "container": "abc", "folder": "a"}, {"account_key": KEY})
    assert store.address("c.csv") == "abfs://abc@account.dfs.core.windows.net/a/c.csv"
    assert store.location == "https://account.blob.core.windows.net/abc/a"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", b"<!doctype html><p>Sign in"),
        ("text/html", b"<html><body>Sign in</body></html>"),
        ("application/json", b'{"a": 1}'),
        ("application/xml", b"<a><b/></a>"),
        ("text/plain", b""),
        ("", b"\xff\xfe\0"),
    ],
)
def test_a_server_that_says_yes_to_everything(azurite: Azurite, content_type: str, body: bytes) -> None:
    with same(body, content_type) as url:
        store = store_of({**azurite.config, "endpoint": f"{url}/account", "container": "abc"}, azurite.secrets)
        for attempt in (
            store.test,
            store.list,
            lambda: store.write("a", BytesIO(b"x")),
            lambda: list(store.glob("**")),
        ):
            with pytest.raises(UserError, match="does not answer as Azure's blob storage does") as caught:
                attempt()
            assert caught.value.problems[0].loc == ("config", "endpoint")
        if body:
            with pytest.raises(UserError), store.open_read("a") as file:
                file.read()
