"""What a job is to do and with what: the contract between whoever asks for work and the node that does it."""

import hashlib
import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue

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
    What the node can reach as a folder is never copied, whatever the mode. With `folders` it is always one folder:
    what each path means lies in its own below that, and is downloaded where it is not reached as a folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    paths: list[DataPath] = Field(default_factory=list)
    folders: list[str] = Field(default_factory=list)  # for each path, the folder for it; empty for the input's own
    table: TabularDefinition | None = None  # instead of paths
    mode: InputMode = "download"


class JobOutput(BaseModel):
    """A folder that a job writes: `path` below the datastore's root, with `{attempt}` for the attempt's number.

    With `file` it is the one file of that name in the folder, and its placeholder the file's path.
    `upload` brings it there when the command has ended well; `mount` writes through a mounted file system. What is
    `kept` stays however the command ended: when it failed, was cancelled or ran out of time, as it was by then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    datastore_id: int
    path: str
    file: str | None = None
    mode: OutputMode = "upload"
    required: bool = False  # a command that ends well and leaves it empty has failed all the same
    kept: bool = False


class JobArtifacts(BaseModel):
    """A folder for what a job writes to `outputs/` and `logs/` of its working folder: `path` as of an output."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datastore_id: int
    path: str


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


class WorkStore(BaseModel):
    """A datastore that work opens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datastore_id: int


class NodeWork(BaseModel):
    """What the node does itself instead of a command: a program of `compute.work.registry`, with its own settings.

    It opens the datastores of the job's inputs and outputs, and `datastores` by the names that the program has for
    them. `notes` is a folder, below the root of each output's datastore, where it may keep what the next attempt
    of the same job has to know; where it `resumes`, all attempts write to one folder, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    program: str
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    datastores: dict[str, WorkStore] = Field(default_factory=dict)
    notes: str = ""
    resumes: bool = False


class WebAccess(BaseModel):
    """An interface of the studio that a client within the process speaks, and the variables by which it finds it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str  # behind the studio's address
    address_in: str
    token_in: str
    variables: dict[str, str] = Field(default_factory=dict)  # more that it wants to know, where it can reach the studio


class JobSpec(Document):
    """Everything that a node needs to run a job.

    `command` is the argument list; `${{inputs.NAME}}`, `${{outputs.NAME}}` and `${{programs.NAME}}` (of
    `compute.programs`) in it, and in `environment_variables`, become paths on the node, and a first element `python` is
    the environment's interpreter. Where there is `work`, the node does that, and needs neither command, nor source
    folder, nor environment.
    """

    command: list[str]
    work: NodeWork | None = None
    snapshot: str | None = None  # digest of the source folder, the process's working folder
    environment: EnvironmentSpec
    inputs: dict[str, JobInput] = Field(default_factory=dict)
    outputs: dict[str, JobOutput] = Field(default_factory=dict)
    artifacts: JobArtifacts | None = None  # None: nothing of its working folder is kept
    environment_variables: dict[str, str] = Field(default_factory=dict)  # they go before the environment's own
    timeout_s: float | None = None
    retry: Retry = Field(default_factory=Retry)
    limits: Limits = Field(default_factory=Limits)
    resources: Resources = Field(default_factory=Resources)
    web: WebAccess | None = None


class OutputRecord(BaseModel):
    """What a job left in one of its outputs.

    One that is made of others has them as `parts`, by the folder that each stands for in it; what is at its own path
    tells of these, and is read with them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    datastore_id: int
    path: str  # the folder, `{attempt}` filled in; the file, of an output that is one and was written
    is_file: bool = False
    fingerprint: str  # SHA-256 over the sorted (path, content digest) pairs
    file_count: int
    size_bytes: int
    parts: dict[str, "OutputRecord"] = Field(default_factory=dict)


class ArtifactsRecord(BaseModel):
    """What an attempt left in `outputs/` and `logs/` of its working folder, and what it uploaded by call.

    The files lie below `path`, by the names that they had, and are in no list but that of their datastore. `note` says
    in a sentence what was left out; empty where all was kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    datastore_id: int
    path: str
    file_count: int
    size_bytes: int
    note: str = ""


class JobResult(Document):
    """What an attempt reports that is over: all outputs of a completed one, the kept ones of any other."""

    outputs: dict[str, OutputRecord] = Field(default_factory=dict)
    artifacts: ArtifactsRecord | None = None  # None where there are none
