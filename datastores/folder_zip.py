"""A folder of a datastore as one ZIP archive, written while it is read."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain

from datastores.backends import Backend, Entry, NoSuchPath, get_backend
from datastores.models import Datastore
from datastores.paths import clean_path, is_glob, join, name_of
from studio.lib.zip_stream import PIECE_BYTES, Member, zip_pieces

NOT_INCLUDED = "(not included).txt"
NAMED = 1000  # of those that could not be included


class FolderBroke(Exception):  # noqa: N818
    """A file could not be read to its end: the answer ends here, in the middle, for everybody to see."""


def zipped_folder(datastore: Datastore, path: str, *, name: str = "") -> tuple[str, Iterator[bytes]]:
    """The name of the archive and its bytes, as they are read. All is in one folder, called as this one unless named.

    Raises UserError where there is nothing to download. The bytes raise FolderBroke where a file breaks.
    """
    path = clean_path(path)
    backend = get_backend(datastore)
    if path and backend.stat(path).kind != "folder":
        raise NoSuchPath("This is not a folder.", loc=("path",))
    files = files_below(backend, path)
    first = next(files, None)
    if first is None:
        raise NoSuchPath("There are no files in this folder.", loc=("path",))
    name = name or name_of(path) or datastore.name
    return f"{name}.zip", _pieces(backend, chain([first], files), skip=len(path) + 1 if path else 0, top=name)


def files_below(backend: Backend, path: str) -> Iterator[Entry]:
    """The file at `path`, or every file below the folder there, whatever characters its name has."""
    if not is_glob(path):
        yield from backend.glob(path)
        return
    entry = backend.stat(path)
    if entry.kind == "file":
        yield entry
        return
    after: str | None = None
    while True:
        listing = backend.list(path, after=after, limit=1000)
        for entry in listing.entries:
            if entry.kind == "file":
                yield entry
            elif entry.kind == "folder" and entry.is_addressable:
                yield from files_below(backend, entry.path)
        if listing.after is None:
            return
        after = listing.after


def _pieces(backend: Backend, files: Iterable[Entry], *, skip: int, top: str) -> Iterator[bytes]:
    with closing(backend):
        yield from zip_pieces(_members(backend, files, skip=skip, top=top))


def _members(backend: Backend, files: Iterable[Entry], *, skip: int, top: str) -> Iterator[Member]:
    left_out: list[str] = []
    for entry in files:
        if not entry.is_addressable:  # its name is no text, so nobody can ask for it
            left_out.append(entry.label)
            continue
        path = join(top, entry.path[skip:])
        yield Member(path, content_of(backend, entry), entry.size_bytes, entry.modified_at)
    if left_out:
        words = ["The names of these files are no text: rename them to download them.", *left_out[:NAMED]]
        yield Member.of_text(join(top, NOT_INCLUDED), "\n".join(words))


def content_of(backend: Backend, entry: Entry) -> Iterator[bytes]:
    """As many bytes as the file had when it was seen: one that grows is not waited for, one that shrank broke."""
    left = entry.size_bytes
    try:
        with backend.open_read(entry.path) as stream:
            while left is None or left > 0:
                piece = stream.read(PIECE_BYTES if left is None else min(PIECE_BYTES, left))
                if not piece:
                    break
                left = None if left is None else left - len(piece)
                yield piece
    except GeneratorExit:
        raise
    except Exception as error:
        raise FolderBroke(f"{entry.path} could not be read to its end: {error}") from error
    if left:
        raise FolderBroke(f"{entry.path} became shorter while it was read.")
