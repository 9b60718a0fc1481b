"""What a step used over time, in a bounded number of points: the longer it runs, the farther apart they stand."""

from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from studio.lib.typed_json import Document

MAX_POINTS = 300
FIRST_DISTANCE_S = 1.0


class UsageTotals(BaseModel):
    """Of a whole attempt, over all its processes. None: it could not be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    peak_memory_bytes: int | None = None
    cpu_s: float | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None


class UsageSeries(Document):
    """Columns of equal length, a value for each instant. What is counted from the beginning says so."""

    every_s: float = FIRST_DISTANCE_S
    at_s: list[float] = Field(default_factory=list)  # since the process began
    cpu_s: list[float] = Field(default_factory=list)  # from the beginning until then
    memory_bytes: list[int] = Field(default_factory=list)  # the most since the last instant
    read_bytes: list[int] = Field(default_factory=list)  # from the beginning until then
    written_bytes: list[int] = Field(default_factory=list)  # from the beginning until then
    disk_bytes: list[int] = Field(default_factory=list)  # in outputs and temporary files
    gpu_percent: list[float] = Field(default_factory=list)  # empty where the step used none
    gpu_memory_bytes: list[int] = Field(default_factory=list)
    totals: UsageTotals = Field(default_factory=UsageTotals)


@dataclass(slots=True)
class Point:
    at_s: float
    cpu_s: float
    memory_bytes: int
    read_bytes: int
    written_bytes: int
    disk_bytes: int = 0
    gpu_percent: float | None = None
    gpu_memory_bytes: int = 0

    def followed_by(self, later: "Point") -> "Point":
        """Both as one: where it ended, and the highest of what goes up and down."""
        gpus = [percent for percent in (self.gpu_percent, later.gpu_percent) if percent is not None]
        return Point(
            at_s=later.at_s,
            cpu_s=later.cpu_s,
            memory_bytes=max(self.memory_bytes, later.memory_bytes),
            read_bytes=later.read_bytes,
            written_bytes=later.written_bytes,
            disk_bytes=later.disk_bytes,
            gpu_percent=max(gpus) if gpus else None,
            gpu_memory_bytes=max(self.gpu_memory_bytes, later.gpu_memory_bytes),
        )


@dataclass(slots=True)
class Recorder:
    """Takes points in the order of time, and keeps at most MAX_POINTS."""

    every_s: float = FIRST_DISTANCE_S
    points: list[Point] = field(default_factory=list)

    def take(self, point: Point) -> None:
        last = self.points[-1] if self.points else None
        if last is not None and _slot(last, self.every_s) == _slot(point, self.every_s):
            self.points[-1] = last.followed_by(point)
            return
        self.points.append(point)
        while len(self.points) > MAX_POINTS:
            self._halve()

    def _halve(self) -> None:
        self.every_s *= 2
        kept: list[Point] = []
        for point in self.points:
            if kept and _slot(kept[-1], self.every_s) == _slot(point, self.every_s):
                kept[-1] = kept[-1].followed_by(point)
            else:
                kept.append(point)
        self.points = kept

    def series(self, totals: UsageTotals) -> UsageSeries:
        points = list(self.points)
        has_gpu = any(point.gpu_percent is not None for point in points)
        return UsageSeries(
            every_s=self.every_s,
            at_s=[round(point.at_s, 2) for point in points],
            cpu_s=[round(point.cpu_s, 2) for point in points],
            memory_bytes=[point.memory_bytes for point in points],
            read_bytes=[point.read_bytes for point in points],
            written_bytes=[point.written_bytes for point in points],
            disk_bytes=[point.disk_bytes for point in points],
            gpu_percent=[point.gpu_percent or 0.0 for point in points] if has_gpu else [],
            gpu_memory_bytes=[point.gpu_memory_bytes for point in points] if has_gpu else [],
            totals=totals,
        )


def _slot(point: Point, every_s: float) -> int:
    return int(point.at_s // every_s)
