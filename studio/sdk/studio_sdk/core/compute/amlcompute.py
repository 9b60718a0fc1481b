"""Targets with nodes of their own: pools that grow and shrink, and local ones."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studio_sdk.core.compute.compute import ComputeTarget, ComputeTargetProvisioningConfiguration
from studio_sdk.exceptions import ComputeTargetException, NotSupportedException, UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.workspace import Workspace

__all__ = [
    "AmlCompute",
    "AmlComputeNodeStateCounts",
    "AmlComputeProvisioningConfiguration",
    "AmlComputeStatus",
    "ScaleSettings",
]

_SIZE = "Asked for as "
_POLL_S = 1.0


class ScaleSettings:
    """How many nodes there are at least and at most, and after how long without work one goes."""

    def __init__(self, minimum_node_count: int, maximum_node_count: int, idle_seconds_before_scaledown: float) -> None:
        self.minimum_node_count = minimum_node_count
        self.maximum_node_count = maximum_node_count
        self.idle_seconds_before_scaledown = idle_seconds_before_scaledown

    def serialize(self) -> dict[str, Any]:
        return {
            "minNodeCount": self.minimum_node_count,
            "maxNodeCount": self.maximum_node_count,
            "nodeIdleTimeBeforeScaleDown": f"PT{int(self.idle_seconds_before_scaledown)}S",
        }


class AmlComputeNodeStateCounts:
    """How many nodes are in which state."""

    def __init__(
        self,
        idle_node_count: int = 0,
        leaving_node_count: int = 0,
        preempted_node_count: int = 0,
        preparing_node_count: int = 0,
        running_node_count: int = 0,
        unusable_node_count: int = 0,
    ) -> None:
        self.idle_node_count = idle_node_count
        self.leaving_node_count = leaving_node_count
        self.preempted_node_count = preempted_node_count
        self.preparing_node_count = preparing_node_count
        self.running_node_count = running_node_count
        self.unusable_node_count = unusable_node_count

    def serialize(self) -> dict[str, int]:
        return {
            "preparingNodeCount": self.preparing_node_count,
            "runningNodeCount": self.running_node_count,
            "idleNodeCount": self.idle_node_count,
            "unusableNodeCount": self.unusable_node_count,
            "leavingNodeCount": self.leaving_node_count,
            "preemptedNodeCount": self.preempted_node_count,
        }


class AmlComputeStatus:
    """How a target is: `serialize()` gives azureml's dictionary."""

    def __init__(
        self,
        allocation_state: str,
        current_node_count: int,
        target_node_count: int,
        node_state_counts: AmlComputeNodeStateCounts,
        scale_settings: ScaleSettings,
        creation_time: str,
        vm_size: str,
        provisioning_state: str = "Succeeded",
        errors: list[Any] | None = None,
        vm_priority: str = "dedicated",
    ) -> None:
        self.allocation_state = allocation_state
        self.current_node_count = current_node_count
        self.target_node_count = target_node_count
        self.node_state_counts = node_state_counts
        self.scale_settings = scale_settings
        self.creation_time = creation_time
        self.vm_size = vm_size
        self.provisioning_state = provisioning_state
        self.errors = errors or []
        self.vm_priority = vm_priority

    def serialize(self) -> dict[str, Any]:
        return {
            "currentNodeCount": self.current_node_count,
            "targetNodeCount": self.target_node_count,
            "nodeStateCounts": self.node_state_counts.serialize(),
            "allocationState": self.allocation_state,
            "creationTime": self.creation_time,
            "provisioningState": self.provisioning_state,
            "errors": list(self.errors) or None,
            "scaleSettings": self.scale_settings.serialize(),
            "vmPriority": self.vm_priority,
            "vmSize": self.vm_size,
        }

    def __repr__(self) -> str:
        return f"AmlComputeStatus({self.serialize()})"


class AmlComputeProvisioningConfiguration(ComputeTargetProvisioningConfiguration):
    """What `AmlCompute.provisioning_configuration` makes."""

    def __init__(
        self,
        vm_size: str = "",
        vm_priority: str = "dedicated",
        min_nodes: int = 0,
        max_nodes: int | None = None,
        idle_seconds_before_scaledown: float = 1800,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        location: str | None = None,
    ) -> None:
        super().__init__("AmlCompute", location)
        self.vm_size = vm_size
        self.vm_priority = vm_priority
        self.min_nodes = min_nodes
        self.max_nodes = max_nodes if max_nodes is not None else max(min_nodes, 1)
        self.idle_seconds_before_scaledown = idle_seconds_before_scaledown
        self.description = description or ""
        self.tags = dict(tags or {})

    def validate_configuration(self) -> None:
        if not 0 <= self.min_nodes <= self.max_nodes or not self.max_nodes:
            raise ComputeTargetException(
                "There are 0 or more nodes at least, at most 1 or more, and not fewer at most."
            )

    def _body(self) -> dict[str, Any]:
        size = f"{_SIZE}{self.vm_size}." if self.vm_size else ""
        return {
            "kind": "pool",
            "slots": 1,  # in Azure a node runs one step at a time
            "description": " ".join(each for each in (self.description, size) if each),
            "pool": {
                "provider": "processes",
                "min_nodes": self.min_nodes,
                "max_nodes": self.max_nodes,
                "idle_s": float(self.idle_seconds_before_scaledown),
            },
        }


class AmlCompute(ComputeTarget):
    """Nodes that run one step each, as many as their work needs; or the slots of a local target."""

    @staticmethod
    def provisioning_configuration(
        vm_size: str = "",
        vm_priority: str = "dedicated",
        min_nodes: int = 0,
        max_nodes: int | None = None,
        idle_seconds_before_scaledown: float = 1800,
        admin_username: str | None = None,
        admin_user_password: str | None = None,
        admin_user_ssh_key: str | None = None,
        vnet_resourcegroup_name: str | None = None,
        vnet_name: str | None = None,
        subnet_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        description: str | None = None,
        remote_login_port_public_access: str = "NotSpecified",
        identity_type: str | None = None,
        identity_id: list[str] | None = None,
        location: str | None = None,
        enable_node_public_ip: bool = True,
    ) -> AmlComputeProvisioningConfiguration:
        """A pool whose nodes are processes of the studio's machine.

        `vm_size` is written down with the target: nodes have the CPUs and memory of the machine, and a step may ask
        for a part of them. Network, log-in and identity mean nothing here.
        """
        return AmlComputeProvisioningConfiguration(
            vm_size, vm_priority, min_nodes, max_nodes, idle_seconds_before_scaledown, description, tags, location
        )

    @property
    def vm_size(self) -> str:
        """What `provisioning_configuration` was told; empty for a target that was made otherwise."""
        _before, mark, after = self.description.rpartition(_SIZE)
        return after.rstrip(".") if mark and " " not in after else ""

    @property
    def scale_settings(self) -> ScaleSettings:
        pool = self._row["pool"]
        if pool is None:
            count = len(self._alive())
            return ScaleSettings(count, count, 0)
        return ScaleSettings(pool["min_nodes"], pool["max_nodes"], pool["idle_s"])

    @property
    def status(self) -> AmlComputeStatus:
        """As `get_status`, of when it was last looked at."""
        nodes = self._alive()
        busy = sum(1 for node in nodes if node["slots_in_use"])
        draining = sum(1 for node in nodes if node["intake"] == "draining")
        silent = sum(1 for node in self._row["nodes"] if node["state"] == "silent")
        waits = int(self._row["queue_length"])
        scale = self.scale_settings
        wanted = max(scale.minimum_node_count, min(scale.maximum_node_count, busy + waits), len(nodes))
        return AmlComputeStatus(
            allocation_state="Steady" if wanted == len(nodes) else "Resizing",
            current_node_count=len(nodes),
            target_node_count=wanted,
            node_state_counts=AmlComputeNodeStateCounts(
                idle_node_count=len(nodes) - busy,
                leaving_node_count=draining,
                running_node_count=busy,
                unusable_node_count=silent,
            ),
            scale_settings=scale,
            creation_time=str(self._row["created_at"]),
            vm_size=self.vm_size,
        )

    def get_status(self) -> AmlComputeStatus:
        """How it is now."""
        self.refresh_state()
        return self.status

    def get(self) -> dict[str, Any]:
        self.refresh_state()
        return self.serialize()

    def list_nodes(self) -> list[dict[str, Any]]:
        """Its nodes, in azureml's words and the studio's own."""
        self.refresh_state()
        return [
            {
                "nodeId": node["name"],
                "nodeState": "running" if node["slots_in_use"] else "idle" if node["state"] == "alive" else "unusable",
                "privateIpAddress": node["hostname"],
                "publicIpAddress": None,
                "port": None,
                "runId": None,
                **node,
            }
            for node in self._row["nodes"]
        ]

    def update(
        self,
        min_nodes: int | None = None,
        max_nodes: int | None = None,
        idle_seconds_before_scaledown: float | None = None,
    ) -> None:
        """Change how many nodes there are. Raises ComputeTargetException where that can't be."""
        if self._row["pool"] is None:
            raise ComputeTargetException(
                f"“{self.name}” is no pool of this workspace: it has the nodes that are started."
            )
        given = {"min_nodes": min_nodes, "max_nodes": max_nodes, "idle_s": idle_seconds_before_scaledown}
        changes = {key: value for key, value in given.items() if value is not None}
        try:
            self._row = self._workspace._client.patch(self._path, {"pool": changes})
        except UserErrorException as error:
            raise ComputeTargetException(str(error), error) from None

    def wait_for_completion(  # type: ignore[override] # azureml's order
        self,
        show_output: bool = False,
        min_node_count: int | None = None,
        timeout_in_minutes: float = 25,
        is_delete_operation: bool = False,
    ) -> None:
        """Until `min_node_count` nodes are there (as many as there always are, unless given), or the time is up."""
        wanted = min_node_count if min_node_count is not None else self.scale_settings.minimum_node_count
        until = time.monotonic() + timeout_in_minutes * 60
        told = -1
        while True:
            self.refresh_state()
            there = len(self._alive())
            if show_output and there != told:
                print(
                    f"“{self.name}” has {there} of {wanted} nodes." if wanted else f"“{self.name}” is ready.",
                    flush=True,
                )
                told = there
            if there >= wanted:
                return
            if time.monotonic() >= until:
                if show_output:
                    print(f"Waited {timeout_in_minutes:g} minutes: “{self.name}” has {there} of {wanted} nodes.")
                return
            time.sleep(_POLL_S)

    @staticmethod
    def supported_vmsizes(workspace: Workspace, location: str | None = None) -> list[dict[str, Any]]:
        raise NotSupportedException(
            "There are no sizes to choose from: a node has what its machine has. See list_nodes()."
        )

    @staticmethod
    def list_usages(workspace: Workspace, show_all: bool = False, location: str | None = None) -> list[dict[str, Any]]:
        """The quotas that hold in the workspace, with what is used of them."""
        found: list[dict[str, Any]] = list(_rows(workspace._client.get("/quotas/")))
        return found

    @staticmethod
    def list_quotas(workspace: Workspace, location: str | None = None) -> list[dict[str, Any]]:
        return AmlCompute.list_usages(workspace)

    def add_identity(self, identity_type: str, identity_id: Any = None) -> None:
        raise NotSupportedException("Nodes have no identity in Azure: give a datastore its credentials.")

    def remove_identity(self, identity_id: Any = None) -> None:
        raise NotSupportedException("Nodes have no identity in Azure: give a datastore its credentials.")

    def _alive(self) -> list[Mapping[str, Any]]:
        return [node for node in self._row["nodes"] if node["state"] == "alive"]


def _rows(answer: Any) -> list[dict[str, Any]]:
    return answer["results"] if isinstance(answer, dict) and "results" in answer else [answer]
