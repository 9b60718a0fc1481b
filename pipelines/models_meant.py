"""The models that a definition speaks of, as they are in a workspace now. No query where it speaks of none."""

from django.db.models import Q

from pipelines.definition import ModelBinding, PipelineDefinition
from pipelines.model_names import ModelThere
from pipelines.registered import ModelVersion, RegisteredModel
from studio.workspaces.models import Workspace

_NAMES_TO_SUGGEST = 1000


def models_there(workspace: Workspace, definition: PipelineDefinition) -> dict[str, ModelThere]:
    """Those that are spoken of with their versions, and the names of others, which may be meant."""
    asked = {binding.model for binding in _bindings(definition)}
    if not asked:
        return {}
    rows = RegisteredModel.objects.filter(workspace=workspace)
    names = set(rows.values_list("name", flat=True)[:_NAMES_TO_SUGGEST])
    names |= set(rows.filter(name__in=asked).values_list("name", flat=True))
    stages: dict[str, dict[int, str]] = {}
    versions = ModelVersion.objects.filter(model__workspace=workspace, model__name__in=asked)
    for name, number, stage in versions.values_list("model__name", "number", "stage"):
        stages.setdefault(name, {})[number] = stage
    return {name: ModelThere(stages.get(name, {})) for name in names}


def models_meant(workspace: Workspace, definition: PipelineDefinition) -> dict[ModelBinding, ModelVersion]:
    """The version that each binding means now."""
    bindings = _bindings(definition)
    if not bindings:
        return {}
    there = models_there(workspace, definition)
    meant = {each: there[each.model].meant(each) for each in bindings if each.model in there}
    wanted = Q(pk__in=[])
    for binding, number in meant.items():
        wanted |= Q(model__name=binding.model, number=number)
    rows = ModelVersion.objects.filter(wanted, model__workspace=workspace).select_related("model", "datastore")
    found = {(row.model.name, row.number): row for row in rows}
    return {
        binding: found[binding.model, number]
        for binding, number in meant.items()
        if number is not None and (binding.model, number) in found
    }


def _bindings(definition: PipelineDefinition) -> set[ModelBinding]:
    bindings = (given.binding for step in definition.steps for given in step.inputs)
    return {binding for binding in bindings if isinstance(binding, ModelBinding)}
