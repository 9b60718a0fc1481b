"""Where environments lie on a machine: a folder for each specification, named by its digest, and files beside it.

`DIGEST.lock` is held by whoever builds, `DIGEST.use` is shared by all that use it (its time of change is that of the
last use), `DIGEST.log` is what the last build said.
"""

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from django.conf import settings

from compute.environments.stamps import Stamp


@dataclass(frozen=True, slots=True)
class BuiltEnvironment:
    """An environment that is ready: the folder that holds it, and its interpreter."""

    folder: Path
    interpreter: Path | None = None  # where it is none of the folder's own

    @property
    def bin(self) -> Path:
        return self.python.parent

    @property
    def python(self) -> Path:
        return self.interpreter or self.folder / "bin" / "python"

    @property
    def home(self) -> Path:
        """Caches that a step's home folder begins with, where there are any."""
        return self.folder / ".home"

    @property
    def about(self) -> Path:
        """What it was built from."""
        return self.folder / ".studio"

    @property
    def stamp_file(self) -> Path:
        return self.folder / ".complete"

    @property
    def is_ready(self) -> bool:
        # The interpreter is a link to one of the machine's, which may have been removed since.
        return self.stamp_file.exists() and self.python.exists()

    def read_stamp(self) -> Stamp:
        """What stands in it. Earlier versions of the studio wrote a time."""
        return Stamp.read(self.stamp_file)

    def write_stamp(self, stamp: Stamp) -> None:
        """It is complete from now on, whatever happens to the machine."""
        stamp.write(self.stamp_file)


class EnvironmentsFolder:
    """All environments of a machine; the nodes of one NODE_HOME share it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def of_this_node(cls) -> Self:
        return cls(Path(settings.NODE_HOME) / "environments")

    @property
    def place(self) -> str:
        """A name for this folder that no other one has, the same for all that share it."""
        file = self.root / ".place"
        with contextlib.suppress(FileNotFoundError):
            return file.read_text()
        self.root.mkdir(parents=True, exist_ok=True)
        draft = self.root / f".place.{uuid.uuid4().hex}"
        draft.write_text(uuid.uuid4().hex)
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(draft)  # whole or not there
        draft.unlink()
        return file.read_text()

    def environment(self, digest: str) -> BuiltEnvironment:
        """Where it is, ready or not."""
        return BuiltEnvironment(self.root / digest)

    def log_file(self, digest: str) -> Path:
        return self.root / f"{digest}.log"

    def build_folder(self, digest: str) -> Path:
        """Where a build keeps what goes with it, in its sandbox."""
        return self.root / f"{digest}.build"

    def lock_file(self, digest: str) -> Path:
        return self.root / f"{digest}.lock"

    def last_used_s(self, digest: str) -> float:
        with contextlib.suppress(FileNotFoundError):
            return self._use_file(digest).stat().st_mtime
        return 0.0

    def ready(self) -> Iterator[str]:
        """The digests of those that are ready."""
        with contextlib.suppress(FileNotFoundError):
            for folder in sorted(self.root.iterdir()):
                if BuiltEnvironment(folder).stamp_file.exists():
                    yield folder.name

    @contextmanager
    def in_use(self, digest: str) -> Iterator[None]:
        """As long as this is held, by however many, the environment is not removed. Taken before it is built."""
        self.root.mkdir(parents=True, exist_ok=True)
        with self._use_file(digest).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH)  # a removal holds it for the time of a rename
            os.utime(file.fileno())
            yield

    def remove(self, digest: str) -> bool:
        """Take an environment away. False while somebody uses it."""
        with self._use_file(digest).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            gone = self.root / f"gone-{uuid.uuid4().hex}"
            with contextlib.suppress(FileNotFoundError):
                (self.root / digest).rename(gone)  # whole or not there
        shutil.rmtree(gone, ignore_errors=True)
        return True

    def clear_litter(self) -> None:
        """What removals and builds left that did not come to their end."""
        for folder in self.root.glob("gone-*"):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in self.root.glob("*.build"):
            with self.lock_file(folder.stem).open("a") as lock, contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody builds it now
                shutil.rmtree(folder, ignore_errors=True)

    def _use_file(self, digest: str) -> Path:
        return self.root / f"{digest}.use"


def size_of(folder: Path) -> int:
    """The room that its files take, each counted once; those that it shares with a cache too."""
    seen: set[tuple[int, int]] = set()
    size_bytes = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                stat = os.lstat(f"{where}/{name}")
                if (stat.st_dev, stat.st_ino) not in seen:
                    seen.add((stat.st_dev, stat.st_ino))
                    size_bytes += stat.st_blocks * 512
    return size_bytes
