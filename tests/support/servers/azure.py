"""A real server of Azure's blobs: Azurite, which comes with npm's development packages.

with azurite() as server:
    config = {**server.config, "container": server.make_container()}
    secrets = server.secrets
"""

import base64
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.servers.processes import server_on_a_port

BINARY = Path(__file__).resolve().parents[3] / "node_modules/.bin/azurite-blob"


@dataclass(frozen=True)
class Azurite:
    """A running server with one account."""

    account: str
    key: str
    endpoint: str  # with the account's name, as Azurite wants it

    @property
    def config(self) -> dict[str, Any]:
        """What a datastore of the kind `azure_blob` needs, without its container."""
        return {"account": self.account, "endpoint": self.endpoint, "auth": "key"}

    @property
    def secrets(self) -> dict[str, str]:
        return {"account_key": self.key}

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.account};AccountKey={self.key};"
            f"BlobEndpoint={self.endpoint};"
        )

    def make_container(self, name: str = "", *, public: bool = False) -> str:
        """A new container; gives its name. A public one can be read and listed by everybody."""
        name = name or f"container-{secrets.token_hex(6)}"
        with self._service() as service:
            service.create_container(name, public_access="container" if public else None)
        return name

    def remove_container(self, name: str) -> None:
        with self._service() as service:
            service.delete_container(name)

    def sas(self, container: str, *, rights: str = "racwdl", hours: float = 1.0) -> str:
        """A signature for that container; with negative `hours` it expired that long ago."""
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        return generate_container_sas(
            self.account,
            container,
            account_key=self.key,
            permission=ContainerSasPermissions.from_string(rights),
            start=datetime.now(tz=UTC) - timedelta(days=2),
            expiry=datetime.now(tz=UTC) + timedelta(hours=hours),
        )

    def _service(self) -> Any:
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient(self.endpoint, credential=self.key)


@contextmanager
def azurite() -> Iterator[Azurite]:
    assert BINARY.exists(), "Azurite is missing: npm's development packages are not installed."
    home = Path(tempfile.mkdtemp(prefix="studio-azurite-"))
    account, key = "studioaccount", base64.b64encode(secrets.token_bytes(64)).decode()
    # In memory: nobody needs it afterwards. No telemetry: it would look for a network.
    command = [str(BINARY), "--silent", "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence"]
    try:
        with server_on_a_port(
            "Azurite",
            lambda port: [*command, "--blobHost", "127.0.0.1", "--blobPort", str(port)],
            log=home / "azurite.log",
            environment={**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"},
        ) as port:
            yield Azurite(account, key, f"http://127.0.0.1:{port}/{account}")
    finally:
        shutil.rmtree(home, ignore_errors=True)
