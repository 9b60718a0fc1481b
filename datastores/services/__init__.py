"""Whatever changes datastores, their files and datasets. Every change writes its audit event."""

from datastores.services.datasets import (
    add_dataset_version,
    change_dataset,
    checked_paths,
    create_dataset,
    delete_dataset,
    register_output_version,
)
from datastores.services.files import (
    Counted,
    Refused,
    Upload,
    Uploaded,
    count_files,
    delete_path,
    make_folder,
    upload_files,
)
from datastores.services.listing import list_version
from datastores.services.stores import (
    DEFAULT_NAME,
    can_be_default,
    change_datastore,
    create_first_datastores,
    make_default,
    register_datastore,
    remove_datastore,
)
from datastores.services.tables import (
    add_table_version,
    create_table,
    create_tables,
    derived_table,
    make_again,
    settle_table,
)
from datastores.services.trying import Tried, try_connection, try_datastore

__all__ = [
    "DEFAULT_NAME",
    "Counted",
    "Refused",
    "Tried",
    "Upload",
    "Uploaded",
    "add_dataset_version",
    "add_table_version",
    "can_be_default",
    "change_dataset",
    "change_datastore",
    "checked_paths",
    "count_files",
    "create_dataset",
    "create_first_datastores",
    "create_table",
    "create_tables",
    "delete_dataset",
    "delete_path",
    "derived_table",
    "list_version",
    "make_again",
    "make_default",
    "make_folder",
    "register_datastore",
    "register_output_version",
    "remove_datastore",
    "settle_table",
    "try_connection",
    "try_datastore",
    "upload_files",
]
