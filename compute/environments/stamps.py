"""The stamp of a build, written last: a build that died half-way has none."""

import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_VERSION = 2


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a complete build says of itself."""

    lock_digest: str = ""  # of what was installed; empty for a build from before there were locks
    size_bytes: int = 0

    @classmethod
    def read(cls, file: Path) -> Self:
        with contextlib.suppress(OSError, ValueError):
            said = json.loads(file.read_text())
            if isinstance(said, dict) and said.get("version") == _VERSION:
                return cls(str(said["lock"]), int(said["size_bytes"]))
        return cls()

    def write(self, file: Path) -> None:
        """Whole or not there, and there to stay."""
        draft = file.with_name(f"{file.name}.part")
        draft.unlink(missing_ok=True)  # a setup script may have left a link there
        said = {"version": _VERSION, "lock": self.lock_digest, "size_bytes": self.size_bytes, "at": time.time()}
        with draft.open("w") as opened:
            opened.write(json.dumps(said))
            opened.flush()
            os.fsync(opened.fileno())
        draft.rename(file)
