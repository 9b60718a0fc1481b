"""What a step left in its output folders: counted and fingerprinted, a file at a time, however many there are."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from compute.spec import JobResult, OutputRecord
from datastores.source_paths import shown

_READ_BYTES = 1024 * 1024
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Output:
    """A folder that the step writes: where it is here, and what it is called in its datastore.

    With `file` the output is the one file of that name in it.
    """

    folder: Path
    datastore_id: int
    path: str
    is_uploaded: bool = False  # when the command has ended well
    is_required: bool = False
    is_kept: bool = False  # however the command ended
    file: str | None = None

    @property
    def place(self) -> Path:
        """What the step is told."""
        return self.folder / self.file if self.file else self.folder

    def files(self) -> Iterator[tuple[str, Path]]:
        """The files of it, by path below the folder: without what is no part of it."""
        return ((relative, path) for relative, path in self.found() if _is_part(path, self.folder))

    def found(self) -> Iterator[tuple[str, Path]]:
        """Whatever could be a file of it."""
        if self.file is None:
            return files_below(self.folder)
        path = self.folder / self.file
        return iter([(self.file, path)] if os.path.lexists(path) else [])


def record_outputs(outputs: Mapping[str, Output], say: Callable[[str], None], check: Callable[[], None]) -> JobResult:
    """Walk every output. What is no part of it is named to `say`; `check` is called now and then and may raise."""
    return JobResult(outputs={name: _record(name, output, say, check) for name, output in outputs.items()})


def _record(name: str, output: Output, say: Callable[[str], None], check: Callable[[], None]) -> OutputRecord:
    digest = hashlib.sha256()
    file_count = size_bytes = left_out = 0
    for relative, path in output.found():
        check()
        hashed = _hash(path, output.folder, check)
        if hashed is None:
            left_out += 1
            if left_out <= _SHOWN:
                say(f"Output “{name}”: “{shown(relative)}” is no file of the folder and is not part of the output.")
            continue
        file_count += 1
        size_bytes += hashed[1]
        digest.update(fingerprint_part(os.fsencode(relative), hashed[0]))
    if left_out > _SHOWN:
        say(f"Output “{name}”: {left_out - _SHOWN:,} more are not part of the output.")
    is_file = output.file is not None and file_count == 1
    return OutputRecord(
        datastore_id=output.datastore_id,
        path=f"{output.path}/{output.file}" if is_file else output.path,
        is_file=is_file,
        fingerprint=digest.hexdigest(),
        file_count=file_count,
        size_bytes=size_bytes,
    )


def fingerprint_part(path: bytes, digest: bytes) -> bytes:
    """What a file adds to an output's fingerprint: SHA-256 over the parts of all, in the order of their paths."""
    return b"%d:%b:%b\n" % (len(path), path, digest)


def files_below(root: Path) -> Iterator[tuple[str, Path]]:
    """Everything below `root` that is not a folder, by relative path, in the order of its bytes folder by folder."""
    pending = [""]
    while pending:
        relative = pending.pop()
        if relative.endswith("/") or not relative:
            try:
                with os.scandir(root / relative) as found:
                    names = sorted(
                        (entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "") for entry in found),
                        key=os.fsencode,
                        reverse=True,
                    )
            except FileNotFoundError:
                continue
            pending += [relative + name for name in names]
        else:
            yield relative, root / relative


def _hash(path: Path, root: Path, check: Callable[[], None]) -> tuple[bytes, int] | None:
    """Digest and size of a file, or of the file in the same output that a link leads to; None for anything else."""
    try:
        if not _is_within(path, root):
            return None
        # Not blocking: opening a named pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, RuntimeError):
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # a folder could not be opened as a file at all
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        digest, size_bytes = hashlib.sha256(), 0
        while data := file.read(_READ_BYTES):
            check()
            digest.update(data)
            size_bytes += len(data)
    return digest.hexdigest().encode(), size_bytes


def _is_part(path: Path, root: Path) -> bool:
    try:
        return _is_within(path, root) and path.is_file()
    except (OSError, RuntimeError):
        return False


def _is_within(path: Path, root: Path) -> bool:
    return not path.is_symlink() or path.resolve().is_relative_to(root.resolve())
