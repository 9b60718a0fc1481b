"""Texts, whatever their encoding."""

import codecs
from dataclasses import dataclass
from typing import Any, ClassVar

from datastores.viewing.viewer import Looked, Viewer
from studio.lib.problems import UserError

SHOWN_BYTES = 256 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_CONTROLS = frozenset(range(32)) - {9, 10, 12, 13, 27}


@dataclass(frozen=True, slots=True)
class Decoded:
    text: str
    encoding: str  # for people


def decoded(content: bytes, *, is_cut: bool) -> Decoded | None:
    """The text that these bytes are, by its mark or by what fits; None for what is no text.

    `is_cut`: the last character may be cut in half.
    """
    for mark, codec, name in _MARKS:
        if content.startswith(mark):
            return Decoded(_decode(content, codec, is_cut=is_cut, errors="replace"), name)
    if wide := _without_mark(content):
        return Decoded(_decode(content, wide, is_cut=True, errors="replace"), "UTF-16")
    if b"\0" in content:
        return None
    try:
        return Decoded(_decode(content, "utf-8", is_cut=is_cut), "UTF-8")
    except UnicodeDecodeError:
        pass
    if sum(byte in _CONTROLS for byte in content) * 50 > len(content):
        return None
    try:
        return Decoded(_decode(content, "cp1252", is_cut=False), "Windows-1252")
    except UnicodeDecodeError:
        return None


class TextViewer(Viewer):
    name: ClassVar[str] = "text"
    label: ClassVar[str] = "Text"
    template: ClassVar[str] = "datastores/parts/viewers/text.html"

    def look(self, file: Looked) -> dict[str, Any]:
        content = file.head if file.size_bytes <= len(file.head) else file.part(0, SHOWN_BYTES)
        is_cut = len(content) < file.size_bytes
        found = decoded(content, is_cut=is_cut)
        if found is None:
            raise UserError("These bytes are no text. Look at them as bytes, or download the file.")
        return {"text": found.text, "encoding": found.encoding, "is_cut": is_cut, "shown_bytes": len(content)}


def _decode(content: bytes, codec: str, *, is_cut: bool, errors: str = "strict") -> str:
    return codecs.getincrementaldecoder(codec)(errors).decode(content, final=not is_cut)


def _without_mark(content: bytes) -> str | None:
    """UTF-16 of mostly Latin letters, which has a NUL in every second place."""
    sample = content[:4096]
    half = len(sample) // 2
    if half < 8:
        return None
    for codec, start in (("utf-16-le", 1), ("utf-16-be", 0)):
        if sample[start::2].count(0) > 0.7 * half and sample[1 - start :: 2].count(0) == 0:
            return codec
    return None
