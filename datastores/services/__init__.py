"""Whatever changes datastores, their files and datasets. Every change writes its audit event."""

from datastores.services.datasets import (
    add_dataset_version,
    change_dataset,
    checked_paths,
    create_dataset,
    delete_dataset,
    register_output_version,
)
from datastores.services.files import Refused, Upload, Uploaded, delete_path, make_folder, upload_files
from datastores.services.listing import list_version, versions_to_list
from datastores.services.stores import (
    DEFAULT_NAME,
    change_datastore,
    create_first_datastores,
    make_default,
    register_datastore,
    remove_datastore,
)

__all__ = [
    "DEFAULT_NAME",
    "Refused",
    "Upload",
    "Uploaded",
    "add_dataset_version",
    "change_dataset",
    "change_datastore",
    "checked_paths",
    "create_dataset",
    "create_first_datastores",
    "delete_dataset",
    "delete_path",
    "list_version",
    "make_default",
    "make_folder",
    "register_datastore",
    "register_output_version",
    "remove_datastore",
    "upload_files",
    "versions_to_list",
]
