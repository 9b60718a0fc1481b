"""The files that a run's steps left below the folder of runs, and which of them stay when the run is deleted.

A destination of its own is not the run's: others write there too, and people. It is never deleted.
"""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from django.db import connection
from django.db.models import Q, QuerySet, TextField
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast

from compute.services.use import is_ours
from datastores import arrivals
from datastores.arrivals import Arrival
from datastores.backends import Backend, get_backend
from datastores.backends.interface import NoSuchPath
from datastores.models import DatasetVersion, Datastore
from datastores.paths import fixed_folder, parent_of
from datastores.sources import paths_of
from pipelines.destinations import RUNS_FOLDER
from pipelines.lineage.links import touches
from pipelines.models import Run, StepEdit, StepOutput, StepRun
from pipelines.registered import ModelVersion
from studio.lib.problems import UserError

Breathe = Callable[[], None]
_ARRIVALS_AT_ONCE = 1000


class FilesLeftError(UserError):
    """Some files could not be deleted now; a later try may do better."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A version of a dataset that reads something in a run's folder, or one of a model that lies there."""

    reader: str  # as in `dataset orders:3`, for people
    datastore_id: int
    path: str  # as the version has it: of a dataset it may be a pattern


def folder_of(run_id: int) -> str:
    return f"{RUNS_FOLDER}/{run_id}"


def readings_of(workspace_id: int, run_id: int) -> list[Reading]:
    """One look through the versions of the workspace's datasets, by the database alone, and what models lie there.

    A version of a whole datastore is none: what it reads is whatever is there.
    """
    folder = folder_of(run_id)
    beginnings = [
        f'"{folder}/',
        f'"{folder}"',
        f'"{RUNS_FOLDER}"',
        f'"{RUNS_FOLDER}/*',
        f'"{RUNS_FOLDER}/?',
        '"*',
        '"?',
    ]
    named = Q(pk__in=[])
    for beginning in beginnings:
        named |= Q(said__contains=f'"path": {beginning}')
    versions = DatasetVersion.objects.filter(dataset__workspace=workspace_id).select_related("dataset")
    versions = versions.annotate(said=Cast("definition", TextField())).filter(named).order_by("pk")
    readings = [
        Reading(f"dataset {version}", path.datastore_id, path.path)
        for version in versions
        for path in paths_of(version.definition)
        if path.datastore_id is not None and path.path and touches(path.path, folder)
    ]
    stores = Datastore.everything.filter(workspace=workspace_id).values("pk")
    models = ModelVersion.objects.filter(_within("path", folder), datastore__in=stores).select_related("model")
    return readings + [
        Reading(f"model {version}", version.datastore_id, version.path)
        for version in models.order_by("pk")
        if version.datastore_id is not None
    ]


def outputs_below(run: Run) -> QuerySet[StepOutput]:
    """What steps left in the folder of a run, wherever they stand now."""
    return StepOutput.objects.filter(_within("path", folder_of(run.pk)))


def delete_files(run: Run, breathe: Breathe) -> None:
    """Delete what the run's steps left, but for what others need: steps that took it over, datasets and models.

    May happen twice, and go on where it was stopped. Raises FilesLeftError with the datastore's own words. What lies in
    a datastore that was removed is no longer the studio's.
    """
    readings = readings_of(run.workspace_id, run.pk)
    stores = Datastore.objects.filter(workspace=run.workspace_id).in_bulk(_datastores_of(run))
    for pk, store in sorted(stores.items()):
        kept_for_data = {_kept_path(each.path, run.pk) for each in readings if each.datastore_id == pk}
        kept = kept_for_data | _handed_over(run, pk)
        try:
            backend = get_backend(store)
            try:
                # A disk that is not mounted must not be taken for one on which nothing is left.
                backend.list("", limit=1)
                _delete_in(backend, run, pk, kept, breathe)
                _count_as_brought(backend, run, pk, kept_for_data, breathe)
            finally:
                backend.close()
        except (UserError, OSError) as error:
            words = str(error) if isinstance(error, UserError) else error.strerror or type(error).__name__
            raise FilesLeftError(f"Files in datastore “{store.name}” could not be deleted: {words}") from error


def _delete_in(backend: Backend, run: Run, datastore_id: int, kept: Collection[str], breathe: Breathe) -> None:
    # Step by step, not all at once: of a large run that takes its time.
    _delete_but(backend, folder_of(run.pk), kept, breathe, is_split=True)
    reads: dict[int, list[Reading]] = {}
    for path in _taken_over(run, datastore_id):
        maker = int(path.split("/")[1])
        if maker not in reads:
            reads[maker] = [each for each in readings_of(run.workspace_id, maker) if each.datastore_id == datastore_id]
        is_read = any(touches(each.path, path) for each in reads[maker])
        if is_read or _outputs_in(datastore_id, path).exclude(step_run__run=run.pk).exists():
            continue
        _delete_but(backend, path, (), breathe)
        _delete_empty(backend, parent_of(path))


def _delete_but(
    backend: Backend, path: str, kept: Collection[str], breathe: Breathe, *, is_split: bool = False
) -> None:
    """Delete a file, or a folder with all but what is kept in it. Nothing there is as good."""
    if any(_is_within(path, each) for each in kept):
        return
    inside = [each for each in kept if _is_within(each, path)]
    if inside or is_split:
        for child in list(_children(backend, path)):
            _delete_but(backend, child, inside, breathe)
    if not inside:
        try:
            backend.delete(path)
        except NoSuchPath:
            return
        breathe()


def _children(backend: Backend, folder: str) -> Iterator[str]:
    after: str | None = None
    try:
        while True:
            page = backend.list(folder, after=after)
            yield from (entry.path for entry in page.entries)
            after = page.after
            if after is None:
                return
    except NoSuchPath:
        return


def _delete_empty(backend: Backend, folder: str) -> None:
    """A folder in which nothing is left, and those above it likewise, but never that of all runs."""
    while folder != RUNS_FOLDER and next(_children(backend, folder), None) is None:
        with suppress(NoSuchPath):
            backend.delete(folder)
        folder = parent_of(folder)


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _kept_path(pattern: str, run_id: int) -> str:
    """All that a pattern may mean: of what it reads beyond the run, the run's folder."""
    fixed, folder = fixed_folder(pattern), folder_of(run_id)
    return fixed if _is_within(fixed, folder) else folder


def _handed_over(run: Run, datastore_id: int) -> set[str]:
    rows = outputs_below(run).filter(datastore=datastore_id).exclude(step_run__run=run.pk)
    gave = StepRun.objects.filter(run=run.pk, job=None, reused_from=None)  # its job went over with its result
    return set(rows.values_list("path", flat=True)) | _artifacts_of(gave).get(datastore_id, set())


def _artifacts_of(rows: QuerySet[StepRun]) -> dict[int, set[str]]:
    """By datastore, the folders in which the artifacts of steps lie, those of all their attempts."""
    found: dict[int, set[str]] = {}
    rows = rows.filter(outputs__isnull=False).annotate(left=KeyTransform("artifacts", "outputs"))
    for left in rows.values_list("left", flat=True).iterator(chunk_size=500):
        if left:
            found.setdefault(left["datastore_id"], set()).add(parent_of(left["path"]))
    return found


def _taken_over(run: Run, datastore_id: int) -> list[str]:
    """What its steps took over from runs that were deleted, and lies in their folders."""
    rows = StepOutput.objects.filter(datastore=datastore_id, step_run__run=run.pk, step_run__reused_from=None)
    rows = rows.filter(path__startswith=f"{RUNS_FOLDER}/").exclude(_within("path", folder_of(run.pk)))
    paths = list(rows.order_by("pk").values_list("path", flat=True))
    took = _artifacts_of(_own_steps(run)).get(datastore_id, set())
    paths += sorted(path for path in took if not _is_within(path, folder_of(run.pk)))
    return [path for path in paths if path.startswith(f"{RUNS_FOLDER}/") and path.split("/")[1].isdecimal()]


def _own_steps(run: Run) -> QuerySet[StepRun]:
    """Those whose results are this run's own: nobody took them over from it."""
    return StepRun.objects.filter(run=run.pk, job__isnull=False, reused_from=None)


def _outputs_in(datastore_id: int, path: str) -> QuerySet[StepOutput]:
    return StepOutput.objects.filter(Q(path=path) | _within("path", path), datastore=datastore_id)


def _datastores_of(run: Run) -> set[int]:
    """Where its steps were to write without a destination of their own."""
    found: set[int] = set()
    for rows, column in (
        (StepRun.objects.filter(run=run.pk), "frozen"),
        (StepEdit.objects.filter(step_run__run=run.pk), "before"),
    ):
        default = rows.annotate(of=KeyTransform("datastore_id", column)).order_by()
        found |= {pk for pk in default.values_list("of", flat=True).distinct() if pk}
        named = rows.annotate(of=KeyTransform("outputs", column)).order_by().values_list("of", flat=True).distinct()
        found |= {given["datastore_id"] for outputs in named for given in (outputs or {}).values()}
    taken = StepOutput.objects.filter(step_run__run=run.pk, datastore__isnull=False).order_by()
    found |= set(taken.values_list("datastore_id", flat=True).distinct())
    return found | _artifacts_of(_own_steps(run)).keys()


def _count_as_brought(backend: Backend, run: Run, datastore_id: int, kept: Collection[str], breathe: Breathe) -> None:
    """What stays for datasets and models on the studio's own disks counts on for who submitted the run, as files that
    they brought: no job says any more that it is there.
    """
    if not is_ours(datastore_id):
        return
    found: list[Arrival] = []
    for path in kept:
        place = backend.local_path(path)
        for file in _files(place) if place else ():
            found.append(file)
            if len(found) == _ARRIVALS_AT_ONCE:
                arrivals.tell(run.workspace_id, run.submitted_by, found)
                breathe()
                found = []
    arrivals.tell(run.workspace_id, run.submitted_by, found)


def _files(place: Path) -> Iterator[Arrival]:
    places = (
        [place] if place.is_file() else (Path(folder, name) for folder, _, names in os.walk(place) for name in names)
    )
    for each in places:
        try:
            os.fsencode(each).decode()
            found = each.lstat()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        if S_ISREG(found.st_mode):
            yield Arrival(each, found.st_size)


def _within(column: str, folder: str) -> Q:
    """A range finds its way by SQLite's index, which compares bytes; PostgreSQL's has operators for beginnings."""
    if connection.vendor == "sqlite":
        return Q(**{f"{column}__gte": f"{folder}/", f"{column}__lt": f"{folder}0"})  # “0” comes right after “/”
    return Q(**{f"{column}__startswith": f"{folder}/"})
