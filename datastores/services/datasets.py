"""Name data, and give a name a new meaning. Tables are made in `datastores.services.tables`."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from functools import partial

from django.db import transaction

from datastores.backends import NoSuchPath
from datastores.listings import ListingStore
from datastores.models import DataPath, Dataset, DatasetVersion, Datastore, FileDefinition
from datastores.paths import clean_path, fixed_folder
from datastores.places import Places
from datastores.services.stores import problems_of, save_new
from datastores.services.versions import Words, add_version, create_with_version, register_version, words_problems
from datastores.web_addresses import clean_web_address
from studio.lib.problems import Problem, UserError
from studio.workspaces.audit import record
from studio.workspaces.models import User, Workspace

MAX_PATHS = 100
MAX_PATH_LENGTH = 4000
_LOOKING_S = 8.0  # whether a path is there is asked so long in all; what is beyond is seen when it is read


def create_dataset(
    workspace: Workspace,
    *,
    name: str,
    paths: Sequence[DataPath],
    description: str = "",
    tags: Mapping[str, str] | None = None,
    actor: User | None,
) -> DatasetVersion:
    """A new dataset of files, and its version 1.

    Raises UserError at `name`, `description`, `("tags", NAME)` and `("paths", i, FIELD)`.
    """
    dataset = Dataset(workspace=workspace, name=name, description=description, created_by=actor)
    words = Words(tags=tags or {})
    problems = problems_of(dataset) + words_problems(words)
    try:
        definition = FileDefinition(paths=checked_paths(workspace, paths))
    except UserError as error:
        problems += error.problems
    if problems:
        raise UserError(problems)
    return create_with_version(dataset, definition, words=words, actor=actor)


def add_dataset_version(
    dataset: Dataset,
    *,
    paths: Sequence[DataPath],
    description: str = "",
    tags: Mapping[str, str] | None = None,
    moved_on: bool = False,
    actor: User | None,
) -> tuple[DatasetVersion, bool]:
    """The dataset's version with these paths, and whether it is new.

    The newest one is not repeated, unless its data changed since or something else is said about it; `moved_on` makes
    one in any case. Raises UserError as `create_dataset`, and at `name` where the dataset is a table.
    """
    words = Words(description, tags or {})
    problems = words_problems(words)
    try:
        definition = FileDefinition(paths=checked_paths(dataset.workspace, paths))
    except UserError as error:
        problems += error.problems
    if problems:
        raise UserError(problems)
    return add_version(dataset, definition, words=words, actor=actor, moved_on=moved_on)


def register_output_version(
    workspace: Workspace,
    *,
    name: str,
    paths: Sequence[DataPath],
    description: str = "",
    tags: Mapping[str, str] | None = None,
    actor: User | None,
    origin: str,
) -> DatasetVersion:
    """The version of the dataset `name` that `origin`, as in “run 17, step train”, wrote to `paths`; made if need be.

    Belongs into the transaction that completes the origin: it asks no datastore, and the data worker lists the files
    later. The same origin gets the same version, however often it asks. Raises UserError where the name is unfit or
    that of a table, or where a path leaves the workspace.
    """
    words = Words(description, tags or {})
    definition = FileDefinition(paths=checked_paths(workspace, paths, look=False))
    if problems := words_problems(words):
        raise UserError(problems)
    with transaction.atomic():
        dataset = Dataset.objects.filter(workspace=workspace, name=name).first()
        if dataset is None:
            dataset = Dataset(workspace=workspace, name=name, created_by=actor)
            if problems := problems_of(dataset):
                raise UserError(problems)
            try:
                save_new(dataset)
            except UserError:  # another step has just made it
                dataset = Dataset.objects.get(workspace=workspace, name=name)
            else:
                record(workspace, actor, "dataset.create", name)
        dataset.workspace = workspace
        return register_version(dataset, definition, words=words, actor=actor, origin=origin)


def change_dataset(dataset: Dataset, *, description: str, actor: User | None) -> None:
    """Raises UserError at `description`."""
    dataset.description = description
    if problems := problems_of(dataset):
        raise UserError(problems)
    with transaction.atomic():
        dataset.save(update_fields=["description"])
        record(dataset.workspace, actor, "dataset.change", dataset.name)


def delete_dataset(dataset: Dataset, *, actor: User | None) -> None:
    """Forget the name and its versions. The files stay, and so do runs: each froze the paths that it read."""
    with transaction.atomic():
        listings = list(dataset.versions.exclude(listing="").values_list("listing", flat=True))
        record(dataset.workspace, actor, "dataset.delete", dataset.name)
        dataset.delete()
        transaction.on_commit(partial(_remove_listings, dataset.workspace_id, listings), robust=True)


def _remove_listings(workspace_id: int, digests: Sequence[str]) -> None:
    store = ListingStore(workspace_id)
    for digest in digests:
        store.remove(digest)


def checked_paths(workspace: Workspace, paths: Sequence[DataPath], *, look: bool = True) -> list[DataPath]:
    """`paths` in their clean form. They may match nothing yet; the page says so.

    Raises UserError at `("paths", i, "path" | "datastore_id")` for one that leaves its datastore, or its workspace, and
    where `look` is asked for, for one that can't be looked at.
    """
    if not paths:
        raise UserError("Add at least one path.", loc=("paths",))
    if len(paths) > MAX_PATHS:
        raise UserError(f"At most {MAX_PATHS} paths: say more with a folder or a pattern.", loc=("paths",))
    problems: list[Problem] = []
    checked: list[DataPath] = []
    deadline = time.monotonic() + _LOOKING_S
    with Places(workspace.pk) as places:
        datastores = Datastore.objects.filter(workspace=workspace).in_bulk(
            {path.datastore_id for path in paths if path.datastore_id is not None}
        )
        for number, given in enumerate(paths):
            if given.datastore_id is not None and given.datastore_id not in datastores:
                problems.append(Problem(("paths", number, "datastore_id"), "Choose a datastore of this workspace."))
                continue
            try:
                path = _clean(given)
                if look and time.monotonic() < deadline:
                    _look(places, path)
            except UserError as error:
                problems += [Problem(("paths", number, "path"), problem.message) for problem in error.problems]
            else:
                checked.append(path)
    if problems:
        raise UserError(problems)
    return list(dict.fromkeys(checked))


def _clean(given: DataPath) -> DataPath:
    if given.is_web:
        return DataPath(datastore_id=None, path=clean_web_address(given.path))
    if len(given.path) > MAX_PATH_LENGTH:
        raise UserError(f"A path can have {MAX_PATH_LENGTH:,} characters.")
    return DataPath(datastore_id=given.datastore_id, path=clean_path(given.path))


def _look(places: Places, path: DataPath) -> None:
    """Raises UserError where the path can't be looked at. One that is not there may come yet."""
    place = places.of(path)
    with contextlib.suppress(NoSuchPath):
        place.backend.stat(place.path if path.is_web else fixed_folder(place.path))
