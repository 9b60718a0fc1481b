"""What a job is to do and with what: the contract between whoever asks for work and the node that does it."""

import hashlib
import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from datastores.sources import DataPath, TabularDefinition
from studio.lib.typed_json import Document


class EnvironmentSpec(Document):
    """A Python version and pip requirements. Equal specifications share one build per node."""

    python_version: str = "3.11"
    pip: list[str] = Field(default_factory=list)

    @property
    def digest(self) -> str:
        """SHA-256 over what makes the environment, in hexadecimal."""
        canonical = json.dumps({"python": self.python_version, "pip": sorted(self.pip)}, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()


InputMode = Literal["direct", "download", "mount"]
OutputMode = Literal["upload", "mount"]


class JobInput(BaseModel):
    """Data that a job reads.

    One plain path arrives as that path; globs and several paths as a folder of links; a table as a folder of Parquet.
    `direct` gives the address instead, `mount` a file system where the node has FUSE, `download` a copy on the node.
    What the node can reach as a folder is never copied, whatever the mode.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    paths: list[DataPath] = Field(default_factory=list)
    table: TabularDefinition | None = None  # instead of paths
    mode: InputMode = "download"


class JobOutput(BaseModel):
    """A folder that a job writes: `path` below the datastore's root, with `{attempt}` for the attempt's number.

    `upload` brings it there when the command has ended well; `mount` writes through a mounted file system.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    datastore_id: int
    path: str
    mode: OutputMode = "upload"


class JobSpec(Document):
    """Everything that a node needs to run a job.

    `command` is the argument list; `${{inputs.NAME}}` and `${{outputs.NAME}}` in it become paths on the node, and a
    first element `python` is the environment's interpreter.
    """

    command: list[str]
    snapshot: str | None = None  # digest of the source folder, the process's working folder
    environment: EnvironmentSpec
    inputs: dict[str, JobInput] = Field(default_factory=dict)
    outputs: dict[str, JobOutput] = Field(default_factory=dict)
    environment_variables: dict[str, str] = Field(default_factory=dict)
    timeout_s: float | None = None


class OutputRecord(BaseModel):
    """What a job left in one of its outputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datastore_id: int
    path: str  # the folder, `{attempt}` filled in
    fingerprint: str  # SHA-256 over the sorted (path, content digest) pairs
    file_count: int
    size_bytes: int


class JobResult(Document):
    """What a completed attempt reports."""

    outputs: dict[str, OutputRecord] = Field(default_factory=dict)
