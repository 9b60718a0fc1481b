"""Brings what a step wrote to a datastore that this machine does not reach as a folder. Twice is harmless."""

import io
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from compute.data.desk import Desk
from compute.data.progress import Progress
from compute.data.retrying import Patience, StoppedError, as_failure
from datastores.backends import Backend
from datastores.paths import join

WORKERS = 8
_AHEAD = 32 * WORKERS  # a folder may hold a million files
_READ_BYTES = 1024 * 1024


class Upload:
    """One output's. `label` begins the sentence that says what went wrong."""

    def __init__(
        self,
        name: str,
        backend: Backend,
        path: str,
        *,
        desk: Desk,
        label: str = "",
        datastores: Sequence[str] = (),
    ) -> None:
        """`datastores`: the name of the one that it writes to, to be told where its settings are the matter."""
        self.label, self.backend, self.path, self.desk = label or f"Output “{name}”", backend, path, desk
        self.progress, self._did = Progress(f"Uploading {name}"), f"Uploaded {name}"
        self.datastores = datastores
        self._stop = threading.Event()
        self.patience = Patience(self._stop)

    def run(self, files: Iterator[tuple[str, Path]]) -> None:
        """`files` by their path below the output. Raises StepFailure and InterruptedByWish."""
        pool = ThreadPoolExecutor(WORKERS, "data")
        try:
            self._run(files, pool)
        except Exception as error:
            raise as_failure(error, self.label, datastores=self.datastores) or error from error
        finally:
            self._stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
        self.desk.say(self.progress.summary(self._did))

    def _run(self, files: Iterator[tuple[str, Path]], pool: ThreadPoolExecutor) -> None:
        waiting: set[Future[None]] = set()
        is_listed = False

        def is_over() -> bool:
            nonlocal is_listed, waiting
            done, waiting = wait(waiting, 0, FIRST_COMPLETED)
            for future in done:
                future.result()
            while not is_listed and len(waiting) < _AHEAD:
                following = next(files, None)
                if following is None:
                    is_listed = self.progress.is_listed = True
                    break
                relative, file = following
                self.progress.found(file.stat().st_size)
                waiting.add(pool.submit(self._one, relative, file))
            return is_listed and not waiting

        self.desk.wait_until(is_over, self._look)
        if not self.progress.files:
            self.desk.ask(lambda: self.backend.make_folder(self.path))

    def _look(self) -> None:
        if self.progress.is_due():
            self.desk.say(self.progress.line())
            if (trouble := self.patience.take_trouble()) is not None:
                self.desk.say(f"{trouble} Trying again.")

    def _one(self, relative: str, file: Path) -> None:
        size_bytes = file.stat().st_size

        def write() -> None:
            with _Counted(file, self.progress, self._stop) as stream:
                entry = self.backend.write(join(self.path, relative), stream)
            if entry.size_bytes not in {None, size_bytes}:
                raise ConnectionError(f"Only {entry.size_bytes:,} of {size_bytes:,} bytes of “{relative}” arrived.")

        self.patience.call(write)
        self.progress.done()


class _Counted(io.FileIO):
    """A file that counts what is read of it, and ends when nobody waits for it any more."""

    def __init__(self, file: Path, progress: Progress, stop: threading.Event) -> None:
        super().__init__(file, "rb")
        self._progress, self._stopped, self._counted = progress, stop, 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(_READ_BYTES if size is not None and size > _READ_BYTES else size)
        self._count()
        return data or b""

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        count = super().readinto(buffer)
        self._count()
        return count or 0

    def _count(self) -> None:
        if self._stopped.is_set():
            raise StoppedError
        at = self.tell()
        if at > self._counted:  # who tries again reads the beginning again
            self._progress.moved(at - self._counted)
            self._counted = at


def look_at_destination(name: str, backend: Backend, *, desk: Desk, datastores: Sequence[str]) -> None:
    """Before a step computes for hours: is there somebody who would take its output? Raises StepFailure."""
    try:
        desk.ask(lambda: backend.list(limit=1))
    except Exception as error:
        raise as_failure(error, f"Output “{name}”", datastores=datastores) or error from error
