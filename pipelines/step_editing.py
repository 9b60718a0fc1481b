"""What the editor of a step within its run begins with: settings that can be changed, and what to choose from."""

from typing import Any

from pipelines.catalogue import compute_choices, database_choices
from pipelines.definition import PipelineDefinition
from pipelines.kinds.describing import described
from pipelines.kinds.interface import own_fields
from pipelines.models import Run, StepRun
from pipelines.references import still_fed, with_references
from pipelines.services.editing_steps import RUN_FIELDS, parameters_of, parts_with
from pipelines.settling import settled
from pipelines.spreading import own_outputs
from pipelines.states import STEP_UNDONE
from studio.workspaces.models import Workspace


def editable(workspace: Workspace, run: Run, step: StepRun) -> dict[str, Any]:
    """Settings that a parameter of the pipeline still feeds say so, as in `${{parameters.NAME}}`."""
    now = step.frozen.step
    plain = now.model_dump(mode="json")
    own = [name for name in own_fields(type(now)) if name not in now.fixed and name != "kind"]
    kind = described(type(now))
    settings = {name: plain[name] for name in (*own, *RUN_FIELDS)}
    last = step.edits.order_by("-number").first()
    written_as = step.frozen.part.step if step.frozen.part else step.name
    return {
        "base_edit": last.number if last else 0,
        "source_digest": now.source,
        "kind": kind | {"fields": [field for field in kind["fields"] if field["name"] in own]},
        "settings": with_references(settings, {} if step.frozen.module else _fed(run, written_as, plain)),
        "inputs": [{"name": given.name, "optional": given.optional} for given in now.inputs],
        "outputs": [{"name": name} for name in own_outputs(step.frozen)],
        "parameters": [parameter.model_dump(mode="json") for parameter in parameters_of(run, step.frozen)],
        "computes": compute_choices(workspace),
        "databases": database_choices(workspace) if now.opens() else [],
        "changes_too": [each.name for each in parts_with(step) if each.pk != step.pk and each.status in STEP_UNDONE],
    }


def _fed(run: Run, name: str, plain: dict[str, Any]) -> dict[str, str]:
    version = run.version.definition
    written = next((step for step in version.steps if step.name == name), None)
    if written is None or not written.references:
        return {}
    alone = PipelineDefinition(parameters=version.parameters, steps=[written])
    given = settled(alone, run.parameters.values).definition.steps[0]
    return still_fed(written.references, given.model_dump(mode="json"), plain)
