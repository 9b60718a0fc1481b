"""Making what a YAML file says: pipelines, and the environments and datasets that it brings along."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus

from django.db import transaction

from compute.services import create_environment
from datastores.models import DataPath, Datastore
from datastores.services import create_dataset, upload_files
from datastores.services.files import Upload
from pipelines.catalogue import catalogue_for
from pipelines.data_values import read_data_path
from pipelines.models import Pipeline
from pipelines.services.editing import create_pipeline, save_version
from pipelines.services.foreign_names import meanings_of, remember
from pipelines.validation import problems_of
from pipelines.yaml import azure
from pipelines.yaml.document import is_ours, read_written
from pipelines.yaml.errors import FileError
from pipelines.yaml.folder import Folder
from pipelines.yaml.located import Located
from pipelines.yaml.plan import NewDataset, NewEnvironment, NewFiles, NewPipeline, Plan
from studio.lib.problems import Problem, UserError
from studio.workspaces.access import Access
from studio.workspaces.permissions import Permission


@dataclass(frozen=True, slots=True)
class Made:
    """One thing that an import made, or would make."""

    sort: str  # environment, dataset, pipeline
    name: str
    id: int | None  # None where nothing was made
    version: int | None = None
    steps: int = 0


@dataclass(slots=True)
class Imported:
    """What came of it. Places of problems are `(file, line, column)`."""

    main: str  # the file that it began with
    made: list[Made] = field(default_factory=list)
    to_do: list[Problem] = field(default_factory=list)  # what keeps the pipelines from being submitted
    notes: list[Problem] = field(default_factory=list)  # what has no meaning here, or another one
    pipeline: Pipeline | None = None  # the one that was meant, where it was made


def import_folder(
    access: Access,
    folder: Folder,
    *,
    main: str = "",
    name: str = "",
    into: Pipeline | None = None,
    means: Mapping[str, Mapping[str, str]] | None = None,
    keeps_meanings: bool = False,
    dry_run: bool = False,
) -> Imported:
    """Make what the file `main` of `folder` says, all of it or nothing. With `dry_run` nothing stays.

    The pipeline gets `name` where one is given, or becomes the next version of `into`. `means` has, by sort and name
    in the file, what an image, an environment or a compute target is called here; it goes before what the workspace
    has said of that already, and is kept there with `keeps_meanings`. Raises UserError with all problems.
    """
    access.require(Permission.EDIT_PIPELINES)
    main = folder.main(main)
    located = folder.located(main)
    means = means or {}
    known = meanings_of(access.workspace)
    all_means = {sort: {**known.get(sort, {}), **means.get(sort, {})} for sort in {*known, *means}}
    plan = _plan(access, folder, main, located, name=name, means=all_means)
    if into is not None and not plan.pipelines:
        raise UserError("This file has no pipeline in it, so it makes no version of one.", loc=("into",))
    if plan.environments:
        access.require(Permission.EDIT_ENVIRONMENTS)
    if plan.datasets or plan.files:
        access.require(Permission.EDIT_DATA)
    if plan.files and not dry_run:
        with transaction.atomic():  # so that what is refused leaves no files
            _made(access, plan, main, into)
            transaction.set_rollback(True)
        for files in plan.files:
            _upload(access, folder, files)
    with transaction.atomic():
        imported = _made(access, plan, main, into)
        if keeps_meanings:
            remember(access, means)
        if dry_run:
            transaction.set_rollback(True)
    if dry_run:
        imported.made = [Made(each.sort, each.name, None, None, each.steps) for each in imported.made]
        imported.pipeline = None
    return imported


def _plan(
    access: Access,
    folder: Folder,
    main: str,
    located: Located,
    *,
    name: str,
    means: Mapping[str, Mapping[str, str]],
) -> Plan:
    if not is_ours(located):
        return azure.plan_of(access, folder, main, name=name, means=means)

    @cache
    def take(path: str) -> str:
        return folder.freeze(folder.resolve(path, beside=main), access.workspace, access.user)

    written = read_written(located, take)
    pipeline = NewPipeline(
        name=name or written.name,
        description=written.description,
        definition=written.definition,
        spot_of=located.spot_of,
        spot=located.spot_of(["name"]),
    )
    return Plan(pipelines=[pipeline])


def _made(access: Access, plan: Plan, main: str, into: Pipeline | None) -> Imported:
    imported = Imported(main, notes=list(plan.notes))
    for environment in plan.environments:
        imported.made.append(_environment(access, environment))
    for dataset in plan.datasets:
        imported.made.append(_dataset(access, dataset))
    rows: list[tuple[NewPipeline, Pipeline]] = []
    for index, wanted in enumerate(plan.pipelines):
        is_meant = index == len(plan.pipelines) - 1
        row = _pipeline(access, wanted, into if is_meant else None)
        rows.append((wanted, row))
        made = Made("pipeline", row.name, row.pk, row.latest_version, len(wanted.definition.steps))
        imported.made.append(made)
        imported.pipeline = row
    for wanted, row in rows:
        found = problems_of(wanted.definition, catalogue_for(access.workspace, wanted.definition, pipeline=row))
        imported.to_do += [wanted.spot_of(problem.loc).says(problem.message) for problem in found]
    return imported


def _pipeline(access: Access, wanted: NewPipeline, into: Pipeline | None) -> Pipeline:
    try:
        row = into or create_pipeline(access, name=wanted.name, description=wanted.description)
        base = row.latest_version
        saved = save_version(access, row, definition=wanted.definition, base_version=base)
    except UserError as error:
        if error.status_code != HTTPStatus.BAD_REQUEST:
            raise
        raise FileError([wanted.spot.says(problem.message) for problem in error.problems]) from error
    row.latest_version = saved.version.number
    return row


def _environment(access: Access, wanted: NewEnvironment) -> Made:
    try:
        row = create_environment(
            workspace=access.workspace,
            name=wanted.name,
            spec=wanted.spec,
            description=wanted.description,
            created_by=access.user,
        )
    except UserError as error:
        raise FileError([wanted.spot.says(problem.message) for problem in error.problems]) from error
    return Made("environment", row.name, row.pk, row.version)


def _dataset(access: Access, wanted: NewDataset) -> Made:
    try:
        version = create_dataset(
            access.workspace,
            name=wanted.name,
            paths=[_path(access, wanted.data_path)],
            description=wanted.description,
            tags=wanted.tags,
            actor=access.user,
        )
    except UserError as error:
        raise FileError([wanted.spot.says(problem.message) for problem in error.problems]) from error
    return Made("dataset", version.dataset.name, version.dataset_id, version.number)


def _path(access: Access, data_path: str) -> DataPath:
    place = read_data_path(data_path)
    if place.datastore is None:
        return DataPath(datastore_id=None, path=place.path)
    store = Datastore.objects.filter(workspace=access.workspace, name=place.datastore).first()
    if store is None:
        raise UserError(f"There is no datastore “{place.datastore}”.")
    return DataPath(datastore_id=store.pk, path=place.path)


def _upload(access: Access, folder: Folder, files: NewFiles) -> None:
    store = Datastore.objects.get(workspace=access.workspace, is_default=True)
    streams = [Upload(name, (folder.root / path).open("rb")) for name, path in sorted(files.files.items())]
    try:
        uploaded = upload_files(store, folder=files.folder, files=streams, actor=access.user)
    finally:
        for each in streams:
            each.content.close()  # type: ignore[union-attr]
    if uploaded.refused:
        raise UserError([Problem(("file",), f"“{each.path}”: {each.message}") for each in uploaded.refused])
