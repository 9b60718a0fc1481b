"""Find the files that people brought before the studio wrote down by whom. Once for each workspace, after an upgrade.

They count for the workspace and for nobody in it: nothing tells who it was. Files whose names are no text were not
uploaded through the studio, and are passed over.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG

from django.conf import settings

from compute.models import Job
from compute.services.kept import AT_ONCE, note_arrivals
from compute.services.use import is_ours
from datastores.arrivals import Arrival
from datastores.backends import get_backend
from datastores.backends.local import ASIDE
from datastores.content import ContentStore
from datastores.models import Datastore

_ATTEMPT = "{attempt}"


def note_kept_before(workspace_id: int) -> None:
    """In parts, each of which may happen twice. What has a row stays that person's."""
    found: list[Arrival] = []
    for arrival in _files(workspace_id):
        found.append(arrival)
        if len(found) == AT_ONCE:
            note_arrivals(workspace_id, None, found)
            found = []
    note_arrivals(workspace_id, None, found)


def _files(workspace_id: int) -> Iterator[Arrival]:
    of_jobs = _places_of_jobs(workspace_id)
    for store in _folders(settings.STUDIO_HOME / "workspaces" / str(workspace_id)):
        for folder, names, files in os.walk(store):
            names[:] = [name for name in names if name != ASIDE and f"{folder}/{name}" not in of_jobs]
            yield from _arrivals(folder, files)
    for prefix in _folders(ContentStore(workspace_id).root):
        if len(prefix.name) == 2:  # beside them lie what is on its way in, and the lists of datasets' versions
            yield from _arrivals(str(prefix), os.listdir(prefix))  # noqa: PTH208 (names)


def _places_of_jobs(workspace_id: int) -> set[str]:
    """The folders that jobs wrote to, or were to: what they left, complete or not, is no file that somebody brought."""
    stores = Datastore.objects.filter(workspace=workspace_id, kind="local")
    roots = {store.pk: get_backend(store).local_path("") for store in stores if is_ours(store.pk)}
    places: set[str] = set()
    specs = Job.objects.filter(workspace=workspace_id).values_list("spec__outputs", "spec__artifacts")
    for outputs, artifacts in specs.iterator():
        for output in [*(outputs or {}).values(), *([artifacts] if artifacts else [])]:
            root, path = roots.get(output["datastore_id"]), output["path"].split(_ATTEMPT)[0].rstrip("/")
            if root is not None and path:
                places.add(f"{root}/{path}")
    return places


def _folders(home: Path) -> list[Path]:
    return [each for each in sorted(home.iterdir()) if each.is_dir()] if home.is_dir() else []


def _arrivals(folder: str, names: list[str]) -> Iterator[Arrival]:
    for name in names:
        place = Path(folder, name)
        try:
            os.fsencode(place).decode()
            found = place.lstat()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        if S_ISREG(found.st_mode):
            yield Arrival(place, found.st_size, is_shared=True)
