"""The files of a source folder as one zip: without what its ignore files leave out, and never git's own folder."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from typing import IO

from studio_sdk._ignore import AML, GIT, MAX_BYTES, Rules, is_left_out
from studio_sdk.exceptions import UserErrorException

_PIECE_BYTES = 1024 * 1024
_NO_TIME = (1980, 1, 1, 0, 0, 0)  # equal folders are equal zips


class SourceFolder:
    """`left_out` has, after `paths`, the links and other things that are no files of the folder."""

    def __init__(self, path: str) -> None:
        if not os.path.isdir(path):
            raise UserErrorException(f"There is no folder {path}.")
        self.path = os.path.realpath(path)
        self._ignore_name = AML if os.path.isfile(os.path.join(self.path, AML)) else GIT
        self.left_out: list[str] = []

    def paths(self) -> list[str]:
        """Relative, with `/`, sorted. Raises UserErrorException where there is none."""
        self.left_out = []
        found = sorted(self._below("", []))
        if not found:
            raise UserErrorException(f"{self.path} has no files, or its {self._ignore_name} leaves all of them out.")
        return found

    def write_zip(self, paths: list[str], file: IO[bytes]) -> None:
        """With the right to execute of each. Raises OSError, and UserErrorException for a name that can't be sent."""
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in paths:
                _check_name(path)
                place = os.path.join(self.path, *path.split("/"))
                with open(place, "rb") as source:
                    entry = zipfile.ZipInfo(path, _NO_TIME)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    entry.create_system = 3  # Unix: only there do rights mean something
                    is_executable = os.access(place, os.X_OK)
                    entry.external_attr = (0o100755 if is_executable else 0o100644) << 16
                    with archive.open(entry, "w", force_zip64=True) as target:
                        while True:
                            piece = source.read(_PIECE_BYTES)
                            if not piece:
                                break
                            target.write(piece)

    def _below(self, folder: str, rules: list[tuple[str, Rules]]) -> Iterator[str]:
        """What is left out is never looked into. `rules` of the nearest folder come first."""
        place = os.path.join(self.path, *folder.split("/")) if folder else self.path
        own = _rules_in(os.path.join(place, self._ignore_name))
        rules = [(folder, own), *rules] if own else rules
        with os.scandir(place) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                path = f"{folder}/{entry.name}" if folder else entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if is_left_out(path, is_folder=is_folder, rules=rules):
                    continue
                if is_folder:
                    yield from self._below(path, rules)
                elif entry.is_file(follow_symlinks=False) or self._is_file_of_ours(entry.path):
                    yield path
                else:
                    self.left_out.append(path)

    def _is_file_of_ours(self, place: str) -> bool:
        """A link to a file of the folder; one that leads out of it could bring anything along."""
        real = os.path.realpath(place)
        return os.path.isfile(real) and os.path.commonpath([self.path, real]) == self.path


def _rules_in(place: str) -> Rules | None:
    if not os.path.isfile(place) or os.path.getsize(place) > MAX_BYTES:
        return None
    with open(place, encoding="utf-8", errors="replace") as file:
        return Rules(file.read())


def _check_name(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = path.encode("utf-8", "replace").decode()
        raise UserErrorException(f"“{shown}” has a name that is no UTF-8: rename it, or have it left out.") from None
