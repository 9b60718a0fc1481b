"""The one inverted dependency: whoever asked for a job hears of its changes, inside the transaction that makes them.

And of what it says of itself while it runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from compute.metrics.said import Label
from compute.spec import JobResult
from compute.states import JobStatus


@dataclass(frozen=True, slots=True)
class JobChange:
    """A job's new state. `attempt` is the latest attempt's number."""

    job_id: int
    owner: str
    status: JobStatus
    at: datetime
    attempt: int
    exit_code: int | None = None
    reason: str = ""
    result: JobResult | None = None


Listener = Callable[[list[JobChange]], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Call `listener` with every batch of changes, in the transaction that makes them. An exception rolls it back."""
    if listener not in _listeners:
        _listeners.append(listener)


def tell(changes: list[JobChange]) -> None:
    for listener in _listeners:
        listener(changes)


@dataclass(frozen=True, slots=True)
class JobRecords:
    """What a running attempt says: there are metrics that were not there before, and these tags and properties."""

    job_id: int
    owner: str
    attempt: int
    labels: list[Label]


RecordsListener = Callable[[JobRecords], None]
_records_listeners: list[RecordsListener] = []


def listen_to_records(listener: RecordsListener) -> None:
    """Call `listener` in the transaction that stores them. An exception rolls it back."""
    if listener not in _records_listeners:
        _records_listeners.append(listener)


def tell_records(records: JobRecords) -> None:
    for listener in _records_listeners:
        listener(records)
