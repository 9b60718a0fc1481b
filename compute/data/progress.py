"""How far a transfer is, in the words of a step's log. Counted by many threads, said by one."""

import threading
import time

from compute.data.desk import Rhythm

_RATE_OVER_S = 10.0
_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


class Progress:
    """Of one input or output. `doing` begins its lines, as in `Downloading images`; `cached` says where was what need
    not be moved."""

    def __init__(self, doing: str, *, cached: str = "from this node's cache") -> None:
        self.doing, self._cached_words = doing, cached
        self.is_listed = False  # whether the totals are known
        self.files = self.files_done = 0
        self.total_bytes = self.moved_bytes = self.cached_bytes = self.kept_bytes = 0
        self._lock = threading.Lock()
        self._rhythm = Rhythm()
        self._began_s = time.monotonic()
        self._marks = [(self._began_s, 0)]  # when how much had been moved, for the rate

    def found(self, size_bytes: int) -> None:
        with self._lock:
            self.files += 1
            self.total_bytes += size_bytes

    def moved(self, size_bytes: int) -> None:
        with self._lock:
            self.moved_bytes += size_bytes

    def cached(self, size_bytes: int) -> None:
        """It was on this machine already."""
        with self._lock:
            self.cached_bytes += size_bytes

    def kept(self, size_bytes: int) -> None:
        """An earlier attempt had brought so much of it."""
        with self._lock:
            self.kept_bytes += size_bytes

    def done(self) -> None:
        with self._lock:
            self.files_done += 1

    def is_due(self) -> bool:
        return self._rhythm.is_due()

    def line(self, *, elsewhere_bytes: int = 0) -> str:
        """As in `Downloading images: 1.2 of 4.0 GB (30 %), 85 MB/s`. `elsewhere_bytes` others have moved for us."""
        with self._lock:
            done = self.moved_bytes + self.cached_bytes + self.kept_bytes + elsewhere_bytes
            total, files, files_done = self.total_bytes, self.files, self.files_done
            now = time.monotonic()
            self._marks = [mark for mark in self._marks if now - mark[0] < _RATE_OVER_S] or self._marks[-1:]
            since_s, since_bytes = self._marks[0]
            rate = (self.moved_bytes - since_bytes) / max(now - since_s, 0.001)
            self._marks.append((now, self.moved_bytes))
        text = f"{self.doing}: {size_of(done, total)}" if self.is_listed else f"{self.doing}: {size(done)} so far"
        if self.is_listed and total:
            text += f" ({min(100, 100 * done // total)} %)"
        if files > 1:
            text += f", {files_done:,} of {files:,}{'' if self.is_listed else ' or more'} files"
        if elsewhere_bytes and not rate:  # the figure of one who waits would say that nothing moves
            return f"{text}, brought by another step of this node"
        return f"{text}, {size(rate)}/s"

    def summary(self, did: str) -> str:
        """The last line. `did` begins it, as in `Downloaded images`."""
        took_s = max(time.monotonic() - self._began_s, 0.001)
        files = file_count(self.files)
        if not self.moved_bytes and self.cached_bytes:
            return f"{did}: {size(self.cached_bytes)} in {files}, all of it {self._cached_words}."
        text = f"{did}: {size(self.moved_bytes + self.cached_bytes + self.kept_bytes)} in {files}"
        if self.moved_bytes:
            text += f", {size(self.moved_bytes)} in {took_s:.1f} s ({size(self.moved_bytes / took_s)}/s)"
        if self.cached_bytes:
            text += f", {size(self.cached_bytes)} {self._cached_words}"
        if self.kept_bytes:
            text += f", {size(self.kept_bytes)} that an earlier attempt had brought"
        return f"{text}."


def file_count(count: int) -> str:
    """As in `1 file`."""
    return "1 file" if count == 1 else f"{count:,} files"


def size(size_bytes: float) -> str:
    """As in `1.2 GB`."""
    unit, name = _unit(size_bytes)
    return f"{_number(size_bytes, unit)} {name}"


def size_of(part_bytes: float, whole_bytes: float) -> str:
    """As in `1.2 of 4.0 GB`."""
    unit, name = _unit(whole_bytes)
    return f"{_number(part_bytes, unit)} of {_number(whole_bytes, unit)} {name}"


def _unit(size_bytes: float) -> tuple[int, str]:
    return next(((unit, name) for unit, name in _UNITS if size_bytes >= unit), (1, "bytes"))


def _number(size_bytes: float, unit: int) -> str:
    value = size_bytes / unit
    return f"{value:.0f}" if unit == 1 or value >= 100 else f"{value:.1f}"
