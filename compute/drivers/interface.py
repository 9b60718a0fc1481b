"""What a kind of target can do with jobs. The rows of `Job` are the truth; a driver makes whoever runs them follow.

Nodes of ours claim jobs, push their logs into the database and renew leases. A scheduler of others (Slurm, Kubernetes)
is told of a job, asked how it is, and its log is fetched. The four verbs fit both: each takes rows that are there
already, may be called again at any time, by several processes at once, and after a call that died half-way.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from compute.models import Attempt, Job

# Waiting: nobody has begun it. Working: somebody has. Over: `exit_code` and `reason` say how. Lost: whoever had it is
# gone without a word, and the job is to be run again, or failed.
State = Literal["waiting", "working", "over", "lost"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known of a job now."""

    job_id: int
    state: State
    exit_code: int | None = None
    reason: str = ""  # of what is over or lost, as in "it was not heard of for 15 s"


@dataclass(frozen=True, slots=True)
class LogPiece:
    """A stretch of an attempt's log, as its process wrote it. `is_whole`: nothing comes after it any more."""

    offset: int
    data: bytes
    is_whole: bool

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


class Driver(ABC):
    """One of `compute.drivers.registry.DRIVERS`."""

    kind: ClassVar[str]

    @abstractmethod
    def submit(self, jobs: Sequence[Job]) -> None:
        """Have these queued jobs run, once each, after the commit of the caller's transaction.

        Submitted again, a job runs no second time: a driver finds by the job's own key what it handed over before.
        A submission that is lost is made good by the sweep, which submits again what waits.
        """

    @abstractmethod
    def poll(self, jobs: Sequence[Job]) -> list[Sighting]:
        """How each of these is, in their order; also of one that ended long ago, and then the same each time.

        Changes nothing: the sweep decides what a sighting means.
        """

    @abstractmethod
    def cancel(self, jobs: Sequence[Job]) -> None:
        """Ask for the end of jobs that somebody runs, after the commit. The wish itself stands in their rows.

        Asked again, or of a job that is over, it does nothing. Whoever can't be reached hears of it on return.
        """

    @abstractmethod
    def read_log(self, attempt: Attempt, *, offset: int, limit: int) -> LogPiece:
        """At most `limit` bytes of an attempt's log from `offset` on; none where there is nothing new yet.

        While it runs and years later, from any process; the same bytes at the same place each time.
        """
