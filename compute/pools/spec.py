"""What a pool is: how many nodes, how large, and where they are started."""

from typing import Literal

from pydantic import Field

from studio.lib.typed_json import Document

ProviderName = Literal["processes", "ssh"]

MOST_NODES = 200
MOST_ON_HOST = 64
LONGEST_IDLE_S = 7 * 24 * 3600
FOLDER = ".pipeline-studio"


class SshHost(Document):
    """A machine that takes nodes. `host_key` is the fingerprint that it must show, as in SHA256:…"""

    host: str = Field(max_length=255)
    port: int = Field(default=22, ge=1, le=65535)
    user: str = Field(max_length=100)
    host_key: str = Field(default="", max_length=5000)

    @property
    def address(self) -> str:
        """How people name it, and how a node's row does: `user@host`, with the port where it is not 22."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}" + (f":{self.port}" if self.port != 22 else "")


class PoolSpec(Document):
    """The settings of a pool. What is said of SSH matters for that provider only."""

    provider: ProviderName = "processes"
    min_nodes: int = 0
    max_nodes: int = 2
    idle_s: float = 300.0  # a node without work for so long goes
    hosts: list[SshHost] = Field(default_factory=list)
    nodes_per_host: int = 1
    auth: Literal["key", "password", "identity"] = "key"
    folder: str = FOLDER  # on each host: absolute, or from the user's home
    python: str = ""  # on each host; empty looks for one that is new enough

    def host_at(self, address: str) -> SshHost | None:
        return next((host for host in self.hosts if host.address == address), None)
