"""Data far away, for tests of how it reaches a step."""

import os
from dataclasses import dataclass
from pathlib import Path

from compute.spec import InputMode, JobInput, JobOutput, OutputMode
from datastores.models import Datastore
from datastores.sources import DataPath
from tests.support.servers.tollgate import Tollgate

MIB = 1024 * 1024

# A step that says what it found: each file's path below the input and the SHA-256 of its content.
LOOK = """
import hashlib, os, pathlib, sys
for place in map(pathlib.Path, sys.argv[1:]):
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    for file in files:
        print(file.relative_to(place) if file != place else file.name, hashlib.sha256(file.read_bytes()).hexdigest())
"""


@dataclass(frozen=True)
class FarStore:
    """A registered bucket. What lies in `folder` is in it; `gate` is on the way there."""

    row: Datastore
    folder: Path
    gate: Tollgate

    def put(self, path: str, content: bytes | int) -> bytes:
        """A file of these bytes, or of so many random ones."""
        data = content if isinstance(content, bytes) else os.urandom(content)
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return data

    def input(self, *paths: str, mode: InputMode = "download") -> JobInput:
        return JobInput(paths=[DataPath(datastore_id=self.row.pk, path=path) for path in paths], mode=mode)

    def output(self, path: str, mode: OutputMode = "upload") -> JobOutput:
        return JobOutput(datastore_id=self.row.pk, path=path, mode=mode)
