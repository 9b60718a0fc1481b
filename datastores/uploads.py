"""An upload's request: which part is which file. Nothing of a file is held in memory."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.core.exceptions import TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from datastores.backends import DiskFull
from datastores.services import Upload
from studio.lib.problems import UserError


def uploads_of(fields: QueryDict, files: MultiValueDict[str, "UploadedFile[Any]"]) -> Iterator[Upload]:
    """The parts `files` by their order, each with its path.

    Paths come as one JSON list in `paths_json` (a browser rewrites line breaks in plain fields), or as one field
    `paths` for each file, or from the parts' own file names. Raises UserError where there are more of one than the
    other.
    """
    parts = files.getlist("files")
    if not parts:
        raise UserError("Choose at least one file.", loc=("files",))
    paths = _paths(fields) or [part.name or "" for part in parts]
    if len(paths) != len(parts):
        raise UserError(
            f"{len(parts)} files came with {len(paths)} paths. Give each file its path, and a file name.",
            loc=("paths",),
        )
    return (Upload(path, _content(part)) for path, part in zip(paths, parts, strict=True))


def as_user_error(error: Exception) -> UserError | None:
    """What Django says about a request that it could not take in, for people; None for any other error."""
    if isinstance(error, TooManyFilesSent | TooManyFieldsSent):
        return UserError(
            "These are too many files for one request. Send them in batches of at most 500.", loc=("files",)
        )
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull("The studio's disk is full, so nothing was uploaded. Make room and try again.")
    return None


def _paths(fields: QueryDict) -> list[str]:
    text = fields.get("paths_json")
    if text is None:
        return fields.getlist("paths")
    try:
        paths = json.loads(text)
    except ValueError:
        paths = None
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise UserError("`paths_json` must be a JSON list of texts.", loc=("paths_json",))
    return paths


def _content(part: "UploadedFile[Any]") -> Path | BinaryIO:
    # Parts beyond FILE_UPLOAD_MAX_MEMORY_SIZE lie in a file already, which a datastore on the same disk just renames.
    return Path(part.temporary_file_path()) if isinstance(part, TemporaryUploadedFile) else cast("BinaryIO", part.file)
