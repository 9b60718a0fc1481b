"""The inputs of a step as files of an archive: laid out as on a node, so that its paths mean the same."""

import tempfile
import threading
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from django.conf import settings

from compute.data.layout import file_name, folder_of, is_pattern, relative
from compute.data.retrying import BROKEN, as_failure
from compute.execution.reasons import StepFailure
from compute.spec import JobInput
from datastores.folder_zip import content_of, files_below
from datastores.paths import parent_of
from datastores.places import Place, Places
from datastores.sources import TabularDefinition
from datastores.tabular.writing import write_parquet
from pipelines.reproduction import run_script
from pipelines.reproduction.program import MISSING
from studio.lib.problems import UserError
from studio.lib.zip_stream import Member

_READ_BYTES = 256 * 1024
_TABLE_S = 600.0  # as long as somebody waits for a download to go on
_writers = threading.BoundedSemaphore(2)  # of tables at once: whoever reads may ask, and each keeps a core busy
ADDRESSES = "addresses.txt"


def stands_for(name: str, data: JobInput, places: Places) -> run_script.Place:
    """What the input's placeholder becomes: a path below the archive's folder, or an address."""
    top = f"inputs/{name}"
    if data.table is not None:
        return run_script.Place(top)
    try:
        found = [places.of(path) for path in data.paths]
    except UserError:  # its members say so
        return run_script.Place(top)
    if data.folders:
        return run_script.Place(top)
    if not _is_plain(found):
        return run_script.Place(f"{top}/{ADDRESSES}" if _are_addresses(found, data) else top)
    if _are_addresses(found, data):
        return run_script.Place(found[0].backend.address(found[0].path), is_address=True)
    return run_script.Place(f"{top}/{file_name(found[0])}" if found[0].path else top)


def members_of(name: str, data: JobInput, workspace_id: int, *, below: str = "") -> Iterator[Member]:
    """Its files, below `inputs/NAME/` or whatever folder `below` says, as they are now.

    Where it can't be read there is one file in their place that says why. The bytes raise FolderBroke where a file
    breaks in the middle.
    """
    top = f"{below}{name}"
    try:
        with Places(workspace_id) as places:
            if data.table is not None:
                yield from _table(top, data, workspace_id)
            else:
                yield from _files(top, data, places)
    except (UserError, StepFailure, *BROKEN) as error:
        yield Member.of_text(f"{top}{MISSING}", f"{as_failure(error, 'Reading it') or error}\n")


def _files(top: str, data: JobInput, places: Places) -> Iterator[Member]:
    found = [places.of(path) for path in data.paths]
    if data.folders:
        yield Member(f"{top}/", [])
        for place, folder in zip(found, data.folders, strict=True):
            yield from _below(f"{top}/{folder}" if folder else top, place, f"{place.path}/")
        return
    if _are_addresses(found, data):
        if not _is_plain(found):
            yield Member.of_text(f"{top}/{ADDRESSES}", "".join(f"{address}\n" for address in _addresses(found)))
        return
    above = _above(found)
    members = chain.from_iterable(_below(top, place, above) for place in found)
    first = next(members, None)  # it fails here where there is nothing, before anything stands for it
    if first is None and not _is_plain(found):
        raise StepFailure("No file matches its patterns any more.")
    yield Member(f"{top}/", [])
    if first is not None:
        yield from chain([first], members)
    elif found[0].path and _is_plain(found):
        yield Member(f"{top}/{file_name(found[0])}/", [])  # an empty folder is as good as any


def _above(found: list[Place]) -> str:
    """What of the files' paths is left out, with its closing `/`."""
    if _is_plain(found):
        above = parent_of(found[0].path)
        return f"{above}/" if above else ""
    return folder_of(found[0].path) if len(found) == 1 else ""


def _below(top: str, place: Place, above: str) -> Iterator[Member]:
    backend = place.backend
    if place.datastore is None:
        entry = backend.stat(place.path)
        yield Member(f"{top}/{file_name(place)}", content_of(backend, entry), entry.size_bytes, entry.modified_at)
        return
    if not is_pattern(place):
        backend.stat(place.path)  # says so where there is nothing
    entries = backend.glob(place.path) if is_pattern(place) else files_below(backend, place.path)
    for entry in entries:
        path = f"{top}/{relative(entry, above, 'This input')}"
        yield Member(path, content_of(backend, entry), entry.size_bytes, entry.modified_at)


def _table(top: str, data: JobInput, workspace_id: int) -> Iterator[Member]:
    assert data.table is not None
    with tempfile.TemporaryDirectory(dir=str(settings.FILE_UPLOAD_TEMP_DIR)) as made:
        folder = Path(made, "table")
        _write(data.table, folder, workspace_id)
        yield Member(f"{top}/", [])
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            with file.open("rb") as opened:
                pieces = iter(lambda opened=opened: opened.read(_READ_BYTES), b"")  # type: ignore[misc]
                yield Member(f"{top}/{file.relative_to(folder)}", pieces, file.stat().st_size)


def _write(table: TabularDefinition, folder: Path, workspace_id: int) -> None:
    if not _writers.acquire(blocking=False):
        raise UserError("the studio writes other tables for downloads at this moment. Try again in some minutes.")
    try:
        write_parquet(table, folder, workspace_id=workspace_id, deadline_s=_TABLE_S)
    finally:
        _writers.release()


def _is_plain(places: list[Place]) -> bool:
    return len(places) == 1 and not is_pattern(places[0])


def _are_addresses(places: list[Place], data: JobInput) -> bool:
    """As on a node that does not share the studio's disks."""
    return data.mode == "direct" and all(
        place.backend.has_addresses and place.backend.local_path("") is None for place in places
    )


def _addresses(places: list[Place]) -> Iterator[str]:
    for place in places:
        paths = (entry.path for entry in place.backend.glob(place.path)) if is_pattern(place) else [place.path]
        yield from (place.backend.address(path) for path in paths)
