"""What a step left in its output folders: counted and fingerprinted, a file at a time, however many there are."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from compute.spec import JobResult, OutputRecord

_READ_BYTES = 1024 * 1024
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Output:
    """A folder that the step writes: where it is here, and what it is called in its datastore."""

    folder: Path
    datastore_id: int
    path: str
    is_uploaded: bool = False  # when the command has ended well
    is_required: bool = False


def record_outputs(outputs: Mapping[str, Output], say: Callable[[str], None], check: Callable[[], None]) -> JobResult:
    """Walk every output. What is no part of it is named to `say`; `check` is called now and then and may raise."""
    return JobResult(outputs={name: _record(name, output, say, check) for name, output in outputs.items()})


def _record(name: str, output: Output, say: Callable[[str], None], check: Callable[[], None]) -> OutputRecord:
    digest = hashlib.sha256()
    file_count = size_bytes = left_out = 0
    for relative, path in _files(output.folder):
        check()
        hashed = _hash(path, output.folder, check)
        if hashed is None:
            left_out += 1
            if left_out <= _SHOWN:
                say(f"Output “{name}”: “{relative}” is no file of the folder and is not part of the output.")
            continue
        file_count += 1
        size_bytes += hashed[1]
        encoded = os.fsencode(relative)
        digest.update(b"%d:%b:%b\n" % (len(encoded), encoded, hashed[0]))
    if left_out > _SHOWN:
        say(f"Output “{name}”: {left_out - _SHOWN:,} more are not part of the output.")
    return OutputRecord(
        datastore_id=output.datastore_id,
        path=output.path,
        fingerprint=digest.hexdigest(),
        file_count=file_count,
        size_bytes=size_bytes,
    )


def files_of(root: Path) -> Iterator[tuple[str, Path]]:
    """The files of an output, by relative path: without what is no part of it."""
    return ((relative, path) for relative, path in _files(root) if _is_part(path, root))


def _files(root: Path) -> Iterator[tuple[str, Path]]:
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
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
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
