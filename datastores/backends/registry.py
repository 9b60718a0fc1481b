"""The kinds of datastore. A kind's module is imported only when one of its datastores is used."""

from collections.abc import Mapping

from django.utils.module_loading import import_string

from datastores.backends.interface import Store
from studio.lib.problems import UserError

STORES: Mapping[str, str] = {
    "local": "datastores.backends.local.LocalFolder",
    "s3": "datastores.backends.s3.S3Store",
    "azure_blob": "datastores.backends.azure_blob.AzureBlobStore",
    "http": "datastores.backends.http.HttpStore",
    "sftp": "datastores.backends.sftp.SftpStore",
    "postgresql": "datastores.backends.postgresql.PostgreSql",
    "mysql": "datastores.backends.mysql.MySql",
    "sqlite": "datastores.backends.sqlite.Sqlite",
}


def store_class(kind: str) -> type[Store]:
    """Raises UserError where there is no such kind."""
    dotted_path = STORES.get(kind)
    if dotted_path is None:
        known = ", ".join(sorted(STORES))
        raise UserError(f"There is no kind of datastore “{kind}”. The kinds are: {known}.", loc=("kind",))
    store: type[Store] = import_string(dotted_path)
    return store


def store_classes() -> list[type[Store]]:
    return [store_class(kind) for kind in STORES]
