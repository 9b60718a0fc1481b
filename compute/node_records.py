"""What a node keeps of itself in the database: how its machine was used, and what the node said."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from studio.lib.typed_json import Document

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

KEPT_S = 3600.0  # figures of the last hour are shown
ROW_S = 300.0  # of so long they stand in one row


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GpuPoint(_Part):
    """A device at one moment."""

    key: str
    name: str = ""
    busy: float | None = None  # percent
    memory_used: int | None = None  # bytes
    memory_total: int | None = None


class NodePoint(_Part):
    """A node's machine at one moment; rates and shares are of the time since the point before. None: not known."""

    at_s: float  # after the first point of its row
    cpu: float | None = None  # percent of the CPUs that the node may use
    memory_used: int | None = None  # bytes
    memory_total: int | None = None
    disk_used: int | None = None  # of the disk that the node works on, bytes
    disk_total: int | None = None
    disk_read: float | None = None  # bytes a second
    disk_written: float | None = None
    gpus: list[GpuPoint] = Field(default_factory=list)


class NodePoints(Document):
    """A few minutes of points, in order."""

    points: list[NodePoint] = Field(default_factory=list)


class NodeLine(_Part):
    """One record of a node's own log; `text` may have several lines, as a traceback has."""

    at: float  # seconds since 1970, by the node's clock
    level: Level = "INFO"
    logger: str = ""
    text: str


class NodeLines(Document):
    """What a node said between two heartbeats."""

    lines: list[NodeLine] = Field(default_factory=list)
