"""What a step would write to its spool, stored as a node does it."""

import json
import tempfile
from pathlib import Path
from typing import Any

from compute.metrics.spool import SpoolFile
from compute.metrics.writer import MetricWriter
from compute.services.leases import Lease

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="


class Measuring:
    """A running attempt that says things."""

    def __init__(self, lease: Lease) -> None:
        self.said: list[str] = []  # what its log has of it
        self.spool = SpoolFile(Path(tempfile.mkdtemp()) / ".spool")
        self.writer = MetricWriter(
            self.spool,
            job_id=lease.job_id,
            owner=lease.owner,
            attempt_id=lease.attempt_id,
            attempt=lease.attempt,
            say=self.said.append,
        )

    def say(self, *lines: list[Any] | str) -> None:
        """Raises LeaseLostError."""
        with self.spool.place.open("a") as file:
            file.writelines((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        self.writer.read_rest()


def measure(lease: Lease, *lines: list[Any] | str) -> None:
    measuring = Measuring(lease)
    measuring.say(*lines)
    measuring.writer.close()
