"""azureml's place of what `ModuleStep` is made of."""

from __future__ import annotations

from studio_sdk.pipeline.steps.module_step import ModuleStep as ModuleStepBase

__all__ = ["ModuleStepBase"]
