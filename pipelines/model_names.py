"""How a version of a model is named: `NAME`, its newest, `NAME:VERSION`, or `NAME@STAGE`, the newest in a stage. Pure.

Whatever is meant is settled when a run is submitted: from then on the run reads that version and no other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.parts import ModelBinding
from pipelines.texts import near


@dataclass(frozen=True, slots=True)
class ModelThere:
    """A model of the workspace: its versions, each with its stage."""

    stages: Mapping[int, str] = field(default_factory=dict)

    def meant(self, binding: ModelBinding) -> int | None:
        """The number of the version that a binding means now; None where there is none."""
        if binding.version is not None:
            return binding.version if binding.version in self.stages else None
        numbers = (number for number, stage in self.stages.items() if binding.stage in {None, stage})
        return max(numbers, default=None)


def missing_model(binding: ModelBinding, there: Mapping[str, ModelThere]) -> str | None:
    """A sentence where there is no such model, or no such version of it."""
    model = there.get(binding.model)
    if model is None:
        return f"There is no model “{binding.model}”.{near(binding.model, there)}"
    if binding.version is not None and binding.stage is not None:
        return "Name a version of the model or a stage, not both."
    if not model.stages:
        return f"Every version of model “{binding.model}” was deleted. Register one, or choose another model."
    if model.meant(binding) is not None:
        return None
    if binding.stage is not None:
        return (
            f"No version of model “{binding.model}” is in {binding.stage}. Set the stage of one on the model's page, "
            "or name a version."
        )
    return f"Model “{binding.model}” has no version {binding.version}."
