"""azureml's other kinds of compute: by their names, with what to use instead. SSH hosts can be attached."""

from __future__ import annotations

from typing import Any

from studio_sdk.core.compute.amlcompute import AmlCompute
from studio_sdk.core.compute.compute import ComputeTarget, ComputeTargetAttachConfiguration
from studio_sdk.exceptions import ComputeTargetException, NotSupportedException

_POOL = "Use a pool: AmlCompute.provisioning_configuration(min_nodes=…, max_nodes=…), or attach hosts by RemoteCompute."


class RemoteComputeAttachConfiguration(ComputeTargetAttachConfiguration):
    """A host that lets the studio in over SSH."""

    def __init__(
        self,
        address: str,
        ssh_port: int = 22,
        username: str | None = None,
        password: str | None = None,
        private_key_file: str | None = None,
        private_key_passphrase: str | None = None,
        host_key: str = "",
    ) -> None:
        super().__init__("VirtualMachine")
        self.address, self.ssh_port, self.username, self.host_key = address, ssh_port, username, host_key
        self.password, self.private_key_file = password, private_key_file
        self.private_key_passphrase = private_key_passphrase

    def validate_configuration(self) -> None:
        if not self.address or not self.username:
            raise ComputeTargetException("Give the address of the host, and the username there.")
        if bool(self.password) == bool(self.private_key_file):
            raise ComputeTargetException("Give either a password or a private_key_file.")

    def _body(self) -> dict[str, Any]:
        secrets: dict[str, str] = {}
        if self.private_key_file:
            with open(self.private_key_file, encoding="utf-8") as file:
                secrets["private_key"] = file.read()
            if self.private_key_passphrase:
                secrets["passphrase"] = self.private_key_passphrase
        elif self.password:
            secrets["password"] = self.password
        host = {"host": self.address, "port": self.ssh_port, "user": self.username, "host_key": self.host_key}
        pool = {
            "provider": "ssh",
            "auth": "key" if self.private_key_file else "password",
            "hosts": [host],
            "min_nodes": 0,
            "max_nodes": 1,
        }
        return {"kind": "pool", "pool": pool, "credentials": secrets}


class RemoteCompute(AmlCompute):
    """A host over SSH. The studio installs itself there; an administrator alone may attach one."""

    @staticmethod
    def attach_configuration(
        username: str | None = None,
        address: str | None = None,
        resource_id: str | None = None,
        ssh_port: int = 22,
        password: str | None = None,
        private_key_file: str | None = None,
        private_key_passphrase: str | None = None,
        host_key: str = "",
    ) -> RemoteComputeAttachConfiguration:
        """`host_key` is the fingerprint that the host must show."""
        if resource_id is not None:
            raise NotSupportedException("Give the address of the host: the studio knows no resources of Azure.")
        return RemoteComputeAttachConfiguration(
            address or "", ssh_port, username, password, private_key_file, private_key_passphrase, host_key
        )


class _Elsewhere(ComputeTarget):
    """Of what is not reached: every way to make one raises NotSupportedException."""

    _WHAT = "This kind of compute"
    _INSTEAD = _POOL

    @classmethod
    def attach_configuration(cls, *_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException(f"{cls._WHAT} is not reached. {cls._INSTEAD}")

    @classmethod
    def provisioning_configuration(cls, *_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException(f"{cls._WHAT} is not reached. {cls._INSTEAD}")


class AdlaCompute(_Elsewhere):
    _WHAT = "Azure Data Lake Analytics, which was retired,"
    _INSTEAD = _POOL


class AksCompute(_Elsewhere):
    _WHAT = "Kubernetes"
    _INSTEAD = _POOL


class BatchCompute(_Elsewhere):
    _WHAT = "Azure Batch"
    _INSTEAD = _POOL


class ComputeInstance(_Elsewhere):
    _WHAT = "A compute instance"
    _INSTEAD = _POOL


class DataFactoryCompute(_Elsewhere):
    _WHAT = "Data Factory (a DataTransferStep needs no target)"
    _INSTEAD = _POOL


class DatabricksCompute(_Elsewhere):
    _WHAT = "Databricks"
    _INSTEAD = _POOL


class DsvmCompute(_Elsewhere):
    _WHAT = "A data science virtual machine"
    _INSTEAD = _POOL


class HDInsightCompute(_Elsewhere):
    _WHAT = "HDInsight"
    _INSTEAD = _POOL


class KubernetesCompute(_Elsewhere):
    _WHAT = "Kubernetes"
    _INSTEAD = _POOL


class KustoCompute(_Elsewhere):
    _WHAT = "Kusto"
    _INSTEAD = _POOL


class SynapseCompute(_Elsewhere):
    _WHAT = "Synapse"
    _INSTEAD = _POOL
