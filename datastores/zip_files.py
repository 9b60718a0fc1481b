"""The files of an uploaded zip, one after the other, and a clear refusal of what would do harm."""

import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from datastores.source_paths import problem_of, shown
from studio.lib.problems import UserError

# Deflate can't do better than about 1030 : 1, and real sources stay far below this.
MAX_RATIO = 200
RATIO_COUNTS_FROM_BYTES = 1024 * 1024
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class ZippedFile:
    path: str
    size_bytes: int  # as declared; what really comes is counted by the reader
    executable: bool
    stream: IO[bytes]


def files_of_zip(upload: IO[bytes], *, max_files: int, max_bytes: int) -> Iterator[ZippedFile]:
    """Yield each file with an open stream, valid until the next.

    A single folder around everything, as archives of a repository have it, stays: the entry script is named with it.
    Raises UserError that names the file for whatever can't be taken.
    """
    try:
        archive = zipfile.ZipFile(upload)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError, OSError) as error:
        raise UserError("This is not a zip file, or it is damaged. Make it again and upload it.") from error
    with archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        _check(members, max_files=max_files, max_bytes=max_bytes)
        for member in members:
            try:
                with archive.open(member) as stream:
                    yield ZippedFile(
                        path=member.filename,
                        size_bytes=member.file_size,
                        executable=bool(member.external_attr >> 16 & 0o100),
                        stream=_Checked(stream, member),  # type: ignore[arg-type]
                    )
            except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError) as error:
                raise _damaged(member) from error


class _Checked:
    """A member's stream that turns a damaged member into a sentence and never gives more than was declared."""

    def __init__(self, stream: IO[bytes], member: zipfile.ZipInfo) -> None:
        self.stream, self.member, self.read_bytes = stream, member, 0

    def read(self, size: int = -1) -> bytes:
        try:
            chunk = self.stream.read(size)
        except Exception as error:  # zlib, lzma, bz2 and zipfile each have errors of their own
            raise _damaged(self.member) from error
        self.read_bytes += len(chunk)
        if self.read_bytes > self.member.file_size:
            raise UserError(
                f"“{shown(self.member.filename)}” in the zip is larger than it says it is. "
                "The zip was made to do harm, or is damaged: make it again."
            )
        return chunk


def _check(members: list[zipfile.ZipInfo], *, max_files: int, max_bytes: int) -> None:
    if not members:
        raise UserError("The zip has no files in it. Put the script and whatever it imports into it.")
    if len(members) > max_files:
        raise UserError(
            f"The zip has {len(members):,} files; a source folder may have {max_files:,}. "
            "Leave out data, virtual environments and caches, and upload data to a datastore instead."
        )
    seen: set[str] = set()
    for member in members:
        # zipfile replaces what the archive says by something harmless, silently: what it says must be looked at too.
        for name in (member.orig_filename, member.filename):
            problem = problem_of(name)
            if problem:
                raise UserError(f"In the zip: {problem}")
        if member.filename in seen:
            raise UserError(f"“{shown(member.filename)}” is in the zip twice. Make the zip again with one of them.")
        seen.add(member.filename)
        _check_member(member)
    total = sum(member.file_size for member in members)
    if total > max_bytes:
        raise UserError(
            f"Unpacked, the zip would have {_megabytes(total)}; a source folder may have {_megabytes(max_bytes)}. "
            "Upload data to a datastore instead, and give it to the step as an input."
        )


def _check_member(member: zipfile.ZipInfo) -> None:
    name = f"“{shown(member.filename)}”"
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise UserError(f"{name} in the zip is a symbolic link. Put the file itself into the zip.")
    if kind not in {0, stat.S_IFREG}:
        raise UserError(f"{name} in the zip is not a plain file. Leave it out.")
    if member.flag_bits & _ENCRYPTED:
        raise UserError(f"{name} in the zip is encrypted. Make the zip without a password.")
    if member.compress_type not in _METHODS:
        raise UserError(f"{name} in the zip is packed in a way that can't be read here. Use plain “deflate”.")
    if member.file_size > RATIO_COUNTS_FROM_BYTES and member.file_size > MAX_RATIO * max(member.compress_size, 1):
        raise UserError(
            f"{name} in the zip would grow to more than {MAX_RATIO} times its packed size, as a zip bomb does. "
            "Leave it out, or upload it unpacked to a datastore."
        )


def _damaged(member: zipfile.ZipInfo) -> UserError:
    return UserError(f"“{shown(member.filename)}” in the zip is damaged. Make the zip again and upload it.")


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1024**2:,.0f} MB"
