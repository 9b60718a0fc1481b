"""What pages and API read of modules. A number of queries that does not grow with what they show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import Http404
from django.urls import reverse

from pipelines.kinds import KINDS
from pipelines.models import LONG_OF_VERSIONS, Module, ModuleUse, ModuleVersion
from pipelines.modules.definition import ModuleDefinition
from pipelines.modules.there import default_of, uses_now
from pipelines.queries import iso
from studio.workspaces.models import Workspace

MODULES_PAGE = 25
VERSIONS_PAGE = 20
USES_PAGE = 20


@dataclass(frozen=True, slots=True)
class ModuleRow:
    """A module as the list shows it."""

    module: Module
    kind_label: str
    kind_icon: str
    pipelines: int  # whose latest version uses it


@dataclass(frozen=True, slots=True)
class UseRow:
    """A pipeline that uses a module."""

    pipeline_id: int
    pipeline: str
    number: int | None  # of the module's version; None: its default one
    steps: int
    in_version: int  # of the pipeline


def modules_of(workspace: Workspace, *, text: str = "") -> QuerySet[Module]:
    """Those that are there, by name, with the `kind` of their latest version and how many `pipelines` use them."""
    text = text.replace("\0", "")  # PostgreSQL's texts hold none
    latest = ModuleVersion.objects.filter(module=OuterRef("pk"), number=OuterRef("latest_version"))
    rows = Module.objects.filter(workspace=workspace, deleted_at=None).select_related("created_by")
    rows = rows.annotate(kind=Subquery(latest.values("kind")[:1]), pipelines=_use_count())
    rows = rows.filter(Q(name__icontains=text) | Q(description__icontains=text)) if text else rows
    return rows.order_by("name", "pk")


def module_rows(workspace: Workspace, *, q: str = "", page: str | int = 1) -> Page[Any]:
    found: Page[Any] = Paginator(modules_of(workspace, text=q), MODULES_PAGE).get_page(page)
    found.object_list = [_row(module) for module in found.object_list]
    return found


def module_of(workspace: Workspace, module_id: int) -> Module:
    """Raises Http404."""
    module = modules_of(workspace).filter(pk=module_id).first()
    if module is None:
        raise Http404("There is no such module in this workspace, or it was deleted.")
    return module


def version_of(module: Module, number: int | None = None) -> ModuleVersion:
    """A version, the latest where none is named. Raises Http404."""
    wanted = module.latest_version if number is None else number
    rows = module.versions.select_related("created_by", "disabled_by", "module__created_by")
    version = rows.filter(number=wanted).first() if 0 < wanted < 2**31 else None
    if version is None:
        raise Http404(f"This module has no version {wanted}.")
    return version


def versions_of(module: Module) -> QuerySet[ModuleVersion]:
    """The newest first, without what they are."""
    return module.versions.select_related("created_by", "disabled_by").defer("definition").order_by("-number")


def default_number(module: Module) -> int | None:
    """The version that a step without a number means."""
    version = default_of(module, module.versions.defer("definition", "note"))
    return version.number if version else None


def uses_of(module: Module, page: str | int = 1) -> Page[Any]:
    """The pipelines whose latest version uses it, by name."""
    rows = uses_now(module).select_related("version__pipeline")
    rows = rows.defer(*(f"version__{name}" for name in LONG_OF_VERSIONS))
    found: Page[Any] = Paginator(rows.order_by("version__pipeline__name", "number"), USES_PAGE).get_page(page)
    found.object_list = [
        UseRow(
            pipeline_id=use.version.pipeline_id,
            pipeline=use.version.pipeline.name,
            number=use.number or None,
            steps=use.steps,
            in_version=use.version.number,
        )
        for use in found.object_list
    ]
    return found


def module_named(workspace: Workspace, name: str) -> Module | None:
    return modules_of(workspace).filter(name=name.replace("\0", "")).first()


def latest_named(workspace: Workspace, name: str) -> ModuleDefinition | None:
    """The latest version of a module by its name; None where there is none."""
    module = module_named(workspace, name) if name else None
    return version_of(module).definition if module else None


def module_json(slug: str, module: Any) -> dict[str, Any]:
    """A module as a list shows it, of `modules_of`."""
    return {
        "id": module.pk,
        "name": module.name,
        "description": module.description,
        "tags": module.tags.tags,
        "kind": module.kind,
        "latest_version": module.latest_version,
        "default_version": module.default_version,
        "pipelines": module.pipelines,
        "created_by": module.created_by.username if module.created_by else None,
        "created_at": iso(module.created_at),
        "updated_at": iso(module.updated_at),
        "url": reverse("modules:detail", args=[slug, module.pk]),
    }


def version_json(version: ModuleVersion) -> dict[str, Any]:
    return {
        "number": version.number,
        "kind": version.kind,
        "note": version.note,
        "created_by": version.created_by.username if version.created_by else None,
        "created_at": iso(version.created_at),
        "disabled": version.disabled_at is not None,
        "disabled_by": version.disabled_by.username if version.disabled_by else None,
    }


def ports_json(definition: ModuleDefinition) -> dict[str, Any]:
    return definition.model_dump(mode="json", include={"inputs", "outputs", "parameters"})


def interface_json(slug: str, module: Module, version: ModuleVersion) -> dict[str, Any]:
    """What a step that uses the version takes and gives, and which versions there are besides."""
    numbers = versions_of(module).filter(disabled_at=None).values_list("number", flat=True)
    kind = KINDS.get(version.kind)
    step = version.definition.step
    return {
        **ports_json(version.definition),
        "id": module.pk,
        "name": module.name,
        "version": version.number,
        "disabled": version.disabled_at is not None,
        "default_version": default_number(module),
        "versions": list(numbers[:VERSIONS_PAGE]),
        "kind": {"name": version.kind, "label": kind.label if kind else version.kind},
        "compute": step.model_dump(mode="json")["compute"],
        "environment": "" if step.works else step.model_dump(mode="json")["environment"],
        "url": f"{reverse('modules:detail', args=[slug, module.pk])}?version={version.number}",
    }


def file_choices(paths: Sequence[str], script: str) -> list[str]:
    """A source folder's files, the one that the step runs first."""
    return sorted(paths, key=lambda path: (path != script, path.count("/"), path))


def _row(module: Any) -> ModuleRow:
    kind = KINDS.get(module.kind)
    label, icon = (kind.label, kind.icon) if kind else (module.kind, "puzzle")
    return ModuleRow(module, label, icon, module.pipelines)


def _use_count() -> Coalesce:
    """Of live pipelines whose latest version uses the module, each once."""
    uses = ModuleUse.objects.filter(
        workspace=OuterRef("workspace"),
        module=OuterRef("name"),
        version__pipeline__deleted_at=None,
        version__number=F("version__pipeline__latest_version"),
    )
    counted = uses.order_by().values("module").annotate(count=Count("version", distinct=True)).values("count")
    return Coalesce(Subquery(counted, output_field=IntegerField()), Value(0))
