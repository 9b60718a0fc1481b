"""Markdown, rendered without a word of its HTML."""

from typing import Any, ClassVar

from datastores.paths import parent_of
from datastores.tabular import isolated
from datastores.viewing.addresses import addresses_of
from datastores.viewing.text import decoded
from datastores.viewing.viewer import Looked, Viewer
from studio.lib.problems import UserError

SHOWN_BYTES = 512 * 1024
DEADLINE_S = 5.0
MEMORY_BYTES = 512 * 1024**2
PRELOAD = ("markdown_it", "nh3")


class MarkdownViewer(Viewer):
    name: ClassVar[str] = "markdown"
    label: ClassVar[str] = "Page"
    template: ClassVar[str] = "datastores/parts/viewers/markdown.html"
    suffixes: ClassVar[frozenset[str]] = frozenset({".md", ".markdown", ".mdown"})

    def look(self, file: Looked) -> dict[str, Any]:
        content = file.part(0, SHOWN_BYTES)
        is_cut = len(content) < file.size_bytes
        found = decoded(content, is_cut=is_cut)
        if found is None:
            raise UserError("These bytes are no text, so no Markdown either.")
        html = isolated.call(
            "datastores.viewing.markup:markdown_html",
            {"text": found.text, "folder": parent_of(file.entry.path), "addresses": addresses_of(file.datastore)},
            returns=str,
            deadline_s=DEADLINE_S,
            memory_bytes=MEMORY_BYTES,
            preload=PRELOAD,
        )
        return {"html": html, "is_cut": is_cut, "shown_bytes": len(content)}
