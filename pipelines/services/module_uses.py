"""Which versions of pipelines use which modules: written down with each, so that nobody reads definitions for it."""

import re
from collections import Counter

from pipelines.kinds.module import ModuleStep
from pipelines.models import ModuleUse, PipelineVersion
from studio.workspaces.models import NAME

_LARGEST = 2**31 - 1


def note_uses(version: PipelineVersion, workspace_id: int) -> None:
    """Within the transaction that makes the version. What no module can be called is left out."""
    steps = [step for step in version.definition.steps if isinstance(step, ModuleStep)]
    counted = Counter(
        (step.module, step.module_version or 0)
        for step in steps
        if re.match(NAME.regex, step.module) and 0 <= (step.module_version or 0) <= _LARGEST
    )
    ModuleUse.objects.bulk_create(
        ModuleUse(version=version, workspace_id=workspace_id, module=name, number=number, steps=steps)
        for (name, number), steps in sorted(counted.items())
    )
