"""What a step wrote to `outputs/` and `logs/` of its working folder, and what it uploaded by call, however it ended.

As azureml has it: nobody declares these files, and nobody reads them but people. So what can't be kept is told, and
changes nothing about how the attempt ended. Files of the step's own source folder are no artifacts until the step
changes them.
"""

import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compute.data.desk import LAST_S, Desk, LastDesk
from compute.data.retrying import BROKEN
from compute.data.uploading import Upload
from compute.execution.folders import AttemptFolders
from compute.execution.outputs import files_below
from compute.execution.reasons import StepFailure
from compute.services.leases import Lease
from compute.sizes import size_words
from compute.spec import ArtifactsRecord
from datastores.backends import Backend
from datastores.paths import join
from datastores.places import Places
from datastores.source_paths import shown
from datastores.sources import DataPath
from studio.lib.problems import UserError

FOLDERS = ("outputs", "logs")
MAX_FILES = 100_000
_SHOWN = 20
_LABEL = "The artifacts"
_NAME_BYTES, _PATH_BYTES = 255, 1024  # of a name, and of a whole path, that every kind of datastore takes

Mark = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is to be kept: what it is called among the artifacts, where it is, and how long it is."""

    name: str
    file: Path
    size_bytes: int
    is_own: bool  # no link, and no second name of a file: it may be moved away


class Artifacts:
    """Of one attempt."""

    def __init__(self, lease: Lease, folders: AttemptFolders, *, limit_bytes: int | None) -> None:
        """`limit_bytes` holds for all of them together."""
        self.lease, self.folders, self.limit_bytes = lease, folders, limit_bytes
        self._of_source: dict[str, Mark] = {}
        self._left_out = 0
        self._why = ""  # nothing more was kept
        self._file_count = self._size_bytes = 0

    def remember_source(self) -> None:
        """To be called before the step begins: what lies there now is its source folder's."""
        for top in FOLDERS:
            folder = self.folders.code / top
            if folder.is_dir():
                for name, file in files_below(folder):
                    self._of_source[f"{top}/{name}"] = _mark(file.lstat())

    def keep(self, desk: Desk) -> ArtifactsRecord | None:
        """All that is there, brought to the datastore; None where it is nothing. `desk` is the attempt's.

        Once somebody wants the attempt to end, that takes 30 s at most. Raises InterruptedByWish where the lease is
        lost, and nothing else.
        """
        to = self.lease.spec.artifacts
        if to is None or not self._may_be_some():
            return None
        last = LastDesk(desk.handle, desk.log, LAST_S if desk.handle.wish else math.inf)
        path = to.path.replace("{attempt}", str(self.lease.attempt))
        try:
            found = self._within_limits(self._found(last), last)
            if found:
                with Places(self.lease.workspace_id) as places:
                    place = last.from_database(lambda: places.of(DataPath(datastore_id=to.datastore_id, path=path)))
                    self._bring(found, place.backend, path, last)
        except (StepFailure, UserError, OSError, *BROKEN) as error:
            self._why = f"Not all artifacts could be kept: {_words(error)}"
            last.say(self._why)
        return self._record(to.datastore_id, path)

    def _may_be_some(self) -> bool:
        code = self.folders.code
        return any(map(os.path.lexists, (code / FOLDERS[0], code / FOLDERS[1], self.folders.uploads)))

    def _found(self, desk: LastDesk) -> Iterator[Found]:
        """What was uploaded by call comes first: it stays as it was then, whatever lies in the folders by now."""
        uploaded: set[str] = set()
        for top, folder in (("", self.folders.uploads), *((top, self.folders.code / top) for top in FOLDERS)):
            if not os.path.lexists(folder) or (top and not folder.is_symlink() and not folder.is_dir()):
                continue  # a file of that name is no folder of artifacts
            if not self._is_real(folder):
                self._leave_out(desk, top or "what was uploaded", "it is a link, or lies behind one")
                continue
            for below, file in self._in(folder, top, desk):
                name = join(top, below)
                if name in uploaded:
                    continue
                found = self._file(name, file, folder, desk)
                if found is not None:
                    if not top:
                        uploaded.add(name)
                    yield found

    def _in(self, folder: Path, top: str, desk: LastDesk) -> Iterator[tuple[str, Path]]:
        """What lies in a folder, as far as it can be read: what one of them can't show costs no other anything."""
        try:
            for below, file in files_below(folder):
                desk.check()
                yield below, file
        except OSError as error:
            self._leave_out(desk, top or "what was uploaded", f"not all of it can be read ({_words(error)})")

    def _is_real(self, folder: Path) -> bool:
        """The step may have put anything in the place of any folder of its own: what lies elsewhere is not its own."""
        root = self.folders.root
        try:
            return folder.resolve() == root.resolve() / folder.relative_to(root)
        except (OSError, RuntimeError):  # a link that leads in a circle
            return False

    def _file(self, name: str, file: Path, folder: Path, desk: LastDesk) -> Found | None:
        try:
            known = file.lstat()
            if self._of_source.get(name) == _mark(known):
                return None
            if why := _unfit(name, known, file, folder):
                self._leave_out(desk, name, why)
                return None
            size_bytes = file.stat().st_size
        except (OSError, RuntimeError):  # gone, or a link that leads in a circle
            self._leave_out(desk, name, "it can't be read")
            return None
        is_own = stat.S_ISREG(known.st_mode) and known.st_nlink == 1
        return Found(name, file, size_bytes, is_own)

    def _within_limits(self, found: Iterator[Found], desk: LastDesk) -> list[Found]:
        kept: list[Found] = []
        size_bytes = 0
        for each in found:
            if len(kept) == MAX_FILES:
                self._why = f"Only {MAX_FILES:,} artifacts are kept of an attempt: there were more."
                desk.say(self._why)
                break
            if self.limit_bytes is not None and size_bytes + each.size_bytes > self.limit_bytes:
                limit = size_words(self.limit_bytes)
                self._leave_out(desk, each.name, f"with it the artifacts would be larger than their limit of {limit}")
                continue
            size_bytes += each.size_bytes
            kept.append(each)
        return kept

    def _bring(self, found: list[Found], backend: Backend, path: str, desk: LastDesk) -> None:
        """Raises StepFailure, UserError, OSError, InterruptedByWish. What came before that is there, and counted."""
        if backend.local_path(path) is not None:
            for each in sorted(found, key=lambda found: found.is_own):  # links, before what they lead to moves away
                desk.check()
                try:
                    self._put(each, backend, path)
                except UserError as error:
                    self._leave_out(desk, each.name, str(error))
                else:
                    self._count(1, each.size_bytes)
            return
        upload = Upload("artifacts", backend, path, desk=desk, label=_LABEL)
        try:
            upload.run((each.name, each.file) for each in found)
        finally:
            # What was sent again after a broken connection counts once.
            moved_bytes = min(upload.progress.moved_bytes, sum(each.size_bytes for each in found))
            self._count(upload.progress.files_done, moved_bytes)

    def _put(self, found: Found, backend: Backend, path: str) -> None:
        if found.is_own:
            backend.take(join(path, found.name), found.file)  # a large model is not written twice
            return
        with found.file.open("rb") as stream:
            backend.write(join(path, found.name), stream)

    def _count(self, files: int, size_bytes: int) -> None:
        self._file_count += files
        self._size_bytes += size_bytes

    def _leave_out(self, desk: LastDesk, name: str, why: str) -> None:
        self._left_out += 1
        if self._left_out <= _SHOWN:
            desk.say(f"“{shown(name)}” is not kept as an artifact: {why.rstrip('.')}.")
        elif self._left_out == _SHOWN + 1:
            desk.say("More are not kept as artifacts; the first ones are named above.")

    def _record(self, datastore_id: int, path: str) -> ArtifactsRecord | None:
        words = [self._why] if self._why else []
        if self._left_out:
            files = "1 file was" if self._left_out == 1 else f"{self._left_out:,} files were"
            words.append(f"{files} left out: the studio's own lines in the log say why.")
        if not self._file_count and not words:
            return None
        return ArtifactsRecord(
            datastore_id=datastore_id,
            path=path,
            file_count=self._file_count,
            size_bytes=self._size_bytes,
            note=" ".join(words),
        )


def _words(error: Exception) -> str:
    """Without the places of this machine's disks."""
    return f"{error.strerror}." if isinstance(error, OSError) and error.strerror else str(error)


def _mark(found: os.stat_result) -> Mark:
    """Another one once the file was changed: nobody sets the time of its last change but the kernel."""
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _unfit(name: str, known: os.stat_result, file: Path, folder: Path) -> str:
    """Why something can't be an artifact; empty where it can. Raises OSError, RuntimeError."""
    if stat.S_ISLNK(known.st_mode):
        if not file.resolve().is_relative_to(folder.resolve()):
            return "it is a link that leaves the folder"
        if not file.is_file():
            return "it is a link to something that is no file"
    elif not stat.S_ISREG(known.st_mode):
        return "it is no file"
    if not os.access(file, os.R_OK):
        return "it can't be read"
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "its name is no text"
    if length > _PATH_BYTES or any(len(part.encode()) > _NAME_BYTES for part in name.split("/")):
        return "its name is too long"
    return ""
