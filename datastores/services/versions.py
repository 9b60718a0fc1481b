"""Versions are never changed, only added, one after another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from datastores.models import Dataset, DatasetVersion, VersionTags
from datastores.services.listing import Look, look_at, reads_files
from datastores.services.stores import save_new
from datastores.sources import Definition, FileDefinition
from studio.lib.on_commit import enqueue_on_commit
from studio.lib.problems import Problem, UserError
from studio.workspaces.audit import record
from studio.workspaces.models import User

MAX_TAGS = 50
MAX_TAG_LENGTH = 100
MAX_DESCRIPTION_LENGTH = 500
MAX_ORIGIN_LENGTH = 200
WORK_TASK, WORK_QUEUE = "datastores.work", "data"  # the doorbell of the data worker: it looks what there is to do


@dataclass(frozen=True, slots=True)
class Words:
    """What people, or a run, say about a version."""

    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def says_something(self) -> bool:
        return bool(self.description or self.tags)

    def are_those_of(self, version: DatasetVersion) -> bool:
        return self.description == version.description and dict(self.tags) == version.tags.tags


def words_problems(words: Words) -> list[Problem]:
    """What is wrong with a version's description and tags, at `description` and `("tags", NAME)`."""
    problems = []
    if len(words.description) > MAX_DESCRIPTION_LENGTH:
        problems.append(Problem(("description",), f"A description can have {MAX_DESCRIPTION_LENGTH} characters."))
    if "\0" in words.description:
        problems.append(Problem(("description",), "A description can't hold a NUL character."))
    if len(words.tags) > MAX_TAGS:
        problems.append(Problem(("tags",), f"A version can have {MAX_TAGS} tags."))
    for name, value in words.tags.items():
        if not name.strip():
            problems.append(Problem(("tags", name), "Give the tag a name."))
        elif max(len(name), len(value)) > MAX_TAG_LENGTH or "\0" in name + value:
            problems.append(
                Problem(("tags", name), f"A tag's name and value are texts of up to {MAX_TAG_LENGTH} characters.")
            )
    return problems


def create_with_version(
    dataset: Dataset, definition: Definition, *, words: Words, actor: User | None
) -> DatasetVersion:
    """Insert `dataset`, and its version 1. Raises UserError at `name` where that is taken."""
    return create_all([(dataset, definition)], words=words, actor=actor)[0]


def create_all(
    datasets: Sequence[tuple[Dataset, Definition]], *, words: Words, actor: User | None
) -> list[DatasetVersion]:
    """Insert each dataset with its version 1: all of them or none. Raises UserError at `("names", i)`, or `name`."""
    looks = [look_at(definition, workspace_id=dataset.workspace_id) for dataset, definition in datasets]
    made = []
    try:
        with transaction.atomic():
            for number, (dataset, definition) in enumerate(datasets):
                try:
                    save_new(dataset)
                except UserError as error:
                    loc = ("names", number) if len(datasets) > 1 else ("name",)
                    raise UserError(str(error), loc=loc) from error
                made.append(_create(dataset, 1, definition, words=words, look=looks[number], actor=actor))
                record(dataset.workspace, actor, "dataset.create", str(made[-1]))
    except UserError:
        for look, (dataset, _) in zip(looks, datasets, strict=True):
            look.forget(dataset.workspace_id)
        raise
    return made


def add_version(
    dataset: Dataset, definition: Definition, *, words: Words, actor: User | None, moved_on: bool = False
) -> tuple[DatasetVersion, bool]:
    """The version that says this, and whether it is new.

    The newest one is not repeated where its definition is the same, its data as far as that is known, and no new words
    are said about it. `moved_on` makes one in any case. Raises UserError where the dataset is of the other kind.
    """
    look = look_at(definition, workspace_id=dataset.workspace_id)
    try:
        with transaction.atomic():
            latest = _latest_locked(dataset, definition)
            if latest is not None and not moved_on and _says_the_same(latest, definition, words, look):
                look.forget(dataset.workspace_id)
                return latest, False
            version = _create(dataset, _next_number(dataset), definition, words=words, look=look, actor=actor)
            record(dataset.workspace, actor, "dataset.add_version", str(version))
    except UserError:
        look.forget(dataset.workspace_id)
        raise
    return version, True


def register_version(
    dataset: Dataset, definition: Definition, *, words: Words, actor: User | None, origin: str
) -> DatasetVersion:
    """The version that `origin` made, in its transaction: asks no datastore. The same origin gets the same one."""
    origin = origin[:MAX_ORIGIN_LENGTH]
    with transaction.atomic():
        _latest_locked(dataset, definition)
        made = dataset.versions.filter(origin=origin).first() if origin else None
        if made is not None and made.definition == definition:
            return made
        version = _create(
            dataset, _next_number(dataset), definition, words=words, look=Look(), actor=actor, origin=origin
        )
        record(dataset.workspace, actor, "dataset.add_version", str(version))
    return version


def _latest_locked(dataset: Dataset, definition: Definition) -> DatasetVersion | None:
    """The newest version; until the transaction ends nobody adds another. Raises UserError as `_require_same_kind`."""
    Dataset.objects.select_for_update().get(pk=dataset.pk)  # versions are numbered one after another
    latest: DatasetVersion | None = dataset.versions.first()
    if latest is not None:
        _require_same_kind(dataset, latest, definition)
    return latest


def _next_number(dataset: Dataset) -> int:
    newest: int | None = dataset.versions.aggregate(newest=Max("number"))["newest"]
    return (newest or 0) + 1


def _require_same_kind(dataset: Dataset, latest: DatasetVersion, definition: Definition) -> None:
    """A name that pipelines rely on stays what it is. Raises UserError."""
    is_file = isinstance(definition, FileDefinition)
    if latest.is_tabular and is_file:
        raise UserError(
            f"“{dataset.name}” is a table, and stays one. Make a dataset of another name for the files.",
            loc=("name",),
        )
    if not latest.is_tabular and not is_file:
        raise UserError(
            f"“{dataset.name}” names files, and goes on to. Make a dataset of another name for the table.",
            loc=("name",),
        )


def _create(
    dataset: Dataset,
    number: int,
    definition: Definition,
    *,
    words: Words,
    look: Look,
    actor: User | None,
    origin: str = "",
) -> DatasetVersion:
    version = DatasetVersion(
        dataset=dataset,
        number=number,
        definition=definition,
        description=words.description,
        tags=VersionTags(tags=dict(words.tags)),
        created_by=actor,
        origin=origin,
    )
    if look.listed is not None:
        version.fingerprint, version.listing = look.listed.fingerprint, look.listed.digest
        version.file_count, version.size_bytes = look.listed.file_count, look.listed.size_bytes
    version.listing_error = look.error
    if look.listed is not None or look.error or not reads_files(definition):
        version.listed_at = timezone.now()
    else:
        enqueue_on_commit(WORK_TASK, queue=WORK_QUEUE)
    version.save(force_insert=True)
    return version


def _says_the_same(latest: DatasetVersion, definition: Definition, words: Words, look: Look) -> bool:
    if latest.definition != definition or (words.says_something and not words.are_those_of(latest)):
        return False
    # Where either was never listed nobody knows, and the same words about it are taken for the same.
    known = look.listed is not None and bool(latest.fingerprint)
    return not known or look.listed is None or latest.fingerprint == look.listed.fingerprint
