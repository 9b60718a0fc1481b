"""Register, change and remove datastores. Files stay where they are, whatever becomes of the datastore."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError as FieldsError
from django.core.validators import ProhibitNullCharactersValidator
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from datastores.backends import open_store, store_class
from datastores.models import Dataset, Datastore
from datastores.services.settling import Settled, changed, secrets_of, settled
from datastores.uses import Uses, uses_of
from studio.lib.problems import ConflictError, Problem, UserError
from studio.lib.secrets import Sealed
from studio.workspaces.audit import record
from studio.workspaces.models import User, Workspace

DEFAULT_NAME = "workspaceblobstore"
FILES_NAME = "workspacefilestore"


def register_datastore(
    workspace: Workspace,
    *,
    kind: str,
    name: str,
    config: Mapping[str, Any],
    credentials: Mapping[str, Any] | None = None,
    description: str = "",
    actor: User | None,
) -> Datastore:
    """A new datastore; the workspace's first one that can be written to is its default.

    Raises UserError with problems at `kind`, `name`, `description`, `("config", FIELD)` and `("credentials", FIELD)`.
    """
    store = store_class(kind)
    datastore = Datastore(
        workspace=workspace, name=name, kind=kind, description=description, config={}, created_by=actor
    )
    if problems := problems_of(datastore):
        try:
            settled(store, config, credentials or {}, workspace_id=None, name=name)
        except UserError as error:
            problems += error.problems
        raise UserError(problems)
    _keep(datastore, settled(store, config, credentials or {}, workspace_id=workspace.pk, name=name))
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=workspace.pk)  # of two first datastores one is the default
        is_first = not Datastore.objects.filter(workspace=workspace, is_default=True).exists()
        datastore.is_default = is_first and can_be_default(kind)
        save_new(datastore)
        record(workspace, actor, "datastore.register", datastore.name)
    return datastore


def create_first_datastores(workspace: Workspace, actor: User | None = None) -> Datastore:
    """The datastores that every workspace has from the start; returns the default one. Harmless to call again."""
    names = {
        DEFAULT_NAME: "Uploads, step outputs and everything else that has no other place.",
        FILES_NAME: "Files that people share with each other.",
    }
    for name, description in names.items():
        if not Datastore.objects.filter(workspace=workspace, name=name).exists():
            register_datastore(workspace, kind="local", name=name, description=description, config={}, actor=actor)
    return Datastore.objects.get(workspace=workspace, name=DEFAULT_NAME)


def change_datastore(
    datastore: Datastore,
    *,
    description: str | None = None,
    config: Mapping[str, Any] | None = None,
    credentials: Mapping[str, Any] | None = None,
    same_data: bool = False,
    actor: User | None,
) -> None:
    """Change what is given: fields of the config, and credentials (None takes one away, an empty one stays).

    Its name stays: scripts and datasets rely on it. So does its place, unless the caller says that it is the
    `same_data` that moved. Raises UserError as `register_datastore` does, and at `same_data`.
    """
    words: list[str] = []
    if description is not None and description != datastore.description:
        datastore.description = description
        words.append("description")
    problems = problems_of(datastore)
    try:
        change = changed(datastore, config or {}, credentials or {})
    except UserError as error:
        raise UserError([*problems, *error.problems]) from error
    if problems:
        raise UserError(problems)
    if change.fields:
        _require_same_data(datastore, change.settled, same_data=same_data)
        _keep(datastore, change.settled)
        words += change.fields
    if not words:
        return
    with transaction.atomic():
        rows = Datastore.objects.filter(pk=datastore.pk)
        kept = {name: getattr(datastore, name) for name in ("description", "config", "credentials")}
        if not rows.update(**kept):
            raise ConflictError("This datastore has just been removed.")
        record(datastore.workspace, actor, "datastore.change", f"{datastore.name}: {', '.join(words)}")


def make_default(datastore: Datastore, *, actor: User | None) -> None:
    """Step outputs of new runs go there from now on. Raises UserError where nothing can be written to it."""
    if not can_be_default(datastore.kind):
        raise UserError(
            f"Outputs of steps go to the default datastore, and nothing can be written to {datastore.name}. "
            "Choose a datastore of files that can be written to.",
            loc=("is_default",),
        )
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=datastore.workspace_id)
        Datastore.objects.filter(workspace=datastore.workspace_id, is_default=True).update(is_default=False)
        if not Datastore.objects.filter(pk=datastore.pk).update(is_default=True):
            raise ConflictError("This datastore has just been removed.")
        record(datastore.workspace, actor, "datastore.make_default", datastore.name)
    datastore.is_default = True


def can_be_default(kind: str) -> bool:
    store = store_class(kind)
    return store.holds == "files" and store.is_writable


def remove_datastore(datastore: Datastore, *, dangling: bool = False, actor: User | None) -> Uses:
    """Take it off the list and forget its credentials. Its files stay where they are. Returns what is left dangling.

    Raises ConflictError where it is the default, and where datasets or runs use it, unless they may be left `dangling`.
    """
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=datastore.workspace_id)
        if Datastore.objects.filter(pk=datastore.pk, is_default=True).exists():
            raise ConflictError("This is the default datastore. Make another one the default first.")
        uses = uses_of(datastore)
        if uses and not dangling:
            named = ", ".join(f"{use.kind} “{use.name}”" for use in uses.named[:5])
            raise ConflictError(
                f"It is used by {uses.words}: {named}{', …' if len(uses.named) > 5 else ''}. "
                "Delete them first, or say that they may be left without their data.",
                uses=[{"kind": use.kind, "name": use.name, "url": use.url} for use in uses.named],
                counts={found.kind: found.count for found in uses.found},
            )
        wiped: dict[str, Any] = {"config": {}, "credentials": None, "removed_at": timezone.now()}
        if not Datastore.objects.filter(pk=datastore.pk).update(**wiped):
            raise ConflictError("This datastore has just been removed.")
        left = f", used by {uses.words}" if uses else ""
        record(datastore.workspace, actor, "datastore.remove", f"{datastore.name}{left}")
    return uses


def problems_of(row: Datastore | Dataset) -> list[Problem]:
    """What is wrong with the words that a person gave, at their fields."""
    try:
        row.clean_fields(exclude={"workspace", "kind", "config", "credentials", "created_by", "removed_at"})
        ProhibitNullCharactersValidator()(row.description)
    except FieldsError as error:
        said = error.message_dict if hasattr(error, "error_dict") else {"description": error.messages}
        return [Problem((field,), message) for field, messages in said.items() for message in messages]
    return []


def save_new(row: models.Model) -> None:
    """Insert `row`. Raises UserError at `name` where that is taken: the constraint decides, not a look beforehand."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise UserError("This name is taken in this workspace. Choose another one.", loc=("name",)) from error


def _keep(datastore: Datastore, given: Settled) -> None:
    datastore.config = given.config.model_dump(mode="json")
    secrets = given.credentials.plain()
    datastore.credentials = Sealed.seal(secrets) if secrets else None


def _require_same_data(datastore: Datastore, given: Settled, *, same_data: bool) -> None:
    """Datasets and runs go on finding what they name: a datastore does not lead elsewhere without a word."""
    if same_data:
        return
    secrets = given.credentials.plain()
    # Where it was is asked with what it was opened by: a container may be public from now on, and its key be gone.
    before = open_store(datastore.kind, datastore.config, {**secrets_of(datastore), **secrets}).location
    after = open_store(datastore.kind, given.config.model_dump(mode="json"), secrets).location
    if before != after:
        raise UserError(
            f"“{datastore.name}” would lead to {after} instead of {before}, and datasets and runs would find other "
            "data under its name. Register another datastore for other data; where the same data has moved, say so.",
            loc=("same_data",),
        )
