"""Publishing a module: a first version under a new name, or the next one of a module that is there."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import IntegrityError, transaction
from django.utils import timezone
from pydantic import ValidationError

from pipelines.catalogue import catalogue_for
from pipelines.models import Module, ModuleTags, ModuleVersion, Pipeline
from pipelines.modules.changes import PortChange, breaking, port_changes
from pipelines.modules.definition import ModuleDefinition
from pipelines.modules.publishing import (
    PortWords,
    module_of,
    own_problems,
    standing_alone,
    told_of_module,
    unfit_kind,
)
from pipelines.texts import near, unfit_text
from pipelines.validation import problems_of
from studio.lib.misshapen import shape_problems
from studio.lib.on_commit import publish_on_commit
from studio.lib.problems import ConflictError, Problem, UserError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.models import NAME, Workspace
from studio.workspaces.permissions import Permission

MAX_DESCRIPTION = 5000
MAX_NOTE = 500
MAX_TAGS = 50
MAX_TAG = 250


@dataclass(frozen=True, slots=True)
class Published:
    """The version that now is the latest, and whether this call made it."""

    module: Module
    version: ModuleVersion
    created: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """A module that is not published yet: what keeps it from that, and what it would change."""

    name: str
    definition: ModuleDefinition
    latest: int  # 0 where there is no module of that name
    problems: list[Problem] = field(default_factory=list)
    changes: list[PortChange] = field(default_factory=list)  # of the latest version's ports


def module_from_step(
    pipeline: Pipeline, step: str, *, version: int | None = None, words: PortWords | None = None
) -> ModuleDefinition:
    """A step of a saved version, the latest unless told otherwise, as a module. UserError at `version`, `step`."""
    wanted = pipeline.latest_version if version is None else version
    row = pipeline.versions.filter(number=wanted).first() if 0 < wanted < 2**31 else None
    if row is None:
        sentence = (
            f"This pipeline has no version {wanted}." if wanted else "Save the pipeline before you publish a step."
        )
        raise UserError(sentence, loc=("version",))
    steps = {each.name: each for each in row.definition.steps}
    if step not in steps:
        sentence = f"Version {row.number} of the pipeline has no step “{step}”.{near(step, steps)}"
        raise UserError(sentence if step else "Choose the step to publish.", loc=("step",))
    if unfit := unfit_kind(type(steps[step])):
        raise UserError(unfit, loc=("step",))
    return module_of(steps[step], row.definition.parameters, words)


def read_module(data: object) -> ModuleDefinition:
    """A module from plain JSON. Raises UserError at `("definition", …)` for each field of the wrong shape."""
    unfit = next(unfit_text(data, ()), None)
    if unfit is not None:
        sentence = "There is a character in this text that can't be kept (NUL, or half of one). Remove it."
        raise UserError(sentence, loc=("definition", *unfit))
    try:
        return ModuleDefinition.model_validate(data)
    except ValidationError as error:
        raise UserError(shape_problems(error, ModuleDefinition, below=("definition",))) from error


def draft_module(workspace: Workspace, *, name: str, definition: ModuleDefinition) -> Draft:
    """Looks and changes nothing. Problems of the definition are at `("definition", …)`."""
    problems = [Problem(("name",), sentence)] if (sentence := _unfit_name(name)) else []
    problems += module_problems(workspace, definition)
    latest = _latest(workspace, name)
    changes = port_changes(latest.definition, definition) if latest else []
    return Draft(name, definition, latest.number if latest else 0, problems, changes)


def module_problems(workspace: Workspace, module: ModuleDefinition) -> list[Problem]:
    """Everything that keeps it from being published, at `("definition", …)`."""
    found = list(own_problems(module))
    # What is wrong with its kind is all that can be said of such a step.
    if not any(problem.loc == ("step", "kind") for problem in found):
        found += _mismatches(module)
        alone = standing_alone(module)
        found += told_of_module(problems_of(alone, catalogue_for(workspace, alone)))
    return [Problem(("definition", *problem.loc), problem.message) for problem in found]


def publish_module(
    access: Access,
    *,
    name: str,
    definition: ModuleDefinition,
    base_version: int,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    note: str = "",
    accept_breaking: bool = False,
) -> Published:
    """Make `definition` the module's next version where `base_version` is its latest; 0 for a name that is new.

    An unchanged definition makes no version. Raises UserError at `name`, `description`, `tags`, `note`,
    `("definition", …)` and, where a change of ports breaks steps that use it and nobody accepted that, at
    `accept_breaking`; ConflictError where somebody else published since.
    """
    access.require(Permission.EDIT_PIPELINES)
    name = name.strip()
    draft = draft_module(access.workspace, name=name, definition=definition)
    words: dict[str, object] = {}
    problems = list(draft.problems)
    if description is not None:
        words["description"] = description.strip()
        problems += unfit_description(description)
    if tags is not None:
        words["tags"] = ModuleTags(tags=dict(tags))
        problems += unfit_tags(tags)
    problems += _unfit_line(note, MAX_NOTE, ("note",))
    if draft.latest and not base_version:
        problems.append(_taken(name, draft.latest))
    elif draft.latest == base_version and not accept_breaking and (broken := breaking(draft.changes)):
        problems.append(Problem(("accept_breaking",), _breaks(broken)))
    if problems:
        raise UserError(problems)
    try:
        with transaction.atomic():
            module = _next(access, name, base_version, words)
            latest = module.versions.order_by("-number").first()
            if latest and latest.definition == definition and module.latest_version == base_version:
                return Published(module, latest, created=False)
            if not Module.objects.filter(pk=module.pk, latest_version=module.latest_version, deleted_at=None).update(
                latest_version=module.latest_version + 1, updated_at=timezone.now()
            ):
                raise _published_meanwhile(access.workspace, name)
            version = ModuleVersion.objects.create(
                module=module,
                number=module.latest_version + 1,
                kind=definition.step.kind,
                definition=definition,
                note=note.strip(),
                created_by=access.user,
            )
            audit.record(access.workspace, access.user, "module.publish", f"{name}, version {version.number}")
            tell_lists(module)
    except IntegrityError as error:
        raise _published_meanwhile(access.workspace, name) from error
    module.refresh_from_db()
    return Published(module, version, created=True)


def unfit_description(description: str) -> list[Problem]:
    if len(description.strip()) > MAX_DESCRIPTION:
        return [Problem(("description",), "A description may have 5,000 characters. Shorten it.")]
    if next(unfit_text(description, ()), None) is not None:
        return [Problem(("description",), "There is a character in the description that can't be kept.")]
    return []


def unfit_tags(tags: Mapping[str, str]) -> list[Problem]:
    if len(tags) > MAX_TAGS:
        return [Problem(("tags",), f"A module may have {MAX_TAGS} tags. Take some away.")]
    for name, value in tags.items():
        if not name.strip():
            return [Problem(("tags",), "A tag has no name. Give it one.")]
        if problems := [*_unfit_line(name, MAX_TAG, ("tags", name)), *_unfit_line(value, MAX_TAG, ("tags", name))]:
            return problems
    return []


def tell_lists(module: Module) -> None:
    publish_on_commit(f"workspace.{module.workspace_id}", {"type": "workspace.changed", "what": "modules"})


def _next(access: Access, name: str, base_version: int, words: Mapping[str, object]) -> Module:
    """The module whose next version is made, with its words: new, back again, or there already."""
    rows = Module.objects.filter(workspace=access.workspace, name=name)
    module = rows.first()
    if module is None and base_version:
        raise ConflictError(f"There is no module “{name}” any more. Publish it anew.", number=0)
    if module is None:
        return Module.objects.create(workspace=access.workspace, name=name, created_by=access.user, **words)
    if module.deleted_at is not None:
        if base_version:
            raise ConflictError(f"Module “{name}” was deleted meanwhile. Publish it anew.", number=0)
        if not rows.filter(deleted_at=module.deleted_at).update(
            deleted_at=None, deleted_by=None, default_version=None, created_by=access.user, **words
        ):
            raise _published_meanwhile(access.workspace, name)
        audit.record(access.workspace, access.user, "module.restore", name)
    elif module.latest_version != base_version:
        raise _published_meanwhile(access.workspace, name)
    elif words:
        rows.update(updated_at=timezone.now(), **words)
        audit.record(access.workspace, access.user, "module.describe", name)
        tell_lists(module)
    return rows.get()


def _latest(workspace: Workspace, name: str) -> ModuleVersion | None:
    """Of a module that is there."""
    if _unfit_name(name):
        return None
    rows = ModuleVersion.objects.filter(module__workspace=workspace, module__name=name, module__deleted_at=None)
    return rows.order_by("-number").first()


def _mismatches(module: ModuleDefinition) -> list[Problem]:
    """Ports that the step does not have, and those of it that are no ports."""
    found: list[Problem] = []
    pairs = (
        ("inputs", [port.name for port in module.inputs], [given.name for given in module.step.inputs]),
        ("outputs", [port.name for port in module.outputs], [output.name for output in module.step.outputs]),
    )
    for what, ports, own in pairs:
        for index, name in enumerate(ports):
            if name not in own:
                sentence = f"The step has no {what[:-1]} “{name}”.{near(name, own)}"
                found.append(Problem((what, index, "name"), sentence))
            elif name in ports[:index]:
                found.append(Problem((what, index, "name"), f"There is another “{name}”. Take one of them away."))
        missing = [name for name in own if name not in ports]
        if missing:
            sentence = f"The step has the {what[:-1]} “{missing[0]}”, which is no port. Add it."
            found.append(Problem((what,), sentence))
    inner = {given.name: given for given in module.step.inputs}
    for index, port in enumerate(module.inputs):
        if port.name in inner and inner[port.name].optional != port.optional:
            found.append(
                Problem(("inputs", index, "optional"), "The step's input says something else. Make them agree.")
            )
    return found


def _unfit_name(name: str) -> str | None:
    if not name:
        return "Give the module a name."
    return None if re.match(NAME.regex, name) else str(NAME.message)


def _unfit_line(text: str, most: int, loc: tuple[str | int, ...]) -> list[Problem]:
    if len(text.strip()) > most:
        return [Problem(loc, f"This may have {most} characters. Shorten it.")]
    if next(unfit_text(text, ()), None) is not None:
        return [Problem(loc, "There is a character in this text that can't be kept. Remove it.")]
    return []


def _breaks(changes: Sequence[PortChange]) -> str:
    said = " ".join(change.words for change in changes[:10])
    return (
        f"Steps that move to this version may have to be changed. {said} Accept that, or leave the ports as they were."
    )


def _taken(name: str, latest: int) -> Problem:
    sentence = (
        f"There is a module “{name}” already, in version {latest}. Publish its next version, or choose another name."
    )
    return Problem(("name",), sentence)


def _published_meanwhile(workspace: Workspace, name: str) -> ConflictError:
    latest = ModuleVersion.objects.filter(module__workspace=workspace, module__name=name).select_related("created_by")
    row = latest.order_by("-number").first()
    who = str(row.created_by) if row and row.created_by else "Somebody"
    number = row.number if row else 0
    return ConflictError(
        f"{who} published version {number} of “{name}” since you looked. See what changed, and publish again.",
        number=number,
    )
