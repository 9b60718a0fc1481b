"""Aliases of a model: each names one version, and moves to another when it is set again."""

import re

from django.db import transaction
from django.http import Http404

from pipelines.registered import ModelAlias, ModelVersion, RegisteredModel
from pipelines.services.staging import held_model
from studio.lib.problems import ConflictError, UserError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.permissions import Permission

MAX_ALIASES = 100
_NAME = re.compile(r"\A[\w-]{1,255}\Z")
_A_VERSION = re.compile(r"\Av[0-9]+\Z", re.IGNORECASE)


def set_alias(access: Access, version: ModelVersion, alias: str) -> None:
    """Raises UserError at `alias`, ConflictError where the version was just deleted."""
    access.require(Permission.EDIT_MODELS)
    if not _NAME.match(alias) or not alias.isprintable():
        raise UserError("An alias is letters, digits, _ and -: at most 255 of them.", loc=("alias",))
    if alias.lower() == "latest" or _A_VERSION.match(alias):
        raise UserError(f"“{alias[:80]}” means a version by itself. Choose another alias.", loc=("alias",))
    with transaction.atomic():
        model = held_model(version.model_id)
        if not model.versions.filter(pk=version.pk).exists():
            raise ConflictError(f"Version {version.number} was just deleted.")
        moved = ModelAlias.objects.filter(model=model, name__iexact=alias).update(version=version, name=alias)
        if not moved and model.aliases.count() >= MAX_ALIASES:
            raise UserError(f"A model may have at most {MAX_ALIASES} aliases.", loc=("alias",))
        if not moved:
            ModelAlias.objects.create(model=model, name=alias, version=version)
        audit.record(access.workspace, access.user, "model.alias", f"{model.name}@{alias} to {version.number}")


def remove_alias(access: Access, model: RegisteredModel, alias: str) -> None:
    """Raises Http404 where there is none."""
    access.require(Permission.EDIT_MODELS)
    with transaction.atomic():
        held_model(model.pk)
        if not ModelAlias.objects.filter(model=model, name__iexact=alias).delete()[0]:
            raise Http404(f"Model “{model.name}” has no alias “{alias[:80]}”.")
        audit.record(access.workspace, access.user, "model.remove_alias", f"{model.name}@{alias}")
