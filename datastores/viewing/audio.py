"""Sounds, played by the browser."""

from typing import Any, ClassVar

from datastores.viewing.viewer import Looked, Viewer, suffix_of

TYPES = {
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".weba": "audio/webm",
}


class AudioViewer(Viewer):
    name: ClassVar[str] = "audio"
    label: ClassVar[str] = "Sound"
    template: ClassVar[str] = "datastores/parts/viewers/audio.html"
    suffixes: ClassVar[frozenset[str]] = frozenset(TYPES)

    def look(self, file: Looked) -> dict[str, Any]:
        return {"content_type": audio_type(file.entry.name)}


def audio_type(name: str) -> str | None:
    """The content type of a file that may be played in a page, by its name; None for every other one."""
    return TYPES.get(suffix_of(name))
