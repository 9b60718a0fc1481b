"""The pages of one file in a datastore: what it is, as much of it as can be shown, and its bytes."""

from typing import Any

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from datastores import queries
from datastores.backends import Entry, NoSuchPath, get_backend
from datastores.icons import icon_of
from datastores.models import Datastore
from datastores.paths import clean_path, crumbs, name_of, parent_of
from studio.lib.downloads import image_type, stream_file, stream_image
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

PREVIEW_BYTES = 64 * 1024
IMAGE_BYTES = 20 * 1024**2


@require_safe
@workspace_page(Permission.VIEW)
def file(request: WorkspaceRequest, datastore_id: int) -> HttpResponse:
    """A file: what it is, and as much of it as can be shown without running anything."""
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    context: dict[str, Any] = {"datastore": datastore}
    try:
        path = clean_path(request.GET.get("path", ""))
        context |= {
            "path": path,
            "name": name_of(path),
            "folder": parent_of(path),
            "crumbs": list(crumbs(parent_of(path))),
        }
        entry = _file(datastore, path)
        context |= {"entry": entry, "icon_name": icon_of(entry), "is_image": _is_image(entry)}
        if not context["is_image"]:
            context |= _text_of(datastore, path)
    except UserError as error:
        return render(request, "datastores/refused.html", {**context, "error": error}, status=error.status_code)
    return render(request, "datastores/file.html", context)


@require_safe
@workspace_page(Permission.VIEW)
def download(request: WorkspaceRequest, datastore_id: int) -> HttpResponseBase:
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    try:
        path = clean_path(request.GET.get("path", ""))
        entry = _file(datastore, path)
        stream = get_backend(datastore).open_read(path)
    except UserError as error:
        return render(
            request, "datastores/refused.html", {"datastore": datastore, "error": error}, status=error.status_code
        )
    return stream_file(stream, entry.name, size_bytes=entry.size_bytes)


@require_safe
@workspace_page(Permission.VIEW)
def image(request: WorkspaceRequest, datastore_id: int) -> HttpResponseBase:
    """The bytes of a picture, to be drawn in a page."""
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    try:
        path = clean_path(request.GET.get("path", ""))
        entry = _file(datastore, path)
        if not _is_image(entry):
            raise NoSuchPath("This is no picture that can be shown.")
        stream = get_backend(datastore).open_read(path)
    except UserError as error:
        raise Http404(str(error)) from error
    return stream_image(stream, entry.name, size_bytes=entry.size_bytes)


def _file(datastore: Datastore, path: str) -> Entry:
    """Raises UserError where `path` is no file."""
    entry = get_backend(datastore).stat(path)
    if entry.kind != "file":
        raise NoSuchPath("This is not a file.")
    return entry


def _is_image(entry: Entry) -> bool:
    return image_type(entry.name) is not None and 0 < (entry.size_bytes or 0) <= IMAGE_BYTES


def _text_of(datastore: Datastore, path: str) -> dict[str, Any]:
    """The beginning of a text; no text for what is none."""
    with get_backend(datastore).open_read(path) as stream:
        head = stream.read(PREVIEW_BYTES + 1)
    is_cut = len(head) > PREVIEW_BYTES
    head = head[:PREVIEW_BYTES]
    if b"\0" in head:
        return {"text": None}
    try:
        # A character may be cut in half at the end of what was read.
        text = head.decode("utf-8") if not is_cut else head[:-3].decode("utf-8") + head[-3:].decode("utf-8", "ignore")
    except UnicodeDecodeError:
        text = head.decode("utf-8", "replace")
        if text.count("\ufffd") * 10 > len(text):
            return {"text": None}
    return {"text": text, "is_cut": is_cut, "shown_bytes": len(head)}
