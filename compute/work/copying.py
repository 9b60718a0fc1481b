"""Files from one datastore to another: each verified where it arrives, and none moved twice.

What has arrived is noted beside the run's own data in the destination's datastore, so an attempt on another node goes
on where one was killed. A file is the unit: one that was under way is sent again.
"""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Literal

from compute.data.progress import Progress, file_count, size
from compute.data.retrying import Patience, StoppedError
from compute.execution.reasons import StepFailure, of_large_output
from compute.work.ledger import Ledger, Moved, Notes, entries_below, stamp_of
from compute.work.order import Order, Source, Target, Written
from compute.work.sending import digest_of, send
from compute.work.streams import PIECE_BYTES, HashedStream, of_store
from datastores.backends import Backend, ChangedMeanwhile, Entry, NoSuchPath
from datastores.paths import Glob, is_glob, join, name_of
from datastores.tabular.stores import OpenStores

Existing = Literal["fail", "replace", "skip"]
WORKERS = 4
_AHEAD = 16 * WORKERS
_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class _File:
    """One to be moved: what it is in its store, and its path below the output's folder."""

    backend: Backend
    entry: Entry
    relative: str


@dataclass(frozen=True, slots=True)
class _Done:
    moved: Moved
    how: Literal["moved", "same"]


class Copying:
    """All files of one input to one output."""

    def __init__(self, order: Order, name: str, source: Source, stores: OpenStores, existing: Existing) -> None:
        self.order, self.name, self.source, self.stores, self.existing = order, name, source, stores, existing
        self.target = order.outputs[name]
        backend = stores.store(self.target.datastore_id)
        assert isinstance(backend, Backend), "outputs go to datastores of files"
        self.backend = backend
        self.ledger = Ledger(order.folder)
        self.patience = Patience(order.stop.wanted)
        self.progress = Progress("Copying", cached="that was there already")
        self.notes = Notes(backend, self.target.notes, order.attempt, self.patience)
        self.same = self.size_bytes = 0
        self.goes_on = False  # an earlier attempt of this step began, and what is there may well be its

    def run(self) -> Written:
        """Raises StepFailure, UserError, StoppedError, and what connections raise when they stay broken."""
        if self.order.attempt > 1:
            # One that came to its end, and could not say so, has removed its notes.
            self.goes_on = self.notes.read_into(self.ledger) or self.target.is_own
        if self.existing == "fail" and not self.goes_on:
            require_nothing_there(self.backend, self.target)
        self.notes.begin()
        pool = ThreadPoolExecutor(WORKERS, "copy")
        try:
            self._copy_all(pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        if self.target.is_own and self.goes_on:
            self._remove_others()
        written = self.ledger.written()
        if not written.file_count:
            self.patience.call(lambda: self.backend.make_folder(self.target.path))
        self.notes.remove()
        self._say_end(written)
        return written

    def _copy_all(self, pool: ThreadPoolExecutor) -> None:
        files = self._files()
        waiting: set[Future[_Done]] = set()
        is_listed = False
        try:
            while waiting or not is_listed:
                while not is_listed and len(waiting) < _AHEAD:
                    following = next(files, None)
                    if following is None:
                        is_listed = self.progress.is_listed = True
                        break
                    self._found(following)
                    if not self._was_moved(following):
                        waiting.add(pool.submit(self._one, following))
                done, waiting = wait(waiting, _WAIT_S, FIRST_COMPLETED)
                for future in done:
                    self._note(future.result())
                self.notes.write_if_due()
                self._look()
        finally:
            if not self.order.stop.wanted.is_set():
                for future in waiting:
                    if future.cancel() or not future.done() or future.exception() is not None:
                        continue
                    self._note(future.result())
                self.notes.write_if_due(now=True)

    # What there is to do.

    def _files(self) -> Iterator[_File]:
        count = 0
        for found in self._all():
            count += 1
            if self.target.file is not None and count > 1:
                raise StepFailure(
                    f"Output “{self.name}” is the one file “{self.target.file}”, and the input has several. Let the "
                    "output be a folder."
                )
            yield found
        if not count and any(is_glob(path.path) for path in self.source.paths):
            raise StepFailure("No file matches the input's paths.")

    def _all(self) -> Iterator[_File]:
        several = len(self.source.paths) > 1 and not self.source.folders
        folders = self.source.folders or [""] * len(self.source.paths)
        for path, folder in zip(self.source.paths, folders, strict=True):
            top = f"{folder}/" if folder else ""
            backend, inner = self.stores.files(path)
            is_pattern = not path.is_web and is_glob(inner)
            if not is_pattern:
                entry = self._look_at(backend, inner)
                if entry.kind == "file":
                    name = name_of(inner.partition("?")[0]) if path.is_web else name_of(inner)
                    relative = inner if several and not path.is_web else f"{top}{name or 'data'}"
                    yield self._as_file(backend, entry, relative)
                    continue
                above = inner
            else:
                above = Glob(inner).folder
            above = "" if several or not above else f"{above}/"
            for entry in self.patience.listed(backend, inner):
                yield self._as_file(backend, entry, f"{top}{entry.path.removeprefix(above)}")

    def _look_at(self, backend: Backend, path: str) -> Entry:
        try:
            return self.patience.call(lambda: backend.stat(path))
        except NoSuchPath as error:
            raise StepFailure(f"There is nothing at “{path}” in the input's datastore. Check the input.") from error

    def _as_file(self, backend: Backend, entry: Entry, relative: str) -> _File:
        if any(part in {"", ".", ".."} for part in relative.split("/")) or "\0" in relative:
            raise StepFailure(f"“{relative[:200]}” is no path that a datastore can hold. Rename it.")
        return _File(backend, entry, self.target.file or relative)

    def _found(self, file: _File) -> None:
        size_bytes = file.entry.size_bytes or 0
        self.size_bytes += size_bytes
        limit = self.order.output_bytes
        if limit is not None and self.size_bytes > limit:
            raise StepFailure(of_large_output(self.name, self.size_bytes, limit))
        self.progress.found(size_bytes)

    def _was_moved(self, file: _File) -> bool:
        """By an earlier attempt, and neither end of it has changed since."""
        noted = self.ledger.noted(file.relative) if self.goes_on else None
        if noted is None or not noted.source or noted.source != stamp_of(file.entry):
            return False
        there = self._there(file.relative)
        if there is None or not noted.target or stamp_of(there) != noted.target:
            return False
        self.ledger.put(noted)
        self.progress.kept(noted.size_bytes)
        self.progress.done()
        return True

    # One file, on a thread of the pool.

    def _one(self, file: _File) -> _Done:
        if self.existing == "skip" or self.goes_on:
            same = self._same(file)
            if same is not None:
                return _Done(same, "same")
        path = join(self.target.path, file.relative)
        digest, entry = send(
            self.backend, path, lambda: self._opened(file, self.progress), label=file.relative, patience=self.patience
        )
        self._require_unchanged(file)
        size_bytes = entry.size_bytes or 0
        return _Done(Moved(file.relative, stamp_of(file.entry), stamp_of(entry), digest, size_bytes), "moved")

    def _same(self, file: _File) -> Moved | None:
        """Where a file of the same content is there already. Both are read: nothing else tells it."""
        there = self._there(file.relative)
        if there is None or there.kind != "file" or there.size_bytes != file.entry.size_bytes:
            return None
        silent = Progress("")
        mine = of_store(self.backend, there, patience=self.patience, progress=silent)
        digest = digest_of(mine, self.patience)
        if digest_of(self._opened(file, silent), self.patience) != digest:
            return None
        return Moved(file.relative, stamp_of(file.entry), stamp_of(there), digest, there.size_bytes or 0)

    def _there(self, relative: str) -> Entry | None:
        try:
            return self.patience.call(lambda: self.backend.stat(join(self.target.path, relative)))
        except NoSuchPath:
            return None

    def _opened(self, file: _File, progress: Progress) -> HashedStream:
        if file.entry.size_bytes is None:
            raise StepFailure(
                f"“{file.relative}”: its server does not say how large it is, so nobody could tell whether all of it "
                "arrived. Download it with a script instead."
            )
        return of_store(file.backend, file.entry, patience=self.patience, progress=progress)

    def _require_unchanged(self, file: _File) -> None:
        if (file.entry.size_bytes or 0) <= PIECE_BYTES or not stamp_of(file.entry):
            return
        now = self.patience.call(lambda: file.backend.stat(file.entry.path))
        if stamp_of(now) and stamp_of(now) != stamp_of(file.entry):
            raise ChangedMeanwhile(f"“{file.relative}” changed while it was copied. Run the step again.")

    # What was done.

    def _note(self, done: _Done) -> None:
        self.ledger.put(done.moved)
        self.notes.add(done.moved)
        if done.how == "same":
            self.same += 1
            self.progress.cached(done.moved.size_bytes)
        self.progress.done()

    def _look(self) -> None:
        if self.order.stop.wanted.is_set():
            raise StoppedError
        if self.progress.is_due():
            self.order.say(self.progress.line())
            if (trouble := self.patience.take_trouble()) is not None:
                self.order.say(f"{trouble} Trying again.")

    def _remove_others(self) -> None:
        """In a folder of the step's own, what an earlier attempt brought and the input has no longer."""
        above = f"{self.target.path}/"
        for entry in list(entries_below(self.backend, self.target.path)):
            if not self.ledger.has(entry.path.removeprefix(above)):
                self.backend.delete(entry.path)

    def _say_end(self, written: Written) -> None:
        if self.same:
            many = f"{file_count(self.same)} {'was' if self.same == 1 else 'were'}"
            self.order.say(f"{many} there already with the same SHA-256, and left as they were.")
        self.order.say(self.progress.summary("Copied"))
        files = file_count(written.file_count)
        self.order.say(f"{files}, {size(written.size_bytes)}: size and SHA-256 verified at the destination.")


def require_nothing_there(backend: Backend, target: Target) -> None:
    """Raises StepFailure where there is a file at the destination."""
    where = join(target.path, target.file) if target.file else target.path
    found = next(entries_below(backend, where), None)
    if found is not None:
        raise StepFailure(
            f"There is something at the destination already, as “{found.path}”, and this step is to fail then. "
            "Choose another path, or let it replace files or leave those that are the same."
        )
