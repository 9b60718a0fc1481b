"""What people use of the studio, added up as attempts end.

One statement each, by hand: every step pays for them. They come last in their transaction, after the locks of the job
and of its owner, because many jobs add to one row.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

from django.db import connection

from compute.spec import ArtifactsRecord, JobResult, OutputRecord
from datastores.models import Datastore

_ADD_CPU = """
    INSERT INTO compute_cpuuse (workspace_id, month, person, cpu_seconds) VALUES (%s, %s, %s, %s)
    ON CONFLICT (workspace_id, month, person)
    DO UPDATE SET cpu_seconds = compute_cpuuse.cpu_seconds + excluded.cpu_seconds
"""
_ADD_STORAGE = """
    INSERT INTO compute_storageuse (workspace_id, person, size_bytes) VALUES (%s, %s, %s)
    ON CONFLICT (workspace_id, person)
    DO UPDATE SET size_bytes = compute_storageuse.size_bytes + excluded.size_bytes
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """An attempt that ended. It counts with the CPUs that it asked for, and as one where it asked for none."""

    workspace_id: int
    person: int
    cpus: float | None
    claimed_at: datetime
    ended_at: datetime

    @property
    def cpu_seconds(self) -> float:
        return max(0.0, (self.ended_at - self.claimed_at).total_seconds()) * (self.cpus or 1.0)


def note_use(spent: Spent, result: JobResult | None = None) -> None:
    """Add an attempt to what its person has used this month and, where it left something, that to the storage."""
    month = month_of(spent.ended_at).isoformat()
    with connection.cursor() as cursor:
        cursor.execute(_ADD_CPU, [spent.workspace_id, month, spent.person, spent.cpu_seconds])
        if size_bytes := _stored_bytes(result):
            cursor.execute(_ADD_STORAGE, [spent.workspace_id, spent.person, size_bytes])


def add_storage(workspace_id: int, person: int, datastore_id: int, size_bytes: int) -> None:
    """Add what came to, or went from, a datastore of ours outside of an attempt's end."""
    if size_bytes and is_ours(datastore_id):
        with connection.cursor() as cursor:
            cursor.execute(_ADD_STORAGE, [workspace_id, person, size_bytes])


def month_of(at: datetime) -> date:
    """The first day of its month, UTC: the quotas' months begin at midnight there."""
    return at.astimezone(UTC).date().replace(day=1)


def _stored_bytes(result: JobResult | None) -> int:
    return sum(record.size_bytes for record in records_of(result) if record.size_bytes and is_ours(record.datastore_id))


def records_of(result: JobResult | None) -> Iterator[OutputRecord | ArtifactsRecord]:
    """All that it left in folders of datastores."""
    if result is None:
        return
    yield from result.outputs.values()
    if result.artifacts:
        yield result.artifacts


@lru_cache(maxsize=4096)
def is_ours(datastore_id: int) -> bool:
    """Whether a datastore lies below STUDIO_HOME: what is on somebody else's disk is no matter of ours.

    Told from its settings, so that a node which does not share that folder says the same. Remembered by each process:
    neither a datastore's kind nor the folder of a local one ever changes.
    """
    config = Datastore.objects.filter(pk=datastore_id, kind="local").values_list("config", flat=True).first()
    return config is not None and not Path(config["path"]).is_absolute()
