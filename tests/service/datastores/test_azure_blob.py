"""Azure's blobs: the contract against a real server, and what only such a server can do to it."""

import secrets
from io import BytesIO

import pytest

from datastores.backends import Backend, open_store
from studio.lib.problems import UserError
from tests.support.servers.azure import Azurite

from .contract import ODD_NAMES, BackendContract

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
