"""How text files are read: azureml's choices."""

from __future__ import annotations

from enum import Enum

__all__ = ["FileEncoding", "PromoteHeadersBehavior"]


class PromoteHeadersBehavior(Enum):
    """Which files begin with a row of names."""

    NO_HEADERS = 0
    ONLY_FIRST_FILE_HAS_HEADERS = 1
    COMBINE_ALL_FILES_HEADERS = 2
    ALL_FILES_HAVE_SAME_HEADERS = 3


class FileEncoding(Enum):
    UTF8 = 0
    ISO88591 = 1
    LATIN1 = 2
    ASCII = 3
    UTF16 = 4
    UTF32 = 5
    UTF8BOM = 6
    WINDOWS1252 = 7
