"""What people bring to the studio's own disks: whether there is room for it, and whose it is.

Each file has a row, so that whoever replaces one has the difference counted, and what is gone can be given back. The
sums are changed with the rows, under one lock of the workspace.
"""

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from compute.models import KeptFile, Quota
from compute.queueing import NOBODY
from compute.quotas import at_limit, limits_by_workspace
from compute.services.quotas import beyond_storage, storage_used
from datastores.arrivals import Arrival
from studio.workspaces.models import User, Workspace

AT_ONCE = 1000

_ADD = """
    INSERT INTO compute_storageuse (workspace_id, person, size_bytes, brought_bytes) VALUES (%s, %s, 0, %s)
    ON CONFLICT (workspace_id, person)
    DO UPDATE SET brought_bytes = compute_storageuse.brought_bytes + excluded.brought_bytes
"""


def refuse_beyond_quota(workspace_id: int, person: User | None, arrivals: Sequence[Arrival]) -> list[str]:
    """For the guard of arrivals: of each file, why it is too much after those before it; empty where there is room."""
    quotas = list(Quota.objects.filter(workspace=workspace_id).select_related("set_by", "person").order_by("pk"))
    limits = limits_by_workspace(quotas, "storage_bytes").get(workspace_id)
    if limits is None:
        return [""] * len(arrivals)
    whose = _person(person)
    places = _by_place(arrivals)
    kept = _rows(places)
    used = Counter(storage_used(workspace_id))
    said = []
    for arrival in arrivals:
        place = _place(arrival.place)
        owner, size_bytes = kept.get(place or "", (whose, 0))
        is_no_more = owner == whose and arrival.size_bytes <= size_bytes
        if place is None or is_no_more or (arrival.is_shared and place in kept):
            said.append("")
            continue
        without = used - Counter({owner: size_bytes})
        reached = at_limit(limits, "storage_bytes", whose, without, more=arrival.size_bytes)
        if reached is None:
            used = without + Counter({whose: arrival.size_bytes})
            kept[place] = whose, arrival.size_bytes
            said.append("")
        else:
            said.append(beyond_storage(reached))
    return said


def note_arrivals(workspace_id: int, person: User | None, arrivals: Sequence[Arrival]) -> None:
    """For the listener of arrivals: they are that person's now. Twice is harmless."""
    places = _by_place(arrivals)
    if not places:
        return
    whose = _person(person)
    with _counted(workspace_id) as more:
        kept = _rows(places)
        coming = {
            place: arrival.size_bytes for place, arrival in places.items() if not (arrival.is_shared and place in kept)
        }
        for place, size_bytes in coming.items():
            owner, was_bytes = kept.get(place, (whose, 0))
            more[owner] -= was_bytes
            more[whose] += size_bytes
        KeptFile.objects.bulk_create(
            [
                KeptFile(workspace_id=workspace_id, key=_key(place), place=place, person=whose, size_bytes=size_bytes)
                for place, size_bytes in coming.items()
            ],
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=["person", "size_bytes"],
        )


def check_kept(workspace_id: int) -> None:
    """Files that are gone are given back, those of another size counted with it. One look at the disk for each."""
    rows = KeptFile.objects.filter(workspace=workspace_id).order_by("pk")
    last = 0
    while batch := list(rows.filter(pk__gt=last).values_list("pk", "place", "size_bytes")[:AT_ONCE]):
        last = batch[-1][0]
        differing = [pk for pk, place, size_bytes in batch if _size_of(place) != size_bytes]
        if differing:
            _correct(workspace_id, differing)


def _correct(workspace_id: int, differing: Sequence[int]) -> None:
    with _counted(workspace_id) as more:
        gone, resized = [], []
        for row in KeptFile.objects.filter(pk__in=differing):  # it may be another one's, and there again, by now
            size_bytes = _size_of(row.place)
            more[row.person] += (size_bytes or 0) - row.size_bytes
            if size_bytes is None:
                gone.append(row.pk)
            else:
                row.size_bytes = size_bytes
                resized.append(row)
        KeptFile.objects.filter(pk__in=gone).delete()
        KeptFile.objects.bulk_update(resized, ["size_bytes"])


@contextmanager
def _counted(workspace_id: int) -> Iterator[Counter[int]]:
    """What is put into it, by person, is added to the sums. Nobody else changes this workspace's rows meanwhile."""
    more: Counter[int] = Counter()
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
        yield more
        with connection.cursor() as cursor:
            for person, size_bytes in sorted(more.items()):
                if size_bytes:
                    cursor.execute(_ADD, [workspace_id, person, size_bytes])


def _by_place(arrivals: Iterable[Arrival]) -> dict[str, Arrival]:
    """Those that come to lie below STUDIO_HOME; of several in one place the last."""
    return {place: arrival for arrival in arrivals if (place := _place(arrival.place)) is not None}


def _place(path: Path) -> str | None:
    """Where a file lies below STUDIO_HOME, by the one name that has no link in it; None: what is elsewhere is no matter
    of ours. A store that is itself a link to another disk is still ours."""
    home: Path = settings.STUDIO_HOME
    below = [each for each in (Path(os.path.realpath(path)), path) if each.is_relative_to(home)]
    return str(below[0].relative_to(home)) if below else None


def _rows(places: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Person and size by place."""
    rows = KeptFile.objects.filter(key__in=[_key(place) for place in places])
    return {
        place: (person, size_bytes) for place, person, size_bytes in rows.values_list("place", "person", "size_bytes")
    }


def _key(place: str) -> str:
    return hashlib.sha256(place.encode()).hexdigest()


def _size_of(place: str) -> int | None:
    try:
        found = os.lstat(settings.STUDIO_HOME / place)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _person(person: User | None) -> int:
    return person.pk if person else NOBODY
