"""What datasets of files and tables have in common.

A dataset is a registered version, or only said so far: `Dataset.File.from_files(…)` and whatever is done to a table
change nothing in the studio until it is registered, or used by a step. Then one without a name is kept under one that
is made of what it says, so that equal ones are the same dataset.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, Union

from studio_sdk._client import NotFound
from studio_sdk.data.dataset_consumption_config import DatasetConsumptionConfig
from studio_sdk.exceptions import UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.workspace import Workspace

__all__ = ["AbstractDataset"]

OfKind = TypeVar("OfKind", bound="AbstractDataset")

UNNAMED = "unnamed-"
_ID = re.compile(r"\A(\d{1,18}):(\d{1,9})\Z")


class AbstractDataset:
    """Base of `FileDataset` and `TabularDataset`. Made by `Dataset.File`, `Dataset.Tabular`, `Dataset.get_by_name`."""

    def __init__(self) -> None:
        raise UserErrorException(
            "Make a dataset by Dataset.File.from_files or Dataset.Tabular.from_delimited_files, "
            "or get one by Dataset.get_by_name."
        )

    _workspace: Workspace | None
    _dataset: Mapping[str, Any] | None  # as the studio has it; None where it is not registered
    _version: Mapping[str, Any] | None

    @staticmethod
    def get_by_name(workspace: Workspace, name: str, version: Union[int, str] = "latest") -> AbstractDataset:
        """A registered dataset, by default its latest version. Raises UserErrorException."""
        rows = list(workspace._client.all_of("/datasets/", q=name))
        row = next((each for each in rows if each["name"] == name), None)
        if row is None:
            raise UserErrorException(f"There is no dataset “{name}” in “{workspace.name}”.")
        number = row["latest_version"] if version in ("latest", None) else version
        return _registered(workspace, row, number)

    @staticmethod
    def get_by_id(workspace: Workspace, id: str) -> AbstractDataset:  # noqa: A002 (azureml's name)
        """By what `id` said of it."""
        match = _ID.match(str(id))
        if match is None:
            raise UserErrorException(f"“{id}” is no id of a dataset: those look like 12:3.")
        try:
            row = workspace._client.get(f"/datasets/{match.group(1)}/")
        except NotFound:
            raise UserErrorException(f"There is no dataset {id} in “{workspace.name}”.") from None
        return _registered(workspace, row, match.group(2))

    @staticmethod
    def get_all(workspace: Workspace) -> dict[str, AbstractDataset]:
        """The latest version of each that has a name, by name."""
        return {
            row["name"]: _of(workspace, row, None)
            for row in workspace._client.all_of("/datasets/")
            if not row["name"].startswith(UNNAMED)
        }

    @property
    def id(self) -> str | None:
        """For `get_by_id`; None for one that is not registered."""
        if self._dataset is None:
            return None
        return f"{self._dataset['id']}:{self.version}"

    @property
    def name(self) -> str | None:
        return None if self._dataset is None else str(self._dataset["name"])

    @property
    def version(self) -> int | None:
        if self._dataset is None:
            return None
        return int(self._version["number"] if self._version else self._dataset["latest_version"])

    @property
    def description(self) -> str | None:
        return None if self._dataset is None else str(self._whole()["description"] or self._dataset["description"])

    @property
    def tags(self) -> dict[str, str]:
        return {} if self._dataset is None else dict(self._whole()["tags"])

    @property
    def data_changed_time(self) -> Any:
        """When its files were last looked at, as a datetime; None where nobody has."""
        from studio_sdk._times import moment

        return moment(self._whole()["listed_at"]) if self._dataset is not None else None

    def as_named_input(self, name: str) -> DatasetConsumptionConfig:
        """It as an input of a step, under a name: `as_mount()` and `as_download()` say how it arrives."""
        return DatasetConsumptionConfig(name, self)

    def register(
        self: OfKind,
        workspace: Workspace,
        name: str,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        create_new_version: bool = False,
    ) -> OfKind:
        """Register it under a name.

        Where there is one of that name, it must be the same already, or `create_new_version` must say that this is its
        next version. Raises UserErrorException.
        """
        client = workspace._client
        there = next((row for row in client.all_of("/datasets/", q=name) if row["name"] == name), None)
        said = {"description": description or "", "tags": dict(tags or {})}
        if there is None:
            made = client.post("/datasets/", {"name": name, **self._body(), **said})
            return self._as_registered(workspace, made, None)
        if not create_new_version:
            latest = _of(workspace, there, None)
            if type(latest) is type(self) and self._is_same_as(latest):
                return self._as_registered(workspace, there, None)
            raise UserErrorException(
                f"There is a dataset “{name}” already, and it says something else: "
                "create_new_version=True makes this its next version."
            )
        version = client.post(f"/datasets/{there['id']}/versions/", {**self._body(), **said})
        return self._as_registered(workspace, client.get(f"/datasets/{there['id']}/"), version)

    def update(self: OfKind, description: str | None = None, tags: Mapping[str, str] | None = None) -> OfKind:
        """Change the description. The tags of a version stay as they were registered."""
        if tags is not None:
            raise UserErrorException("The tags of a version are fixed: register a new version with other ones.")
        workspace, row = self._registered_in()
        if description is not None:
            row = workspace._client.patch(f"/datasets/{row['id']}/", {"description": description})
        return self._as_registered(workspace, row, self._version)

    def add_tags(self, tags: Mapping[str, str] | None = None) -> AbstractDataset:
        return self.update(tags=tags)

    def remove_tags(self, tags: Any = None) -> AbstractDataset:
        return self.update(tags=tags)

    def unregister_all_versions(self) -> None:
        """Forget the dataset. What its files hold stays."""
        workspace, row = self._registered_in()
        workspace._client.delete(f"/datasets/{row['id']}/")

    def _body(self) -> dict[str, Any]:
        """What it is, as the studio takes it: `paths` or `table`."""
        raise NotImplementedError

    def _is_same_as(self, other: Any) -> bool:
        """Whether the registered `other` says the same."""
        raise NotImplementedError

    def _saved(self: OfKind, workspace: Workspace | None = None) -> OfKind:
        """It as a registered version; one without a name gets one that is made of what it says."""
        if self._dataset is not None:
            return self
        home = workspace or self._home()
        body = self._body()
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        name = f"{UNNAMED}{digest[:16]}"
        for row in home._client.all_of("/datasets/", q=name):
            if row["name"] == name:
                return self._as_registered(home, row, None)
        said = {"description": "Made by a program for an input, without a name."}
        return self._as_registered(home, home._client.post("/datasets/", {"name": name, **body, **said}), None)

    def _home(self) -> Workspace:
        if self._workspace is None:
            raise UserErrorException("This dataset belongs to no workspace yet: register it in one first.")
        return self._workspace

    def _registered_in(self) -> tuple[Workspace, Mapping[str, Any]]:
        if self._dataset is None:
            raise UserErrorException("This dataset is not registered: call register(workspace, name) first.")
        return self._home(), self._dataset

    def _whole(self) -> Mapping[str, Any]:
        """Its version, asked for once."""
        workspace, row = self._registered_in()
        if self._version is None:
            self._version = workspace._client.get(f"/datasets/{row['id']}/versions/{row['latest_version']}/")
        return self._version

    @property
    def _address(self) -> str:
        _workspace, row = self._registered_in()
        return f"/datasets/{row['id']}/versions/{self.version}/"

    def _as_registered(
        self: OfKind, workspace: Workspace, row: Mapping[str, Any], version: Mapping[str, Any] | None
    ) -> OfKind:
        made = copy.copy(self)
        made._workspace, made._dataset, made._version = workspace, row, version
        return made

    def _files(self) -> Iterator[dict[str, Any]]:
        """Those that it names, as they are now."""
        saved = self._saved()
        page = 1
        while True:
            found = saved._home()._client.get(f"{saved._address}files/", page=str(page))
            yield from found["files"]
            if not found["has_more"]:
                return
            page += 1

    def __repr__(self) -> str:
        if self._dataset is None:
            return f"{type(self).__name__}(not registered)"
        return f"{type(self).__name__}(name='{self.name}', version={self.version})"


def _registered(workspace: Workspace, row: Mapping[str, Any], number: Any) -> AbstractDataset:
    try:
        version = workspace._client.get(f"/datasets/{row['id']}/versions/{int(number)}/")
    except ValueError:
        raise UserErrorException(f"“{number}” is no version: give a number, or “latest”.") from None
    except NotFound:
        raise UserErrorException(
            f"The dataset “{row['name']}” has no version {number}. Its latest is {row['latest_version']}."
        ) from None
    return _of(workspace, row, version)


def _of(workspace: Workspace, row: Mapping[str, Any], version: Mapping[str, Any] | None) -> AbstractDataset:
    from studio_sdk.data.file_dataset import FileDataset
    from studio_sdk.data.tabular_dataset import TabularDataset

    kind: type[AbstractDataset] = TabularDataset if row["kind"] == "table" else FileDataset
    made = object.__new__(kind)
    made._workspace, made._dataset, made._version = workspace, row, version
    return made
