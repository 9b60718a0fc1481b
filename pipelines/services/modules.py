"""What becomes of modules once they are published: words, the default version, disabled versions, deletion."""

from collections.abc import Mapping

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from pipelines.models import Module, ModuleTags, ModuleVersion
from pipelines.modules.there import uses_now
from pipelines.services.publishing import tell_lists, unfit_description, unfit_tags
from studio.lib.problems import ConflictError, UserError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.models import Role, User
from studio.workspaces.permissions import Permission

_NAMED = 5  # pipelines in a sentence


def may_manage(access: Access, publisher: User | None) -> bool:
    """Whoever published it and can still edit pipelines, and owners of the workspace."""
    is_theirs = publisher is not None and publisher.pk == access.user.pk
    return access.may(Permission.EDIT_PIPELINES) and (is_theirs or access.role == Role.OWNER)


def describe_module(
    access: Access, module: Module, *, description: str | None = None, tags: Mapping[str, str] | None = None
) -> Module:
    """Change what is given. Raises UserError at `description` or `tags`."""
    access.require(Permission.EDIT_PIPELINES)
    changes: dict[str, object] = {}
    problems = []
    if description is not None:
        changes["description"] = description.strip()
        problems += unfit_description(description)
    if tags is not None:
        changes["tags"] = ModuleTags(tags=dict(tags))
        problems += unfit_tags(tags)
    if problems:
        raise UserError(problems)
    if changes:
        with transaction.atomic():
            _change(module, **changes)
            audit.record(access.workspace, access.user, "module.describe", module.name)
    module.refresh_from_db()
    return module


def set_default_version(access: Access, module: Module, number: int | None) -> Module:
    """What steps without a version mean from now on; None for the newest that is not disabled.

    Raises UserError at `default_version` where there is no such version, or it is disabled; PermissionDenied for who
    neither published the module nor owns the workspace.
    """
    _require(access, module.created_by, "say which version of a module is its default")
    with transaction.atomic():
        version = _held(module, number) if number is not None else None
        if number is not None and version is None:
            raise UserError(f"Module “{module.name}” has no version {number}.", loc=("default_version",))
        if version and version.disabled_at:
            raise UserError(f"Version {number} is disabled. Enable it first.", loc=("default_version",))
        _change(module, default_version=number)
        word = f"{module.name}, version {number}" if number is not None else f"{module.name}, the newest"
        audit.record(access.workspace, access.user, "module.set_default", word)
    module.refresh_from_db()
    return module


def disable_version(access: Access, version: ModuleVersion) -> ModuleVersion:
    """From now on only pipelines use it that used it before. Twice is once.

    Raises UserError at `disabled` where it is the default version; PermissionDenied for who neither published it nor
    owns the workspace.
    """
    module = version.module
    _require(access, version.created_by, "disable a version of a module")
    with transaction.atomic():
        _held(module, version.number)
        if Module.objects.filter(pk=module.pk, default_version=version.number).exists():
            sentence = f"Version {version.number} is the default. Choose another default before you disable it."
            raise UserError(sentence, loc=("disabled",))
        rows = ModuleVersion.objects.filter(pk=version.pk, disabled_at=None)
        if rows.update(disabled_at=timezone.now(), disabled_by=access.user):
            audit.record(access.workspace, access.user, "module.disable", f"{module.name}, version {version.number}")
            tell_lists(module)
    version.refresh_from_db()
    return version


def enable_version(access: Access, version: ModuleVersion) -> ModuleVersion:
    """Everybody may use it again. Twice is once. Raises PermissionDenied as `disable_version`."""
    _require(access, version.created_by, "enable a version of a module")
    with transaction.atomic():
        rows = ModuleVersion.objects.filter(pk=version.pk, disabled_at__isnull=False)
        if rows.update(disabled_at=None, disabled_by=None):
            words = f"{version.module.name}, version {version.number}"
            audit.record(access.workspace, access.user, "module.enable", words)
            tell_lists(version.module)
    version.refresh_from_db()
    return version


def delete_module(access: Access, module: Module) -> None:
    """Take it off the lists; runs have what they ran. Its name stays: publishing under it brings the module back.

    Raises UserError that names the pipelines where some use it, ConflictError where somebody else deleted it already.
    """
    _require(access, module.created_by, "delete a module")
    with transaction.atomic():
        gone = Module.objects.filter(pk=module.pk, deleted_at=None)
        if not gone.update(deleted_at=timezone.now(), deleted_by=access.user):
            raise ConflictError(f"Module “{module.name}” was deleted meanwhile.", number=None)
        # After the row is held: who saves a use from here on is told that there is no such module.
        names = list(uses_now(module).values_list("version__pipeline__name", flat=True).distinct()[: _NAMED + 1])
        if names:
            listed = ", ".join(f"“{name}”" for name in names[:_NAMED])
            more = " and others" if len(names) > _NAMED else ""
            raise UserError(f"Pipelines use this module: {listed}{more}. Change these first, or disable its versions.")
        audit.record(access.workspace, access.user, "module.delete", module.name)
        tell_lists(module)


def _require(access: Access, publisher: User | None, what: str) -> None:
    access.require(Permission.EDIT_PIPELINES)
    if not may_manage(access, publisher):
        raise PermissionDenied(
            f"Only whoever published it, or an owner of this workspace, can {what}. Ask one of them."
        )


def _held(module: Module, number: int) -> ModuleVersion | None:
    """A version, where its module's row is held until the end of the transaction."""
    Module.objects.select_for_update().get(pk=module.pk)
    return module.versions.filter(number=number).first() if 0 < number < 2**31 else None


def _change(module: Module, **changes: object) -> None:
    rows = Module.objects.filter(pk=module.pk, deleted_at=None)
    if not rows.update(updated_at=timezone.now(), **changes):
        raise ConflictError(f"Module “{module.name}” was deleted meanwhile.", number=None)
    tell_lists(module)
