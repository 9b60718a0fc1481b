"""The versions of other pipelines that a definition runs, and theirs in turn."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pipelines.definition import PipelineDefinition
from pipelines.kinds.with_runs import StepWithRuns
from pipelines.models import Pipeline, PipelineVersion
from pipelines.nesting import MAX_DEPTH, Nested, PipelinesThere, reference
from studio.workspaces.models import Workspace

_NAMES_TO_SUGGEST = 1000
Reference = tuple[str, int | None]  # a name, and a version; None: the latest


def references_of(definition: PipelineDefinition) -> set[Reference]:
    return {reference(step) for step in definition.steps if isinstance(step, StepWithRuns) and step.pipeline}


def pipelines_there(workspace: Workspace, definition: PipelineDefinition, own: Pipeline | None) -> PipelinesThere:
    """What `nesting_problems` wants to know: two queries for each level of nesting. `own` is the definition's."""
    asked = references_of(definition)
    if not asked:
        return PipelinesThere()
    names = Pipeline.objects.filter(workspace=workspace, deleted_at=None).values_list("name", flat=True)
    found = _all_levels(workspace, asked)
    first = (own.name, None) if own else None
    versions = {
        each: Nested(
            found[each].definition,
            circle=_circle(each, found, first),
            is_too_deep=_is_too_deep(each, found),
        )
        for each in asked
        if each in found
    }
    return PipelinesThere(names=frozenset(names[:_NAMES_TO_SUGGEST]) | {name for name, _ in found}, versions=versions)


def versions_meant(workspace: Workspace, asked: Collection[Reference]) -> dict[Reference, PipelineVersion]:
    """As they are written, without those that aren't there. Two queries."""
    pipelines = Pipeline.objects.filter(workspace=workspace, deleted_at=None, name__in={name for name, _ in asked})
    by_name = {pipeline.name: pipeline for pipeline in pipelines}
    numbers = {
        each: by_name[each[0]].latest_version if each[1] is None else each[1] for each in asked if each[0] in by_name
    }
    rows = PipelineVersion.objects.filter(pipeline__in=by_name.values(), number__in=set(numbers.values()))
    versions = {(row.pipeline_id, row.number): row for row in rows}
    return {
        each: versions[by_name[each[0]].pk, number]
        for each, number in numbers.items()
        if (by_name[each[0]].pk, number) in versions
    }


@dataclass(frozen=True, slots=True)
class _Level:
    definition: PipelineDefinition
    version_id: int
    asks: frozenset[Reference]


def _all_levels(workspace: Workspace, asked: set[Reference]) -> dict[Reference, _Level]:
    found: dict[Reference, _Level] = {}
    for _level in range(MAX_DEPTH + 1):
        new = asked - found.keys()
        if not new:
            break
        for each, version in versions_meant(workspace, new).items():
            asks = references_of(version.definition)
            found[each] = _Level(version.definition, version.pk, frozenset(asks))
        asked = {each for level in found.values() for each in level.asks} - (new - found.keys())
    return found


def _circle(start: Reference, found: Mapping[Reference, _Level], own: Reference | None) -> list[str]:
    """The names on the way from `start` to something that comes again; empty where nothing does."""
    way: list[Reference] = []
    done: set[Reference] = set()  # nothing comes again behind these

    def walk(each: Reference) -> bool:
        level = found.get(each)
        if each == own or (level is not None and level.version_id in {found[before].version_id for before in way}):
            way.append(each)
            return True
        if level is None or each in done or len(way) > MAX_DEPTH:
            return False
        way.append(each)
        if any(walk(inner) for inner in sorted(level.asks, key=str)):
            return True
        way.pop()
        done.add(each)
        return False

    return [name for name, _version in ([own] if own else []) + way] if walk(start) else []


def _is_too_deep(start: Reference, found: Mapping[Reference, _Level]) -> bool:
    level = {start}
    for _ in range(MAX_DEPTH - 1):
        level = {inner for each in level if each in found for inner in found[each].asks}
    return bool(level)
