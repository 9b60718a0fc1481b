"""Tables as steps read them: a folder of Parquet, written once and shared by all steps that want the same rows."""

import fcntl
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from compute.data.cache import DataCache, link
from compute.data.desk import Desk, Rhythm
from compute.data.progress import size
from compute.execution.reasons import StepFailure, is_full_disk, of_full_disk
from compute.execution.supervision import taken_in
from compute.spec import JobInput
from datastores.places import Places
from datastores.sources import FilesSource, TabularDefinition, TimeFilter, paths_of

_LAYOUT = 1  # of the folder: another one is another key
_CONTENT = ".content"  # sizes and times of the files of a whole folder, written last


def bring_table(name: str, data: JobInput, folder: Path, *, places: Places, desk: Desk) -> Path:
    """Raises StepFailure, UserError, InterruptedByWish, OSError."""
    assert data.table is not None
    if data.mode != "download":
        desk.say(f"{name} is a table: it comes as a folder of Parquet, whatever its mode.")
    return _Making(name, data.table, _key(data.table, places, desk), places.workspace_id, desk).bring(folder)


def _key(table: TabularDefinition, places: Places, desk: Desk) -> str | None:
    """None where the same definition may well give other rows the next time."""
    if not isinstance(table.source, FilesSource):
        return None
    if any(isinstance(change, TimeFilter) and change.recent_s is not None for change in table.transformations):
        return None
    opened = [places.of(path) for path in paths_of(table)]
    fingerprints = desk.ask(lambda: [place.backend.fingerprint(place.path) for place in opened])
    definition = table.model_dump(mode="json")
    said = json.dumps([_LAYOUT, places.workspace_id, definition, fingerprints], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


class _Making:
    """One table for one attempt."""

    def __init__(self, name: str, table: TabularDefinition, key: str | None, workspace_id: int, desk: Desk) -> None:
        self.name, self.table, self.workspace_id, self.desk = name, table, workspace_id, desk
        self.cache = DataCache.of_this_node()
        self.is_kept = key is not None
        self.whole = self.cache.tables / (key or f"once-{uuid.uuid4().hex}")
        self.part = self.whole.with_suffix(".part")
        self._rhythm = Rhythm()

    def bring(self, folder: Path) -> Path:
        self.cache.tables.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._link(folder):
            self._say_found(folder)
            return folder
        with self._right_to_make():
            if self._link(folder):
                self._say_found(folder)
            else:
                self._make()
                if not self._link(folder):
                    reason = f"Input “{self.name}”: its rows were removed at once. Run the step again."
                    raise StepFailure(reason, may_retry=True)
                if not self.is_kept:
                    shutil.rmtree(self.whole, ignore_errors=True)
        return folder

    def _say_found(self, folder: Path) -> None:
        found = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        self.desk.say(f"{self.name}: a table of {size(found)} of Parquet, all of it from this node's cache.")

    def _make(self) -> None:
        from datastores.tabular import isolated
        from datastores.tabular.writing import write_parquet

        shutil.rmtree(self.part, ignore_errors=True)
        self.part.mkdir()
        self.cache.reserve(0)
        began = time.monotonic()
        try:
            taken_in(isolated.warm)
            rows = write_parquet(
                self.table, self.part, workspace_id=self.workspace_id, check=self._check, progress=self._progress
            )
            (self.part / _CONTENT).write_text(json.dumps(_content(self.part)))
        except OSError as error:
            if is_full_disk(error):
                raise StepFailure(of_full_disk(f"{self.name} could not be kept where node files lie")) from error
            raise
        except BaseException:
            shutil.rmtree(self.part, ignore_errors=True)
            raise
        shutil.rmtree(self.whole, ignore_errors=True)  # a damaged one
        self.part.rename(self.whole)
        written = sum(file["size"] for file in _content(self.whole).values())
        self.cache.reserve(written)
        took_s = time.monotonic() - began
        self.desk.say(f"Read {self.name}: {rows:,} rows, {size(written)} of Parquet in {took_s:.1f} s.")

    def _check(self) -> None:
        self.desk.check()
        self.desk.log.store_if_due()

    def _progress(self, fraction: float | None, what: str) -> None:
        if self._rhythm.is_due():
            self.desk.say(f"Reading {self.name}{'' if fraction is None else f' ({fraction:.0%})'}: {what}")

    def _link(self, folder: Path) -> bool:
        """Put all files of a whole table into `folder`. False where there is none."""
        try:
            content = json.loads((self.whole / _CONTENT).read_text())
            if _content(self.whole) != content:
                return False  # somebody wrote to it
            for relative in content:
                (folder / relative).parent.mkdir(parents=True, exist_ok=True)
                link(self.whole / relative, folder / relative)
            folder.mkdir(parents=True, exist_ok=True)
            now, notes = time.time_ns(), self.whole / _CONTENT
            os.utime(notes, ns=(now, notes.stat().st_mtime_ns))
        except (FileNotFoundError, ValueError):
            shutil.rmtree(folder, ignore_errors=True)  # it was removed at this moment
            return False
        return True

    @contextmanager
    def _right_to_make(self) -> Iterator[None]:
        """One reads, the others wait and see how far it is."""
        if not self.is_kept:
            yield
            return
        with self.whole.with_suffix(".lock").open("a") as lock:
            if not _locked(lock.fileno()):
                self.desk.say(f"Another step on this machine reads {self.name} already: waiting for it.")
                self.desk.wait_until(lambda: _locked(lock.fileno()), self._watch_the_other)
            yield

    def _watch_the_other(self) -> None:
        if self._rhythm.is_due():
            written = 0
            with suppress(OSError):
                written = sum(file.stat().st_size for file in self.part.rglob("*") if file.is_file())
            self.desk.say(f"Reading {self.name}: {size(written)} of Parquet so far")


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _content(folder: Path) -> dict[str, dict[str, int]]:
    """Size and time of change of each file."""
    files = sorted(file for file in folder.rglob("*") if file.name != _CONTENT and file.is_file())
    return {
        str(file.relative_to(folder)): {"size": found.st_size, "mtime": found.st_mtime_ns}
        for file in files
        if (found := file.stat())
    }
