"""Name data, and give a name a new meaning: versions are never changed, only added."""

import contextlib
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Max

from datastores.backends import NoSuchPath, get_backend
from datastores.models import DataPath, Dataset, DatasetVersion, Datastore, FileDefinition
from datastores.paths import Glob, clean_path, is_glob
from datastores.services.stores import problems_of, save_new
from studio.lib.problems import Problem, UserError
from studio.workspaces.audit import record
from studio.workspaces.models import User, Workspace

MAX_PATHS = 100
MAX_PATH_LENGTH = 4000


def create_dataset(
    workspace: Workspace, *, name: str, paths: Sequence[DataPath], description: str = "", actor: User | None
) -> DatasetVersion:
    """A new dataset, and its version 1. Raises UserError at `name`, `description` and `("paths", i, FIELD)`."""
    dataset = Dataset(workspace=workspace, name=name, description=description, created_by=actor)
    problems = problems_of(dataset)
    try:
        definition = FileDefinition(paths=checked_paths(workspace, paths))
    except UserError as error:
        problems += error.problems
    if problems:
        raise UserError(problems)
    with transaction.atomic():
        save_new(dataset)
        version = DatasetVersion.objects.create(dataset=dataset, number=1, definition=definition, created_by=actor)
        record(workspace, actor, "dataset.create", str(version))
    return version


def add_dataset_version(
    dataset: Dataset, *, paths: Sequence[DataPath], actor: User | None
) -> tuple[DatasetVersion, bool]:
    """The dataset's version with these paths, and whether it is new: the newest one is not repeated.

    Raises UserError at `("paths", i, FIELD)`.
    """
    definition = FileDefinition(paths=checked_paths(dataset.workspace, paths))
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)  # versions are numbered one after another
        latest = dataset.versions.first()
        if latest is not None and latest.definition == definition:
            return latest, False
        number = (dataset.versions.aggregate(newest=Max("number"))["newest"] or 0) + 1
        version = DatasetVersion.objects.create(dataset=dataset, number=number, definition=definition, created_by=actor)
        record(dataset.workspace, actor, "dataset.add_version", str(version))
    return version, True


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
        record(dataset.workspace, actor, "dataset.delete", dataset.name)
        dataset.delete()


def checked_paths(workspace: Workspace, paths: Sequence[DataPath]) -> list[DataPath]:
    """`paths` in their clean form. They may match nothing yet; the page says so.

    Raises UserError at `("paths", i, "path" | "datastore_id")` for one that leaves its datastore, or its workspace.
    """
    if not paths:
        raise UserError("Add at least one path.", loc=("paths",))
    if len(paths) > MAX_PATHS:
        raise UserError(f"At most {MAX_PATHS} paths: say more with a folder or a pattern.", loc=("paths",))
    datastores = Datastore.objects.filter(workspace=workspace).in_bulk(
        {path.datastore_id for path in paths if path.datastore_id is not None}
    )
    problems: list[Problem] = []
    checked: list[DataPath] = []
    for number, path in enumerate(paths):
        datastore = datastores.get(path.datastore_id or 0)
        if datastore is None:
            problems.append(Problem(("paths", number, "datastore_id"), "Choose a datastore of this workspace."))
            continue
        try:
            checked.append(DataPath(datastore_id=datastore.pk, path=_checked_path(datastore, path.path)))
        except UserError as error:
            problems += [Problem(("paths", number, "path"), problem.message) for problem in error.problems]
    if problems:
        raise UserError(problems)
    return list(dict.fromkeys(checked))


def _checked_path(datastore: Datastore, path: str) -> str:
    if len(path) > MAX_PATH_LENGTH:
        raise UserError(f"A path can have {MAX_PATH_LENGTH:,} characters.")
    path = clean_path(path)
    with contextlib.suppress(NoSuchPath):
        get_backend(datastore).stat(Glob(path).folder if is_glob(path) else path)
    return path
