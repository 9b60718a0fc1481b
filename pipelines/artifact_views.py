"""An artifact of a step as a part of its page: whatever wrote it, nothing of it acts here."""

from base64 import b64encode
from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from datastores.tabular.reading import TablePreview
from datastores.viewing import registry
from datastores.viewing.text import decoded
from datastores.viewing.viewer import Looked, Viewer, suffix_of
from pipelines.queries import ArtifactFolder, run_of, step_of
from pipelines.run_views import asked_attempt
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

FRAME_BYTES = 5 * 1024**2
_DOCUMENTS, _DRAWINGS = frozenset({".html", ".htm"}), frozenset({".svg"})
# A document is put into a frame of a world of its own, which has no script, no form and no window. What it says of
# itself is all there is: it loads nothing, from elsewhere or from here.
_HEAD = (
    '<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "style-src 'unsafe-inline'; img-src data:\">"
)
_PLAIN = {".json"}  # one document is seldom a table


@require_safe
@workspace_page(Permission.VIEW)
def look(request: WorkspaceRequest, run_id: int, name: str) -> HttpResponse:
    """A file (`?path=…&attempt=N`) as suits it: a picture, a table, a document in a frame, a text."""
    try:
        looked = _looked(request, run_id, name)
        context: dict[str, Any] = {
            "datastore": looked.datastore,
            "path": looked.entry.path,
            "name": looked.entry.name,
            "entry": looked.entry,
            **_shown(looked),
        }
    except UserError as error:
        return render(request, "pipelines/run_file_refused.html", {"error": error}, status=error.status_code)
    return render(request, "pipelines/run_artifact.html", context)


def _looked(request: WorkspaceRequest, run_id: int, name: str) -> Looked:
    """Raises Http404, UserError."""
    workspace = request.access.workspace
    folder = ArtifactFolder(workspace, step_of(run_of(workspace, run_id), name), attempt=asked_attempt(request) or None)
    return folder.looked_at(request.GET.get("path", ""))


def _shown(looked: Looked) -> dict[str, Any]:
    if not looked.size_bytes:
        return {}
    suffix = suffix_of(looked.entry.name)
    if looked.size_bytes <= FRAME_BYTES and suffix in _DOCUMENTS | _DRAWINGS:
        content = looked.part(0, looked.size_bytes)
        if suffix in _DRAWINGS:  # a browser runs nothing of a picture, and loads nothing for it
            return {"drawing": f"data:image/svg+xml;base64,{b64encode(content).decode()}"}
        text = decoded(content, is_cut=False)
        if text is not None:
            return {"document": _HEAD + text.text}
    viewer = registry.chosen(looked, "text" if suffix in _PLAIN else "")
    try:
        return _seen(viewer, looked)
    except UserError as error:
        plain = registry.fallback(looked)
        return {"why_not": error, "wanted": viewer, **(_seen(plain, looked) if plain is not viewer else {})}


def _seen(viewer: Viewer, looked: Looked) -> dict[str, Any]:
    """Raises UserError. Bytes that are none of all that are not worth a table of them here."""
    if viewer.name == "hex":
        return {"is_binary": True}
    seen = viewer.look(looked)
    table = seen.get("table")
    if isinstance(table, TablePreview) and len(table.sheets) > 1:  # which one is chosen where the file lies
        seen["more_sheets"] = len(table.sheets) - 1
        seen["table"] = replace(table, sheets=[])
    return {"viewer": viewer, **seen}
