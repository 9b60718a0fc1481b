"""A pipeline as a document: what the builder edits, a version stores, and a run freezes.

Shape only. `pipelines.validation` says whether a document of this shape makes sense, field by field, so that a
half-finished pipeline can be saved and not submitted.
"""

from pydantic import Field

from pipelines.kinds import Step
from pipelines.parts import (
    Binding,
    DatasetBinding,
    Input,
    ModelBinding,
    Output,
    OutputBinding,
    Parameter,
    ParameterBinding,
    ParameterType,
    ParameterValue,
    Registration,
)
from studio.lib.typed_json import Document

__all__ = [
    "Binding",
    "DatasetBinding",
    "Input",
    "ModelBinding",
    "Output",
    "OutputBinding",
    "Parameter",
    "ParameterBinding",
    "ParameterType",
    "ParameterValue",
    "PipelineDefinition",
    "Registration",
    "Step",
]


class PipelineDefinition(Document):
    """A whole pipeline."""

    parameters: list[Parameter] = Field(default_factory=list)
    # Whether what does not depend on a failed step goes on, unless a submission says otherwise.
    continue_on_step_failure: bool = True
    steps: list[Step] = Field(default_factory=list)
