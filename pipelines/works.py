"""What a node does itself for a step, with the datastores that it opens."""

from collections.abc import Mapping

from compute.spec import NodeWork, WorkStore
from pipelines.definition import Step
from pipelines.parts import ParameterValue


def work_of(step: Step, values: Mapping[str, ParameterValue], datastores: Mapping[str, int]) -> NodeWork | None:
    """None where it runs a command. `datastores` are those of its workspace, by name, of a good definition."""
    work = step.work(values)
    if work is None:
        return None
    opened = {each.name: WorkStore(datastore_id=datastores[each.datastore]) for each in step.opens().values()}
    return work.model_copy(update={"datastores": opened})
