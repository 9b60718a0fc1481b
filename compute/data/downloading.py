"""Brings the files of one input onto this machine: through the cache, many at once, and parts of a large one."""

import contextlib
import errno
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from compute.data.cache import BLOCK_BYTES, DataCache, Part, Remote, arrived_bytes
from compute.data.desk import Desk
from compute.data.progress import Progress
from compute.data.retrying import Patience, StoppedError, as_failure
from compute.execution.reasons import StepFailure, is_full_disk, of_full_disk
from datastores.backends import Backend, Entry

WORKERS = 16
_BLOCKS_AT_ONCE = 12  # each takes its size in memory
_SMALLEST_PIECE = 256 * 1024
_SMALL_BYTES = 256 * 1024  # smaller files are read together, where their store can do that
_BATCHES_AT_ONCE = 3  # of small files: one is read while others are written
_FILES_AHEAD = 1000  # of the listing; it may be of a million
_LOOK_AGAIN = 50  # of the files that others fetch, at a time
_STOP_S = 0.3
_PRECISION_NS = 10**9


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file and the place where it is to be."""

    backend: Backend
    file: Remote
    target: Path


@dataclass(slots=True)
class _Fetch:
    wanted: Wanted
    part: Part
    blocks_left: int

    @property
    def has_blocks(self) -> bool:
        return (self.wanted.file.entry.size_bytes or 0) > BLOCK_BYTES


_Batch = list[Wanted]  # small files of one store
_Task = Wanted | _Batch | tuple[_Fetch, int]


class Download:
    """One input's. `run` is called by the attempt's thread; listing and fetching are done by others."""

    def __init__(self, name: str, *, cache: DataCache, desk: Desk, datastores: Sequence[str] = ()) -> None:
        """`datastores`: the names of those that it reads from."""
        self.label = f"Input “{name}”"
        self.cache, self.desk, self.datastores = cache, desk, datastores
        self.progress, self._did = Progress(f"Downloading {name}"), f"Downloaded {name}"
        lock = threading.RLock()
        self._news = threading.Condition(lock)  # for those who fetch
        self._room = threading.Condition(lock)  # for the one who lists
        self._stop = threading.Event()
        self.patience = Patience(self._stop)
        self._files: deque[Wanted] = deque()
        self._blocks: deque[tuple[_Fetch, int]] = deque()
        self._blocks_read = self._batches_read = 0
        self._elsewhere: list[Wanted] = []  # somebody else fetches these
        self._fetches: list[_Fetch] = []  # that hold a part
        self._left = 0
        self._is_listed = False
        self._failure: Exception | None = None
        self._threads: list[threading.Thread] = []
        self._piece_bytes = BLOCK_BYTES
        self._made: set[Path] = set()

    def run(self, wanted: Iterable[Wanted]) -> int:
        """Returns how many files there are. Raises StepFailure and InterruptedByWish."""
        self._start(lambda: self._list(wanted))
        try:
            self.desk.wait_until(self._is_over, self._look)
        finally:
            self._end()
        if self._failure is not None:
            raise as_failure(self._failure, self.label, datastores=self.datastores) or self._failure
        if self.progress.files:
            self.desk.say(self.progress.summary(self._did))
        return self.progress.files

    def _is_over(self) -> bool:
        with self._news:
            return self._failure is not None or (self._is_listed and self._left == 0)

    def _look(self) -> None:
        with self._news:
            again, self._elsewhere = self._elsewhere[:_LOOK_AGAIN], self._elsewhere[_LOOK_AGAIN:]
            self._files.extend(again)
            self._news.notify_all()
        if self.progress.is_due():
            elsewhere = [wanted.file for wanted in (*again, *self._elsewhere[:_LOOK_AGAIN])]
            arrived = sum(arrived_bytes(self.cache, file) for file in elsewhere)
            self.desk.say(self.progress.line(elsewhere_bytes=arrived))
            if (trouble := self.patience.take_trouble()) is not None:
                self.desk.say(f"{trouble} Trying again.")

    def _end(self) -> None:
        """Whoever hangs in a connection is left there: nothing that it brings is kept."""
        self._stop.set()
        with self._news:
            self._news.notify_all()
            self._room.notify_all()
        until = time.monotonic() + _STOP_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        with self._news:
            for fetch in self._fetches:
                fetch.part.close()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="data", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _list(self, wanted: Iterable[Wanted]) -> None:
        try:
            for item in wanted:
                with self._news:
                    while len(self._files) >= _FILES_AHEAD and not self._stop.is_set():
                        self._room.wait()
                    if self._stop.is_set():
                        return
                    self._left += 1
                    self.progress.found(item.file.entry.size_bytes or 0)
                    self._files.append(item)
                    if self._may_take_files():
                        self._need_workers(1)
                        self._news.notify()
        except StoppedError:
            return
        except Exception as error:  # noqa: BLE001 (raised again by `run`)
            self._fail(error)
        with self._news:
            self._is_listed = True
            self.progress.is_listed = True
            self._news.notify_all()

    def _need_workers(self, count: int) -> None:
        for _ in range(min(count, 1 + WORKERS - len(self._threads))):  # one of them lists
            self._start(self._work)

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                if isinstance(task, Wanted):
                    self._file(task)
                elif isinstance(task, list):
                    self._batch_in_turn(task)
                else:
                    self._block_in_turn(*task)
            except StoppedError:
                return
            except Exception as error:  # noqa: BLE001 (raised again by `run`)
                self._fail(error)
                return

    def _next(self) -> _Task | None:
        with self._news:
            while not self._stop.is_set():
                if self._blocks and self._blocks_read < _BLOCKS_AT_ONCE:
                    self._blocks_read += 1
                    return self._blocks.popleft()
                if self._may_take_files() and not self._blocks:
                    return self._take_files()
                if self._is_listed and self._left == 0:
                    return None
                self._news.wait()
        return None

    def _may_take_files(self) -> bool:
        return bool(self._files) and (self._batches_read < _BATCHES_AT_ONCE or not _is_for_a_batch(self._files[0]))

    def _take_files(self) -> Wanted | _Batch:
        first = self._files.popleft()
        if len(self._files) <= _FILES_AHEAD // 2:
            self._room.notify()
        if not _is_for_a_batch(first):
            return first
        batch = [first]
        while len(batch) < first.backend.small_at_once and self._files and _go_together(first, self._files[0]):
            batch.append(self._files.popleft())
        self._batches_read += 1
        return batch

    def _fail(self, error: Exception) -> None:
        with self._news:
            if self._failure is None and not self._stop.is_set():
                self._failure = error
            self._stop.set()
            self._news.notify_all()
            self._room.notify_all()

    def _file(self, wanted: Wanted) -> None:
        if (fetch := self._take_part(wanted)) is not None:
            self._fetch(fetch)

    def _batch_in_turn(self, batch: _Batch) -> None:
        try:
            self._batch(batch)
        finally:
            with self._news:
                self._batches_read -= 1
                self._news.notify()

    def _batch(self, batch: _Batch) -> None:
        fetches = [fetch for wanted in batch if (fetch := self._take_part(wanted)) is not None]
        if not fetches:
            return
        entries = [fetch.wanted.file.entry for fetch in fetches]
        self.cache.reserve(sum(entry.size_bytes or 0 for entry in entries))
        contents = self.patience.call(lambda: batch[0].backend.read_small(entries))
        for fetch, entry, content in zip(fetches, entries, contents, strict=True):
            if content is None or len(content) != entry.size_bytes:
                self._bring(fetch)  # it says why, or waits for the server
                continue
            self._write(fetch, 0, content)
            self._finish(fetch)

    def _take_part(self, wanted: Wanted) -> _Fetch | None:
        """None where there is nothing left to do, or somebody else does it."""
        self._make_folder(wanted.target)
        if self._link(wanted):
            return None
        part = Part.take(self.cache, wanted.file)
        if part is None:
            with self._news:
                self._elsewhere.append(wanted)
            return None
        fetch = _Fetch(wanted, part, len(part.missing))
        with self._news:
            if self._stop.is_set():
                part.close()
                raise StoppedError
            self._fetches.append(fetch)
        if self._link(wanted):  # it was finished in between
            part.discard()
            self._let_go(fetch)
            return None
        return fetch

    def _fetch(self, fetch: _Fetch) -> None:
        part, size = fetch.part, fetch.wanted.file.entry.size_bytes
        missing_bytes = min(len(part.missing) * BLOCK_BYTES, size or 0)
        if size is not None:
            self.progress.kept(size - missing_bytes)
        self.cache.reserve(missing_bytes)
        self._bring(fetch)

    def _bring(self, fetch: _Fetch) -> None:
        part = fetch.part
        if fetch.wanted.file.entry.size_bytes is None:
            self._stream(fetch)
            self._finish(fetch)
        elif not part.missing:
            self._finish(fetch)
        elif len(part.missing) > 1:
            with self._news:
                self._blocks.extend((fetch, block) for block in part.missing)
                self._need_workers(len(part.missing))
                self._news.notify_all()
        else:
            self._block(fetch, part.missing[0])

    def _block_in_turn(self, fetch: _Fetch, block: int) -> None:
        try:
            self._block(fetch, block)
        finally:
            with self._news:
                self._blocks_read -= 1
                self._news.notify()

    def _block(self, fetch: _Fetch, block: int) -> None:
        backend, entry = fetch.wanted.backend, fetch.wanted.file.entry
        at = block * BLOCK_BYTES
        end = min(at + BLOCK_BYTES, entry.size_bytes or 0)
        while at < end:
            data = self._read(backend, entry, at, end)
            if not data:
                raise self._changed(entry)
            self._write(fetch, at, data)
            at += len(data)
        fetch.part.block_is_whole(block)
        with self._news:
            fetch.blocks_left -= 1
            is_last = fetch.blocks_left == 0
        if is_last:
            self._finish(fetch)

    def _read(self, backend: Backend, entry: Entry, at: int, end: int) -> bytes:
        breaks = self.patience.breaks
        data = self.patience.call(lambda: backend.read_part(entry, at, min(self._piece_bytes, end - at)))
        if self.patience.breaks > breaks:
            # A connection that breaks in the middle of a large piece might break there for ever.
            self._piece_bytes = max(_SMALLEST_PIECE, self._piece_bytes // 4)
        return data

    def _stream(self, fetch: _Fetch) -> None:
        """A file of unknown length: there is no part to ask for, and none to go on with."""
        backend, entry = fetch.wanted.backend, fetch.wanted.file.entry

        def copy() -> None:
            at = 0
            with backend.open_read(entry.path) as stream:
                while data := stream.read(BLOCK_BYTES):
                    self._write(fetch, at, data)
                    at += len(data)
            fetch.part.cut(at)

        self.patience.call(copy)

    def _write(self, fetch: _Fetch, at: int, data: bytes) -> None:
        try:
            fetch.part.write(at, data)
        except OSError as error:
            if not is_full_disk(error):
                raise
            fetch.part.discard()
            raise StepFailure(of_full_disk(f"{self.label} could not be kept where node files lie")) from error
        self.progress.moved(len(data))

    def _finish(self, fetch: _Fetch) -> None:
        wanted = fetch.wanted
        entry = wanted.file.entry
        if fetch.has_blocks:  # its parts must be of one file
            now = self.patience.call(lambda: wanted.backend.stat(entry.path))
            if not _is_same(entry, now):
                fetch.part.discard()
                raise self._changed(entry)
        with self._said(wanted.target):
            fetch.part.finish(wanted.target)
        self._let_go(fetch)
        self._done()

    def _link(self, wanted: Wanted) -> bool:
        with self._said(wanted.target):
            if not self.cache.link(wanted.file, wanted.target):
                return False
        self.progress.cached(wanted.file.entry.size_bytes or 0)
        self._done()
        return True

    def _done(self) -> None:
        self.progress.done()
        with self._news:
            self._left -= 1
            if self._left == 0:
                self._news.notify_all()

    def _let_go(self, fetch: _Fetch) -> None:
        with self._news:
            self._fetches.remove(fetch)
        fetch.part.close()

    def _make_folder(self, target: Path) -> None:
        if target.parent not in self._made:
            with self._said(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)

    @contextlib.contextmanager
    def _said(self, target: Path) -> Iterator[None]:
        """What this machine's disk can't do, in words."""
        try:
            yield
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            raise StepFailure(
                f"{self.label}: “{target.name}” is a file and a folder at once in its datastore, and no disk can hold "
                "both. Rename one of them, or use the mode direct."
            ) from error
        except OSError as error:
            if error.errno not in {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}:
                raise
            raise StepFailure(
                f"{self.label}: this machine's disk can't hold a file of the name “{target.name[:200]}”. Rename it, or "
                "use the mode direct."
            ) from error

    def _changed(self, entry: Entry) -> StepFailure:
        reason = f"{self.label}: “{entry.label}” changed while it was downloaded. Run the step again."
        return StepFailure(reason, may_retry=True)


def _is_for_a_batch(wanted: Wanted) -> bool:
    size_bytes = wanted.file.entry.size_bytes
    return wanted.backend.small_at_once > 1 and size_bytes is not None and size_bytes <= _SMALL_BYTES


def _go_together(first: Wanted, other: Wanted) -> bool:
    return other.backend is first.backend and _is_for_a_batch(other)


def _is_same(seen: Entry, now: Entry) -> bool:
    if seen.size_bytes != now.size_bytes and seen.size_bytes is not None:
        return False
    if seen.etag and now.etag:
        return seen.etag == now.etag
    return seen.modified_ns is None or abs(seen.modified_ns - (now.modified_ns or 0)) < _PRECISION_NS
