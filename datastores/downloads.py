"""A datastore's file on its way out: whole, or the part that was asked for."""

from django.http import HttpRequest, HttpResponseBase

from datastores.backends import Entry, NoSuchPath, get_backend
from datastores.models import Datastore
from datastores.paths import clean_path
from studio.lib.ranges import send_file, tag_of


def send_path(request: HttpRequest, datastore: Datastore, path: str) -> HttpResponseBase:
    """To be saved: a download that broke off goes on. Raises UserError where `path` is no file."""
    path = clean_path(path)
    backend = get_backend(datastore)
    entry = backend.stat(path)
    if entry.kind != "file":
        raise NoSuchPath("This is not a file.")
    return send_file(
        request,
        lambda: backend.open_read(path),
        entry.name,
        size_bytes=entry.size_bytes,
        etag=etag_of(datastore, entry),
        modified_at=entry.modified_at,
    )


def etag_of(datastore: Datastore, entry: Entry) -> str:
    """Changes when the file does, as far as its store tells."""
    return tag_of(datastore.pk, entry.path, entry.size_bytes, entry.etag or entry.modified_ns)
