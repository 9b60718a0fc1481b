"""The pages of one file in a datastore: what it is, as much of it as can be shown, and its bytes."""

from collections.abc import Callable
from typing import Any, BinaryIO

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from datastores import queries
from datastores.backends import Backend, Entry, NoSuchPath, get_backend
from datastores.downloads import etag_of, send_path
from datastores.icons import icon_of
from datastores.models import Datastore
from datastores.paths import clean_path, crumbs, name_of, parent_of
from datastores.viewing import registry
from datastores.viewing.audio import audio_type
from datastores.viewing.picture import DRAWN_BYTES, LARGE_EDGE, SMALL_EDGE, thumbnail
from datastores.viewing.viewer import Looked
from studio.lib.downloads import image_type
from studio.lib.problems import UserError
from studio.lib.ranges import send_file, tag_of
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission


@require_safe
@workspace_page(Permission.VIEW)
def file(request: WorkspaceRequest, datastore_id: int) -> HttpResponse:
    """A file, shown as suits it, or as `as` says; what can't be shown so says why, and is shown plainly."""
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    context: dict[str, Any] = {"datastore": datastore}
    try:
        path = clean_path(request.GET.get("path", ""))
        context |= {"path": path, "name": name_of(path), "folder": parent_of(path)}
        context |= {"crumbs": list(crumbs(parent_of(path)))}
        backend = get_backend(datastore)
        entry = _file(backend, path)
        looked = Looked(datastore, backend, entry, request.GET.dict())
        context |= {"entry": entry, "icon_name": icon_of(entry)}
        context |= _shown(looked, request.GET.get("as", "")) if entry.size_bytes else {}
    except UserError as error:
        return render(request, "datastores/refused.html", {**context, "error": error}, status=error.status_code)
    return render(request, "datastores/file.html", context)


def _shown(looked: Looked, asked: str) -> dict[str, Any]:
    """Raises UserError where the file can't be read at all."""
    viewer = registry.chosen(looked, asked)
    shown: dict[str, Any] = {"viewers": registry.offered(looked.entry)}
    try:
        return {**shown, "viewer": viewer, **viewer.look(looked)}
    except UserError as error:
        plain = registry.fallback(looked)
        if plain is viewer:
            raise
        return {**shown, "viewer": plain, "why_not": error, "wanted": viewer, **plain.look(looked)}


@require_safe
@workspace_page(Permission.VIEW)
def download(request: WorkspaceRequest, datastore_id: int) -> HttpResponseBase:
    """The bytes, or the part of them that was asked for: a download that broke off goes on."""
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    try:
        return send_path(request, datastore, request.GET.get("path", ""))
    except UserError as error:
        return render(
            request, "datastores/refused.html", {"datastore": datastore, "error": error}, status=error.status_code
        )


@require_safe
@workspace_page(Permission.VIEW)
def image(request: WorkspaceRequest, datastore_id: int) -> HttpResponseBase:
    """The bytes of a picture, to be drawn in a page."""
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    return _inline(request, datastore, image_type, most_bytes=DRAWN_BYTES)


@require_safe
@workspace_page(Permission.VIEW)
def audio(request: WorkspaceRequest, datastore_id: int) -> HttpResponseBase:
    """The bytes of a sound, to be played in a page."""
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    return _inline(request, datastore, audio_type)


@require_safe
@workspace_page(Permission.VIEW)
def thumbnail_of(request: WorkspaceRequest, datastore_id: int) -> HttpResponseBase:
    """A small copy of a picture; `edge` in pixels is one of two. Asked for again only where the file changed."""
    datastore = queries.datastore_in(request.access.workspace, datastore_id)
    edge = LARGE_EDGE if request.GET.get("edge") == str(LARGE_EDGE) else SMALL_EDGE
    try:
        path = clean_path(request.GET.get("path", ""))
        backend = get_backend(datastore)
        entry = _file(backend, path)
        etag = tag_of(etag_of(datastore, entry), edge)
        answer = get_conditional_response(request, etag=etag)
        if answer is None:
            content = thumbnail(Looked(datastore, backend, entry, {}), edge)
            answer = HttpResponse(content, content_type="image/webp")
    except UserError as error:
        raise Http404(str(error)) from error
    answer["ETag"] = etag
    answer["Cache-Control"] = "private, max-age=300"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _inline(
    request: WorkspaceRequest,
    datastore: Datastore,
    type_of: Callable[[str], str | None],
    *,
    most_bytes: int | None = None,
) -> HttpResponseBase:
    """Bytes of a kind that a browser shows and never runs. Raises Http404 for every other one."""
    try:
        entry, open_stream = _opened(datastore, request)
        content_type = type_of(entry.name)
        if content_type is None or (most_bytes is not None and (entry.size_bytes or 0) > most_bytes):
            raise NoSuchPath("This can't be shown in a page.")
        return send_file(
            request,
            open_stream,
            entry.name,
            size_bytes=entry.size_bytes,
            etag=etag_of(datastore, entry),
            modified_at=entry.modified_at,
            content_type=content_type,
            inline=True,
        )
    except UserError as error:
        raise Http404(str(error)) from error


def _opened(datastore: Datastore, request: WorkspaceRequest) -> tuple[Entry, Callable[[], BinaryIO]]:
    path = clean_path(request.GET.get("path", ""))
    backend = get_backend(datastore)
    return _file(backend, path), lambda: backend.open_read(path)


def _file(backend: Backend, path: str) -> Entry:
    """Raises UserError where `path` is no file."""
    entry = backend.stat(path)
    if entry.kind != "file":
        raise NoSuchPath("This is not a file.")
    return entry
