"""Notebook files as a step needs them: whether one can be run, and which parameters it takes. Nothing of them runs."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# As papermill reads a cell of parameters: `name = value`, with or without an annotation.
_ASSIGNED = re.compile(r"^(?P<name>[A-Za-z_]\w*)[ \t]*(?::[^=\n]+)?=(?!=)", re.MULTILINE)
TAG = "parameters"


class NotebookError(Exception):
    """Why a text is no notebook that can be run, in words for its author."""


@dataclass(frozen=True, slots=True)
class Notebook:
    """What a notebook says of itself."""

    parameters: frozenset[str] | None  # None: it has no cell for them

    @property
    def parameter_words(self) -> str:
        """Those that there are, as the end of a sentence."""
        names = sorted(self.parameters or ())
        return f" There are: {', '.join(names)}." if names else ""


def read_notebook(text: str) -> Notebook:
    """Raises NotebookError."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotebookError("This file is no notebook: it holds no JSON. Save it again as a notebook.") from error
    major = document.get("nbformat") if isinstance(document, dict) else None
    if not isinstance(major, int):
        raise NotebookError("This file is no notebook: it doesn't say of which format it is (“nbformat”).")
    if major < 4:
        raise NotebookError(
            f"This notebook is of format {major}, which Jupyter has left behind. Open it there and save it in format 4."
        )
    cells = document.get("cells")
    if not isinstance(cells, list):
        raise NotebookError("This notebook has no list of cells. Open it in Jupyter and save it again.")
    if not any(isinstance(cell, dict) and cell.get("cell_type") == "code" for cell in cells):
        raise NotebookError("This notebook has no cell of code: there is nothing to run. Add one.")
    return Notebook(_parameters(cells))


def _parameters(cells: list[Any]) -> frozenset[str] | None:
    source = next(_tagged(cells), None)
    return None if source is None else frozenset(match["name"] for match in _ASSIGNED.finditer(source))


def _tagged(cells: list[Any]) -> Iterator[str]:
    for cell in cells:
        metadata = cell.get("metadata") if isinstance(cell, dict) else None
        tags = metadata.get("tags") if isinstance(metadata, dict) else None
        if isinstance(tags, list) and TAG in tags:
            source = cell.get("source", "")
            yield "".join(map(str, source)) if isinstance(source, list) else str(source)
