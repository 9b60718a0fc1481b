"""What all compute targets have in common.

```python
from studio_sdk.core.compute import AmlCompute, ComputeTarget
from studio_sdk.core.compute_target import ComputeTargetException

try:
    target = ComputeTarget(workspace, "pool")
except ComputeTargetException:
    settings = AmlCompute.provisioning_configuration(min_nodes=0, max_nodes=4)
    target = ComputeTarget.create(workspace, "pool", settings)
target.wait_for_completion(show_output=True)
```
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studio_sdk._client import NotFound
from studio_sdk.exceptions import ComputeTargetException, NotSupportedException, UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.workspace import Workspace

__all__ = [
    "ComputeTarget",
    "ComputeTargetAttachConfiguration",
    "ComputeTargetException",
    "ComputeTargetProvisioningConfiguration",
    "ComputeTargetUpdateConfiguration",
]


class ComputeTargetProvisioningConfiguration:
    """Base: what `ComputeTarget.create` takes."""

    def __init__(self, type: str, location: str | None = None) -> None:  # noqa: A002 (azureml's name)
        self.type = type
        self.location = location

    def validate_configuration(self) -> None:
        """Raises ComputeTargetException."""

    def _body(self) -> dict[str, Any]:
        raise NotImplementedError


class ComputeTargetAttachConfiguration(ComputeTargetProvisioningConfiguration):
    """Base: what `ComputeTarget.attach` takes."""


class ComputeTargetUpdateConfiguration(ComputeTargetProvisioningConfiguration):
    """Base: what `ComputeTarget.update` takes."""


class ComputeTarget:
    """`ComputeTarget(workspace, name)` is the one of that name. Raises ComputeTargetException where there is none."""

    _workspace: Workspace
    _row: Mapping[str, Any]

    def __init__(self, workspace: Workspace, name: str) -> None:
        for row in workspace._client.all_of("/compute/"):
            if row["name"] == name:
                self.__class__ = _class_of(row)
                self._workspace, self._row = workspace, row
                return
        raise ComputeTargetException(f"There is no compute target “{name}” in “{workspace.name}”.")

    @staticmethod
    def create(
        workspace: Workspace, name: str, provisioning_configuration: ComputeTargetProvisioningConfiguration
    ) -> ComputeTarget:
        """Make a target. Where there is one of that name, it is an error."""
        provisioning_configuration.validate_configuration()
        return _make(workspace, {"name": name, **provisioning_configuration._body()})

    @staticmethod
    def attach(
        workspace: Workspace, name: str, attach_configuration: ComputeTargetAttachConfiguration
    ) -> ComputeTarget:
        """Machines that are there already, as `RemoteCompute.attach_configuration` names them."""
        attach_configuration.validate_configuration()
        return _make(workspace, {"name": name, **attach_configuration._body()})

    @staticmethod
    def list(workspace: Workspace) -> list[ComputeTarget]:
        """The workspace's own, and the shared ones."""
        return [ComputeTarget._of(workspace, row) for row in workspace._client.all_of("/compute/")]

    @property
    def name(self) -> str:
        return str(self._row["name"])

    @property
    def id(self) -> int:
        """The studio's number of it."""
        return int(self._row["id"])

    @property
    def workspace(self) -> Workspace:
        return self._workspace

    @property
    def type(self) -> str:
        """`AmlCompute`, as azureml calls what has nodes of its own."""
        return "AmlCompute"

    @property
    def description(self) -> str:
        return str(self._row["description"])

    @property
    def provisioning_state(self) -> str:
        return "Succeeded"

    @property
    def provisioning_errors(self) -> builtins.list[Any]:
        return []

    @property
    def tags(self) -> dict[str, str]:
        return {}

    def get_status(self) -> Any:
        raise NotImplementedError

    def refresh_state(self) -> None:
        """Ask the studio how it is now."""
        try:
            self._row = self._workspace._client.get(self._path)
        except NotFound:
            raise ComputeTargetException(f"There is no compute target “{self.name}” any more.") from None

    def wait_for_completion(self, show_output: bool = False, is_delete_operation: bool = False) -> None:
        """A target is there as soon as it is made."""
        self.refresh_state()
        if show_output:
            print(f"The compute target “{self.name}” is there.")

    def delete(self) -> None:
        """Its nodes finish what they run; nothing further starts."""
        try:
            self._workspace._client.delete(self._path)
        except UserErrorException as error:
            raise ComputeTargetException(str(error), error) from None

    def detach(self) -> None:
        self.delete()

    def serialize(self) -> dict[str, Any]:
        return dict(self._row)

    @staticmethod
    def deserialize(workspace: Workspace, object_dict: Mapping[str, Any]) -> ComputeTarget:
        return ComputeTarget._of(workspace, object_dict)

    def get_active_runs(
        self,
        type: str | None = None,  # noqa: A002 (azureml's name)
        tags: Any = None,
        properties: Any = None,
        status: str | None = None,
    ) -> Any:
        raise NotSupportedException("Use Experiment.get_runs(), or look at the page of the target.")

    @property
    def _path(self) -> str:
        return f"/compute/{self.id}/"

    def _has_gpus(self) -> bool:
        return any(node["capacity"]["gpus"] for node in self._row["nodes"])

    @staticmethod
    def _of(workspace: Workspace, row: Mapping[str, Any]) -> ComputeTarget:
        made = object.__new__(_class_of(row))
        made._workspace, made._row = workspace, row
        return made

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(name='{self.name}', kind='{self._row['kind']}')"


def _class_of(_row: Mapping[str, Any]) -> type[ComputeTarget]:
    from studio_sdk.core.compute.amlcompute import AmlCompute

    return AmlCompute


def _make(workspace: Workspace, body: Mapping[str, Any]) -> ComputeTarget:
    try:
        row = workspace._client.post("/compute/", body)
    except UserErrorException as error:
        raise ComputeTargetException(str(error), error) from None
    return ComputeTarget._of(workspace, row)
