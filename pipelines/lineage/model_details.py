"""What a model is called in the lineage, and what its panel says."""

from collections.abc import Sequence

from django.urls import reverse

from pipelines.lineage.facts import Node, fact, files_words, known
from pipelines.lineage.nodes import Key, Model
from pipelines.registered import ModelVersion
from pipelines.states import ModelStage
from studio.workspaces.models import Workspace


def models_described(workspace: Workspace, keys: Sequence[Model]) -> dict[Key, Node]:
    """In one query."""
    if not keys:
        return {}
    rows = ModelVersion.objects.filter(pk__in=[key.pk for key in keys], model__workspace=workspace)
    versions = {row.pk: row for row in rows.select_related("model", "created_by")}
    return {key: _described(workspace, versions[key.pk]) for key in keys if key.pk in versions}


def _described(workspace: Workspace, row: ModelVersion) -> Node:
    page = f"{reverse('models:detail', args=[workspace.slug, row.model_id])}?version={row.number}"
    of = f"output {row.output_name}" if row.output_name else "artifacts"
    facts = [
        fact("Description", row.description or row.model.description),
        fact("Stage", "" if row.stage == ModelStage.NONE else ModelStage(row.stage).label),
        fact("Registered", row.created_by.username if row.created_by else "", at=row.created_at.isoformat()),
        fact("Of", f"{of} of step {row.step_name}, run {row.run_number}"),
        fact("Tags", ", ".join(f"{name}={value}" if value else name for name, value in row.tags.tags.items())),
        fact("Files", files_words(row.file_count), size_bytes=row.size_bytes),
    ]
    return {
        "kind": "model",
        "what": "Model",
        "icon": "brain",
        "title": str(row),
        "subtitle": "model" if row.stage == ModelStage.NONE else f"model, {ModelStage(row.stage).label.lower()}",
        "open": {"label": "Open the model", "url": page},
        "facts": known(facts),
    }
