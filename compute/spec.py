"""What a job is to do and with what: the contract between whoever asks for work and the node that does it."""

import hashlib
import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from datastores.sources import DataPath, TabularDefinition
from studio.lib.typed_json import Document


class EnvironmentSpec(Document):
    """With what a command runs. Equal specifications share one lock, and one build per machine.

    Either packages that the studio installs, or with `interpreter` a Python whose packages somebody else looks after.
    """

    python_version: str = "3.11"
    pip: list[str] = Field(default_factory=list)
    conda: list[str] = Field(default_factory=list)  # as in a conda file, without `python` and the pip part
    channels: list[str] = Field(default_factory=list)  # of conda, the first one goes first
    indexes: list[str] = Field(default_factory=list)  # names of further package indexes that an administrator set up
    variables: dict[str, str] = Field(default_factory=dict)  # a command's own go before them
    setup_script: str = ""  # run once, as the last part of the build
    interpreter: str = ""  # a path on the node
    generation: int = 0  # goes up where the same requirements are to be locked anew

    @property
    def digest(self) -> str:
        """SHA-256 over what makes the environment, in hexadecimal.

        What is left out counts for nothing, so that a specification keeps its digest when there is more to be said.
        """
        more = {
            "conda": sorted(self.conda),
            "channels": self.channels,
            "indexes": self.indexes,
            "variables": self.variables,
            "setup_script": self.setup_script,
            "interpreter": self.interpreter,
            "generation": self.generation,
        }
        said = {"python": self.python_version, "pip": sorted(self.pip)} | {key: it for key, it in more.items() if it}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @property
    def is_managed(self) -> bool:
        """Whether the studio installs its packages, and so knows them."""
        return not self.interpreter


class LockedPackage(BaseModel):
    """A package as it was installed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    source: Literal["pip", "conda"] = "pip"


class EnvironmentLock(Document):
    """Exactly what a specification means since its first build; every later one installs this."""

    tool: Literal["uv", "conda"] = "uv"
    python: str  # of the build that it was made from, as in "3.11.7"
    requirements: str = ""  # for pip: each with its version, and with its files' hashes where the index tells them
    conda: str = ""  # for conda: an explicit list of addresses
    platform: str  # whose files the explicit list names, as in "linux-64"; where it was made
    packages: list[LockedPackage] = Field(default_factory=list)

    @property
    def digest(self) -> str:
        """SHA-256 over what is installed, in hexadecimal."""
        said = json.dumps([self.tool, self.requirements, self.conda])
        return hashlib.sha256(said.encode()).hexdigest()


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
    required: bool = False  # a command that ends well and leaves it empty has failed all the same


RetryCause = Literal["exit", "timeout", "memory"]
RETRY_CAUSES: tuple[RetryCause, ...] = ("exit", "timeout", "memory")


class Retry(BaseModel):
    """Whether a failed attempt is followed by another, and when.

    `on` says after which failures: an exit code, the time limit, the memory limit (or the machine's). What passes by
    itself, as a broken connection to a datastore, is always worth another attempt. The n-th wait is
    `backoff_s * backoff_factor ** (n - 1)`, at most `max_backoff_s`. Lost nodes are counted apart from all that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_attempts: int = 1  # the first one included
    on: list[RetryCause] = Field(default_factory=lambda: list(RETRY_CAUSES))
    exit_codes: str = ""  # of `exit` only these, as in `3, 10-20`; empty: any
    backoff_s: FiniteFloat = 0.0
    backoff_factor: FiniteFloat = 2.0
    max_backoff_s: FiniteFloat = 3600.0
    max_node_losses: int = 2


class Limits(BaseModel):
    """What the whole process tree of a job may use. None: what the node's settings say, which may be no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_bytes: int | None = None  # memory of its own, over all its processes
    cpus: FiniteFloat | None = None  # cores at once
    output_bytes: int | None = None  # of each output
    log_bytes: int | None = None


class Resources(BaseModel):
    """What a job asks of the one node that runs it. What is absent is not set aside: the job takes a slot alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpus: FiniteFloat | None = None
    memory_bytes: int | None = None
    gpus: int = 0

    @property
    def is_empty(self) -> bool:
        return self.cpus is None and self.memory_bytes is None and not self.gpus


class Gpu(BaseModel):
    """A device of a node: `id` is what CUDA_VISIBLE_DEVICES takes, `key` names it for every node of the machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    key: str
    name: str = ""
    memory_bytes: int | None = None


class Gpus(Document):
    """The devices that a node may give out."""

    devices: list[Gpu] = Field(default_factory=list)


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
    retry: Retry = Field(default_factory=Retry)
    limits: Limits = Field(default_factory=Limits)
    resources: Resources = Field(default_factory=Resources)


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
