"""Pipelines: steps, the data between them, their runs. By azureml's names.

```python
from studio_sdk.core import Experiment, Workspace
from studio_sdk.pipeline.core import Pipeline, PipelineData
from studio_sdk.pipeline.steps import PythonScriptStep

workspace = Workspace.from_config()
words = PipelineData("words")
count = PythonScriptStep("count.py", arguments=["--out", words], outputs=[words], source_directory="src")
show = PythonScriptStep("show.py", arguments=["--in", words], inputs=[words], source_directory="src")
run = Experiment(workspace, "words").submit(Pipeline(workspace, [count, show]))
run.wait_for_completion(show_output=True)
```
"""

from __future__ import annotations

from studio_sdk.pipeline.core._published import PublishedPipeline
from studio_sdk.pipeline.core._sending import GraphValidationException
from studio_sdk.pipeline.core.builder import PipelineData, PipelineStep, StepSequence
from studio_sdk.pipeline.core.graph import (
    InputPortBinding,
    InputPortDef,
    OutputPortBinding,
    OutputPortDef,
    PipelineDataset,
    PipelineParameter,
    PortDataReference,
    TrainingOutput,
)
from studio_sdk.pipeline.core.module import Module, ModuleVersion, ModuleVersionDescriptor
from studio_sdk.pipeline.core.pipeline import Pipeline
from studio_sdk.pipeline.core.pipeline_draft import PipelineDraft
from studio_sdk.pipeline.core.pipeline_endpoint import PipelineEndpoint
from studio_sdk.pipeline.core.run import PipelineRun, StepRun, StepRunOutput
from studio_sdk.pipeline.core.schedule import Schedule, ScheduleRecurrence, TimeZone

__all__ = [
    "GraphValidationException",
    "InputPortBinding",
    "InputPortDef",
    "Module",
    "ModuleVersion",
    "ModuleVersionDescriptor",
    "OutputPortBinding",
    "OutputPortDef",
    "Pipeline",
    "PipelineData",
    "PipelineDataset",
    "PipelineDraft",
    "PipelineEndpoint",
    "PipelineParameter",
    "PipelineRun",
    "PipelineStep",
    "PortDataReference",
    "PublishedPipeline",
    "Schedule",
    "ScheduleRecurrence",
    "StepRun",
    "StepRunOutput",
    "StepSequence",
    "TimeZone",
    "TrainingOutput",
]
