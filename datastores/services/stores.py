"""Register, change and remove datastores. Files stay where they are, whatever becomes of the datastore."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError as FieldsError
from django.core.validators import ProhibitNullCharactersValidator
from django.db import IntegrityError, models, transaction
from pydantic import ValidationError

from datastores import queries
from datastores.backends import store_class
from datastores.models import Dataset, Datastore
from studio.lib.problems import ConflictError, Problem, UserError
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
    description: str = "",
    actor: User | None,
) -> Datastore:
    """A new datastore; the workspace's first one is its default.

    Raises UserError with problems at `kind`, `name`, `description` and `("config", FIELD)`.
    """
    backend = store_class(kind)
    datastore = Datastore(
        workspace=workspace, name=name, kind=kind, description=description, config={}, created_by=actor
    )
    problems = problems_of(datastore)
    try:
        given = backend.Config.model_validate(dict(config))
    except ValidationError as error:
        problems += [Problem(("config", *found["loc"]), _sentence(found["msg"])) for found in error.errors()]
    if problems:
        raise UserError(problems)
    credentials = backend.Secrets()
    datastore.config = backend.settle(given, credentials, workspace_id=workspace.pk, name=name).model_dump(mode="json")
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=workspace.pk)  # of two first datastores one is the default
        datastore.is_default = not Datastore.objects.filter(workspace=workspace, is_default=True).exists()
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


def change_datastore(datastore: Datastore, *, description: str, actor: User | None) -> None:
    """Its name and place stay: scripts and datasets rely on them. Raises UserError at `description`."""
    datastore.description = description
    if problems := problems_of(datastore):
        raise UserError(problems)
    with transaction.atomic():
        datastore.save(update_fields=["description"])
        record(datastore.workspace, actor, "datastore.change", datastore.name)


def make_default(datastore: Datastore, *, actor: User | None) -> None:
    """Step outputs of new runs go there from now on."""
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=datastore.workspace_id)
        Datastore.objects.filter(workspace=datastore.workspace_id, is_default=True).update(is_default=False)
        if not Datastore.objects.filter(pk=datastore.pk).update(is_default=True):
            raise ConflictError("This datastore has just been removed.")
        record(datastore.workspace, actor, "datastore.make_default", datastore.name)
    datastore.is_default = True


def remove_datastore(datastore: Datastore, *, actor: User | None) -> None:
    """Take it off the list. Its files stay on their disk.

    Raises ConflictError where it is the default, or where datasets point into it.
    """
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=datastore.workspace_id)
        if Datastore.objects.filter(pk=datastore.pk, is_default=True).exists():
            raise ConflictError("This is the default datastore. Make another one the default first.")
        if users := queries.datasets_using(datastore):
            named = ", ".join(f"“{dataset.name}”" for dataset in users[:5])
            more = f" and {len(users) - 5} more" if len(users) > 5 else ""
            raise ConflictError(
                f"Datasets still point into it: {named}{more}. Delete them first.",
                datasets=[dataset.name for dataset in users],
            )
        record(datastore.workspace, actor, "datastore.remove", datastore.name)
        datastore.delete()


def problems_of(row: Datastore | Dataset) -> list[Problem]:
    """What is wrong with the words that a person gave, at their fields."""
    try:
        row.clean_fields(exclude={"workspace", "kind", "config", "created_by"})
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


def _sentence(message: str) -> str:
    return f"{message.rstrip('.')}."
