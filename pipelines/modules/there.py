"""The modules that a definition speaks of, as they are in a workspace."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import F, QuerySet

from pipelines.definition import PipelineDefinition
from pipelines.models import Module, ModuleUse, ModuleVersion, Pipeline
from pipelines.modules.resolving import ModulesThere, ModuleThere, Reference, module_references
from studio.workspaces.models import Workspace

_NAMES_TO_SUGGEST = 1000


def modules_there(workspace: Workspace, definition: PipelineDefinition, pipeline: Pipeline | None) -> ModulesThere:
    """What `resolved` wants to know: five queries at most, none where no step is a module.

    A version that was disabled goes on for a `pipeline` that used it before.
    """
    asked = module_references(definition)
    if not asked:
        return ModulesThere()
    names = Module.objects.filter(workspace=workspace, deleted_at=None).values_list("name", flat=True)
    found = {row.name: row for row in modules_named(workspace, {name for name, _number in asked})}
    rows = _versions_of(found.values())
    meant = {each: row for each in asked if each[0] in found and (row := _meant(found[each[0]], rows, each[1]))}
    # What many versions hold is read of those alone that are spoken of.
    full = ModuleVersion.objects.in_bulk([row.pk for row in meant.values()])
    used = _used(pipeline, meant) if any(row.disabled_at for row in meant.values()) else {}
    versions = {
        each: ModuleThere(
            name=each[0],
            number=row.number,
            module_id=row.module_id,
            version_id=row.pk,
            definition=full[row.pk].definition,
            refused=_refusal(each, row, used),
        )
        for each, row in meant.items()
        if row.pk in full
    }
    return ModulesThere(names=frozenset(names[:_NAMES_TO_SUGGEST]) | found.keys(), versions=versions)


def modules_named(workspace: Workspace, names: Iterable[str]) -> list[Module]:
    return list(Module.objects.filter(workspace=workspace, deleted_at=None, name__in=set(names)))


def default_of(module: Module, versions: Iterable[ModuleVersion]) -> ModuleVersion | None:
    """The version that a step without a number means: the one that was set, else the newest that is not disabled.

    Where all are disabled it is the newest, for those who used the module before.
    """
    mine = sorted((each for each in versions if each.module_id == module.pk), key=lambda each: -each.number)
    chosen = next((each for each in mine if each.number == module.default_version), None)
    return chosen or next((each for each in mine if each.disabled_at is None), mine[0] if mine else None)


def uses_now(module: Module) -> QuerySet[ModuleUse]:
    """The uses by latest versions of pipelines that are there."""
    return ModuleUse.objects.filter(
        workspace=module.workspace_id,
        module=module.name,
        version__pipeline__deleted_at=None,
        version__number=F("version__pipeline__latest_version"),
    ).order_by("version__pipeline__name")


def _versions_of(modules: Iterable[Module]) -> list[ModuleVersion]:
    return list(ModuleVersion.objects.filter(module__in=list(modules)).defer("definition", "note"))


def _meant(module: Module, versions: Iterable[ModuleVersion], number: int | None) -> ModuleVersion | None:
    if number is None:
        return default_of(module, versions)
    return next((each for each in versions if each.module_id == module.pk and each.number == number), None)


def _used(pipeline: Pipeline | None, meant: Mapping[Reference, ModuleVersion]) -> dict[tuple[str, int], datetime]:
    """Since when a pipeline says what its definition says now, by name and number as written, 0 for none."""
    if pipeline is None:
        return {}
    rows = ModuleUse.objects.filter(version__pipeline=pipeline, module__in={name for name, _number in meant})
    first: dict[tuple[str, int], datetime] = {}
    for name, number, at in rows.values_list("module", "number", "version__created_at").order_by("version_id"):
        first.setdefault((name, number), at)
    return first


def _refusal(written: Reference, row: ModuleVersion, used: Mapping[tuple[str, int], datetime]) -> str:
    if row.disabled_at is None:
        return ""
    name, number = written
    since = used.get((name, number or 0))
    if since is not None and since < row.disabled_at:
        return ""
    if number is None:
        return f"Every version of module “{name}” is disabled. Enable one, or choose another module."
    return f"Version {number} of module “{name}” is disabled, and this pipeline has not used it before. Choose another."
