"""Files to and from a datastore: in pieces, going on where a connection broke, and told about while they go."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import IO, TYPE_CHECKING, Any, TypeVar

from studio_sdk._client import Conflict, Unreachable
from studio_sdk.exceptions import ServiceException, UserErrorException

if TYPE_CHECKING:
    from studio_sdk.data.abstract_datastore import AbstractDatastore

T = TypeVar("T")

SMALL_BYTES = 4 * 1024**2  # up to here several files share a request
BATCH_BYTES = 16 * 1024**2
BATCH_FILES = 200
PART_BYTES = 16 * 1024**2
PATIENCE_S = 120.0  # with a studio that does not answer, as while it is started again
_TOLD_EVERY_S = 2.0


def patiently(call: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """What `call` gives, tried again with growing waits while nobody answers. It must do no harm twice."""
    waits = backoff(patience_s)
    while True:
        try:
            return call()
        except Unreachable:
            wait = next(waits, None)
            if wait is None:
                raise
            time.sleep(wait)


def backoff(patience_s: float) -> Iterator[float]:
    """Waits of 0.5 s, 1 s and so on up to 10 s, as long as `patience_s` is not over."""
    until = time.monotonic() + patience_s
    wait = 0.5
    while time.monotonic() < until:
        yield wait
        wait = min(wait * 2, 10.0)


class Progress:
    """Lines on the standard output, not more than one in two seconds."""

    def __init__(self, word: str, files: int, size_bytes: int | None, *, is_shown: bool) -> None:
        self._word, self._files, self._size, self._is_shown = word, files, size_bytes, is_shown
        self.done_files = self.done_bytes = 0
        self._told_at = time.monotonic()

    def add(self, *, files: int = 0, size_bytes: int = 0) -> None:
        self.done_files += files
        self.done_bytes += size_bytes
        now = time.monotonic()
        if self._is_shown and now - self._told_at >= _TOLD_EVERY_S:
            self._told_at = now
            of = f" of {self._files:,}" if self._files else ""
            size = f"{bytes_words(self.done_bytes)}" + (f" of {bytes_words(self._size)}" if self._size else "")
            print(f"{self._word} {self.done_files:,}{of} files, {size}", flush=True)

    def end(self) -> None:
        if self._is_shown:
            files = "1 file" if self.done_files == 1 else f"{self.done_files:,} files"
            print(f"{self._word} {files}, {bytes_words(self.done_bytes)}.", flush=True)


def bytes_words(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def send_files(datastore: AbstractDatastore, files: Mapping[str, str], overwrite: bool, show_progress: bool) -> None:
    """`files` has the place of each by its path there. Raises UserErrorException, ServiceException, OSError."""
    wanted = dict(files) if overwrite else dict(_new_ones(datastore, files, show_progress))
    sizes = {path: os.path.getsize(place) for path, place in wanted.items()}
    progress = Progress("Uploaded", len(wanted), sum(sizes.values()), is_shown=show_progress)
    batch: dict[str, str] = {}
    for path in sorted(wanted):
        if sizes[path] > SMALL_BYTES:
            _send_large(datastore, path, wanted[path], sizes[path], progress)
            continue
        if len(batch) == BATCH_FILES or sum(sizes[each] for each in batch) + sizes[path] > BATCH_BYTES:
            _send_batch(datastore, batch, progress)
            batch = {}
        batch[path] = wanted[path]
    _send_batch(datastore, batch, progress)
    progress.end()


def _new_ones(datastore: AbstractDatastore, files: Mapping[str, str], show: bool) -> Iterator[tuple[str, str]]:
    there: dict[str, set[str]] = {}
    for path, place in files.items():
        folder, _, name = path.rpartition("/")
        if folder not in there:
            entries = datastore._entries(folder)
            there[folder] = {entry["name"] for entry in entries if entry["kind"] != "folder"}
        if name not in there[folder]:
            yield path, place
        elif show:
            print(f"{path} is there already and stays as it is: overwrite=True would replace it.")


def _send_batch(datastore: AbstractDatastore, batch: Mapping[str, str], progress: Progress) -> None:
    if not batch:
        return
    client = datastore._workspace._client

    def send() -> Any:
        with ExitStack() as opened:
            parts = [("files", opened.enter_context(open(place, "rb"))) for place in batch.values()]
            return client.upload(f"{datastore._path}upload/", {"paths_json": json.dumps(list(batch))}, parts)

    answer = patiently(send)
    for refused in answer["refused"]:
        raise UserErrorException(f"{refused['path']} was not uploaded: {refused['message']}")
    progress.add(files=len(batch), size_bytes=sum(entry["size_bytes"] or 0 for entry in answer["uploaded"]))


def _send_large(datastore: AbstractDatastore, path: str, place: str, size: int, progress: Progress) -> None:
    client = datastore._workspace._client
    begun = patiently(lambda: client.post(f"{datastore._path}uploads/", {"path": path, "size_bytes": size}))
    address = f"{datastore._path}uploads/{begun['id']}/"
    sent = 0
    waits = backoff(PATIENCE_S)
    with open(place, "rb") as file:
        while sent < size:
            file.seek(sent)
            part = file.read(min(PART_BYTES, size - sent))
            if not part:
                raise UserErrorException(f"{place} became shorter while it was uploaded.")
            try:
                client.put_bytes(address, part, {"Upload-Offset": str(sent), "Tus-Resumable": "1.0.0"})
                now, waits = sent + len(part), backoff(PATIENCE_S)
            except (Unreachable, Conflict):
                wait = next(waits, None)
                if wait is None:
                    raise
                time.sleep(wait)
                now = int(patiently(lambda: client.get(address))["received_bytes"])
            progress.add(size_bytes=now - sent)
            sent = now
    stored = patiently(lambda: client.get(address))
    if not stored["is_stored"]:
        raise ServiceException(f"{path} arrived whole and could not be kept in “{datastore.name}”.")
    progress.add(files=1)


def download_files(
    datastore: AbstractDatastore, entries: Iterable[Mapping[str, Any]], target: str, overwrite: bool, show: bool
) -> int:
    """How many. Raises UserErrorException, ServiceException, OSError."""
    client = datastore._workspace._client
    progress = Progress("Downloaded", 0, None, is_shown=show)
    for entry in entries:
        path = str(entry["path"])
        place = place_below(target, path)
        if os.path.exists(place) and not overwrite:
            if show:
                print(f"{place} is there already and stays as it is: overwrite=True would replace it.")
            continue
        size = download_to(place, partial(client.download, f"{datastore._path}download/", path=path))
        progress.add(files=1, size_bytes=size)
    progress.end()
    return progress.done_files


def download_to(place: str, write: Callable[[IO[bytes]], int]) -> int:
    """A file that is there whole or not at all. `write` is called again, with an empty file, where nobody answered."""
    folder = os.path.dirname(place) or "."
    os.makedirs(folder, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=".download-", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:

            def again() -> int:
                file.seek(0)
                file.truncate()
                return write(file)

            size = patiently(again)
        os.chmod(draft, 0o666 & ~_umask())
        os.replace(draft, place)
        return size
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)


def place_below(folder: str, path: str) -> str:
    """Raises UserErrorException for a path that would lead out of the folder."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or ".." in parts or ":" in parts[0]:
        raise UserErrorException(f"“{path}” is no path below a folder, so it is not downloaded.")
    return os.path.join(folder, *parts)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
