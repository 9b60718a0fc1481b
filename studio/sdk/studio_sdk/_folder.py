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
        self.ignore_name = AML if os.path.isfile(os.path.join(self.path, AML)) else GIT
        self._rules: dict[str, Rules | None] = {}
        self.left_out: list[str] = []

    def paths(self) -> list[str]:
        """Relative, with `/`, sorted. Raises UserErrorException where there is none."""
        self.left_out = []
        self._rules = {}
        found = sorted(self._below("", []))
        if not found:
            raise UserErrorException(f"{self.path} has no files, or its {self.ignore_name} leaves all of them out.")
        return found

    def leaves_out(self, path: str) -> bool:
        """Whether the ignore files leave it, or a folder that it lies in, out; it need not be there any longer."""
        names = path.split("/")
        rules: list[tuple[str, Rules]] = []
        for count in range(1, len(names) + 1):
            rules = self._with_own(rules, "/".join(names[: count - 1]))
            part = "/".join(names[:count])
            is_folder = count < len(names) or self._is_folder(part)
            if is_left_out(part, is_folder=is_folder, rules=rules):
                return True
        return False

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
                    is_executable = os.name != "nt" and os.access(place, os.X_OK)  # on Windows every file is
                    entry.external_attr = (0o100755 if is_executable else 0o100644) << 16
                    with archive.open(entry, "w", force_zip64=True) as target:
                        while True:
                            piece = source.read(_PIECE_BYTES)
                            if not piece:
                                break
                            target.write(piece)

    def _below(self, folder: str, rules: list[tuple[str, Rules]]) -> Iterator[str]:
        """What is left out is never looked into. `rules` of the nearest folder come first."""
        rules = self._with_own(rules, folder)
        with os.scandir(self._place(folder)) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                path = f"{folder}/{entry.name}" if folder else entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if is_left_out(path, is_folder=is_folder, rules=rules):
                    continue
                if is_folder and os.path.realpath(entry.path) == entry.path:  # and no junction, as Windows has them
                    yield from self._below(path, rules)
                elif entry.is_file(follow_symlinks=False) or self._is_file_of_ours(entry.path):
                    yield path
                else:
                    self.left_out.append(path)

    def _is_file_of_ours(self, place: str) -> bool:
        """A link to a file that is sent itself; another one could bring along what is to stay behind."""
        real = os.path.realpath(place)
        try:
            names = os.path.relpath(real, self.path).split(os.sep)
        except ValueError:  # on another drive
            return False
        if os.pardir in names[:1] or any(name.lower() == ".git" for name in names):
            return False
        return os.path.isfile(real) and not self.leaves_out("/".join(names))

    def _with_own(self, rules: list[tuple[str, Rules]], folder: str) -> list[tuple[str, Rules]]:
        if folder not in self._rules:
            self._rules[folder] = _rules_in(os.path.join(self._place(folder), self.ignore_name))
        own = self._rules[folder]
        return [(folder, own), *rules] if own else rules

    def _is_folder(self, path: str) -> bool:
        return os.path.isdir(self._place(path)) and not os.path.islink(self._place(path))

    def _place(self, path: str) -> str:
        return os.path.join(self.path, *path.split("/")) if path else self.path


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
