"""Notebooks: their cells and what they printed; nothing of them runs, and a large one is shown as far as it goes."""

from typing import Any, ClassVar

from datastores.paths import parent_of
from datastores.tabular import isolated
from datastores.viewing.addresses import addresses_of
from datastores.viewing.cells import Notebook
from datastores.viewing.viewer import Looked, Viewer

SHOWN_BYTES = 16 * 1024**2
DEADLINE_S = 10.0
MEMORY_BYTES = 1024**3
PRELOAD = ("markdown_it", "nh3", "PIL.Image")


class NotebookViewer(Viewer):
    name: ClassVar[str] = "notebook"
    label: ClassVar[str] = "Notebook"
    template: ClassVar[str] = "datastores/parts/viewers/notebook.html"
    suffixes: ClassVar[frozenset[str]] = frozenset({".ipynb"})

    def look(self, file: Looked) -> dict[str, Any]:
        content = file.part(0, SHOWN_BYTES)
        notebook = isolated.call(
            "datastores.viewing.cells:notebook",
            {
                "content": content,
                "is_cut": len(content) < file.size_bytes,
                "folder": parent_of(file.entry.path),
                "addresses": addresses_of(file.datastore),
            },
            returns=Notebook,
            deadline_s=DEADLINE_S,
            memory_bytes=MEMORY_BYTES,
            preload=PRELOAD,
        )
        return {"notebook": notebook}
