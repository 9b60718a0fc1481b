"""Datastores: looked up, and registered by kind.

```python
from studio_sdk.core import Datastore

raw = Datastore.get(workspace, "raw")
bucket = Datastore.register_s3(workspace, "archive", bucket="archive", access_key="…", secret_key="…")
```

Credentials are encrypted by the studio and shown to nobody again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studio_sdk.data.abstract_datastore import AbstractDatastore
from studio_sdk.exceptions import NotSupportedException, UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.workspace import Workspace

__all__ = ["Datastore"]


class Datastore(AbstractDatastore):
    """`Datastore(workspace, name)` is the one of that name, without a name the workspace's default."""

    def __init__(self, workspace: Workspace, name: str | None = None) -> None:
        found = Datastore.get(workspace, name) if name is not None else Datastore.get_default(workspace)
        self.__class__ = found.__class__
        self.__dict__.update(found.__dict__)

    @staticmethod
    def get(workspace: Workspace, datastore_name: str) -> Datastore:
        """Raises UserErrorException where there is none of that name."""
        rows = list(workspace._client.all_of("/datastores/"))
        for row in rows:
            if row["name"] == datastore_name:
                return Datastore._of(workspace, row)
        there = ", ".join(row["name"] for row in rows) or "none"
        raise UserErrorException(f"There is no datastore “{datastore_name}” in “{workspace.name}”. There are: {there}.")

    @staticmethod
    def get_default(workspace: Workspace) -> Datastore:
        for row in workspace._client.all_of("/datastores/"):
            if row["is_default"]:
                return Datastore._of(workspace, row)
        raise UserErrorException(f"“{workspace.name}” has no default datastore: set one.")

    @staticmethod
    def register_local(
        workspace: Workspace,
        datastore_name: str,
        path: str = "",
        overwrite: bool = False,
        description: str = "",
    ) -> Datastore:
        """A folder that studio and nodes reach; without a path, one of the studio's own."""
        return _register(workspace, datastore_name, "local", {"path": path}, {}, overwrite, description)

    @staticmethod
    def register_s3(
        workspace: Workspace,
        datastore_name: str,
        bucket: str,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
        folder: str = "",
        endpoint: str = "",
        region: str = "",
        path_style: bool = False,
        auth: str | None = None,
        overwrite: bool = False,
        description: str = "",
    ) -> Datastore:
        """A bucket of S3, or of what speaks as it does. Without keys it is read anonymously, unless `auth` says so."""
        config = {
            "bucket": bucket,
            "folder": folder,
            "endpoint": endpoint,
            "region": region,
            "path_style": path_style,
            "auth": auth or ("key" if access_key else "anonymous"),
        }
        secrets = {"access_key": access_key, "secret_key": secret_key, "session_token": session_token}
        return _register(workspace, datastore_name, "s3", config, secrets, overwrite, description)

    @staticmethod
    def register_sftp(
        workspace: Workspace,
        datastore_name: str,
        host: str,
        user: str,
        private_key: str | None = None,
        passphrase: str | None = None,
        password: str | None = None,
        port: int = 22,
        folder: str = "",
        host_key: str = "",
        overwrite: bool = False,
        description: str = "",
    ) -> Datastore:
        """A folder over SSH. `host_key` is the fingerprint that the host must show."""
        auth = "key" if private_key else "password" if password else "identity"
        config = {"host": host, "port": port, "user": user, "folder": folder, "host_key": host_key, "auth": auth}
        secrets = {"private_key": private_key, "passphrase": passphrase, "password": password}
        return _register(workspace, datastore_name, "sftp", config, secrets, overwrite, description)

    @staticmethod
    def register_http(
        workspace: Workspace,
        datastore_name: str,
        url: str,
        user: str = "",
        password: str | None = None,
        token: str | None = None,
        overwrite: bool = False,
        description: str = "",
    ) -> Datastore:
        """A web server's folder, which is read only."""
        auth = "bearer" if token else "basic" if password else "none"
        config = {"url": url, "auth": auth, "user": user}
        secrets = {"password": password, "token": token}
        return _register(workspace, datastore_name, "http", config, secrets, overwrite, description)

    @staticmethod
    def register_sqlite(
        workspace: Workspace,
        datastore_name: str,
        path: str,
        allow_writes: bool = False,
        overwrite: bool = False,
        description: str = "",
    ) -> Datastore:
        """A file of SQLite that the nodes reach."""
        config = {"path": path, "allow_writes": allow_writes}
        return _register(workspace, datastore_name, "sqlite", config, {}, overwrite, description)

    @staticmethod
    def register_azure_blob_container(
        workspace: Workspace,
        datastore_name: str,
        container_name: str,
        account_name: str,
        sas_token: str | None = None,
        account_key: str | None = None,
        protocol: str | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        create_if_not_exists: bool = False,
        skip_validation: bool = False,
        blob_cache_timeout: int | None = None,
        grant_workspace_access: bool = False,
        subscription_id: str | None = None,
        resource_group: str | None = None,
    ) -> Datastore:
        """A container of Azure Blob Storage. Without key and token it is read anonymously.

        `endpoint` is azureml's suffix of the account's address (`core.windows.net`), or the address itself.
        """
        if create_if_not_exists:
            raise NotSupportedException("Make the container first: the studio makes none.")
        if grant_workspace_access:
            raise NotSupportedException("A studio has no identity in Azure: give account_key or sas_token.")
        address = endpoint or ""
        if address and "://" not in address:
            address = f"{protocol or 'https'}://{account_name}.blob.{address}"
        config = {
            "account": account_name,
            "container": container_name,
            "endpoint": address,
            "auth": "key" if account_key else "sas" if sas_token else "anonymous",
        }
        secrets = {"account_key": account_key, "sas_token": sas_token}
        return _register(workspace, datastore_name, "azure_blob", config, secrets, overwrite)

    @staticmethod
    def register_azure_postgre_sql(
        workspace: Workspace,
        datastore_name: str,
        server_name: str,
        database_name: str,
        user_id: str,
        user_password: str,
        port_number: int | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        enforce_ssl: bool = True,
        allow_writes: bool = False,
    ) -> Datastore:
        """A database of PostgreSQL, anywhere: `server_name` is its host, or with `endpoint` the part before that."""
        return _register(
            workspace,
            datastore_name,
            "postgresql",
            _database(server_name, endpoint, port_number or 5432, database_name, user_id)
            | {"tls": "require" if enforce_ssl else "prefer", "allow_writes": allow_writes},
            {"password": user_password},
            overwrite,
        )

    @staticmethod
    def register_azure_my_sql(
        workspace: Workspace,
        datastore_name: str,
        server_name: str,
        database_name: str,
        user_id: str,
        user_password: str,
        port_number: int | None = None,
        endpoint: str | None = None,
        overwrite: bool = False,
        allow_writes: bool = False,
    ) -> Datastore:
        """A database of MySQL or MariaDB: `server_name` is its host, or with `endpoint` the part before that."""
        return _register(
            workspace,
            datastore_name,
            "mysql",
            _database(server_name, endpoint, port_number or 3306, database_name, user_id)
            | {"allow_writes": allow_writes},
            {"password": user_password},
            overwrite,
        )

    @staticmethod
    def register_azure_file_share(*_arguments: Any, **_more: Any) -> Datastore:
        raise NotSupportedException(
            "Azure Files are not reached: mount the share where the nodes are, and use Datastore.register_local."
        )

    @staticmethod
    def register_azure_data_lake(*_arguments: Any, **_more: Any) -> Datastore:
        raise NotSupportedException("Azure Data Lake Gen1 was retired: use Datastore.register_azure_blob_container.")

    @staticmethod
    def register_azure_data_lake_gen2(*_arguments: Any, **_more: Any) -> Datastore:
        raise NotSupportedException(
            "Data Lake Gen2 has an address of its own that is not spoken to: "
            "the same account as blobs is Datastore.register_azure_blob_container."
        )

    @staticmethod
    def register_azure_sql_database(*_arguments: Any, **_more: Any) -> Datastore:
        raise NotSupportedException(
            "Azure SQL is not reached: use register_azure_postgre_sql, register_azure_my_sql or register_sqlite."
        )

    @staticmethod
    def register_dbfs(*_arguments: Any, **_more: Any) -> Datastore:
        raise NotSupportedException("DBFS is not reached: use register_s3 or register_azure_blob_container.")

    @staticmethod
    def register_hdfs(*_arguments: Any, **_more: Any) -> Datastore:
        raise NotSupportedException("HDFS is not reached: use register_s3, register_sftp or register_local.")

    @staticmethod
    def _of(workspace: Workspace, row: Mapping[str, Any]) -> Datastore:
        from studio_sdk.data import azure_storage_datastore

        made = object.__new__(azure_storage_datastore.class_of(str(row["kind"])))
        made._workspace, made._row = workspace, row
        return made


def _database(server: str, endpoint: str | None, port: int, database: str, user: str) -> dict[str, Any]:
    host = f"{server}.{endpoint}" if endpoint else server
    return {"host": host, "port": port, "database": database, "user": user}


def _register(
    workspace: Workspace,
    name: str,
    kind: str,
    config: Mapping[str, Any],
    credentials: Mapping[str, str | None],
    overwrite: bool,
    description: str = "",
) -> Datastore:
    """One of that name is changed where `overwrite` says so, else it is an error."""
    client = workspace._client
    secrets = {key: value for key, value in credentials.items() if value}
    there = next((row for row in client.all_of("/datastores/") if row["name"] == name), None)
    if there is None:
        body = {"name": name, "kind": kind, "description": description, "config": config, "credentials": secrets}
        return Datastore._of(workspace, client.post("/datastores/", body))
    if not overwrite:
        raise UserErrorException(f"There is a datastore “{name}” already: overwrite=True changes it.")
    if there["kind"] != kind:
        raise UserErrorException(f"“{name}” is a datastore of the kind {there['kind']}: unregister it first.")
    # What is not given now is not kept from before: null takes it away.
    replaced = {key: value or None for key, value in credentials.items()}
    changes = {"config": config, "credentials": replaced, **({"description": description} if description else {})}
    return Datastore._of(workspace, client.patch(f"/datastores/{there['id']}/", changes))
