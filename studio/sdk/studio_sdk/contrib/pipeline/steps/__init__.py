"""azureml's earlier place of parallel runs."""

from __future__ import annotations

from studio_sdk.pipeline.steps.parallel_run_config import ParallelRunConfig
from studio_sdk.pipeline.steps.parallel_run_step import ParallelRunStep

__all__ = ["ParallelRunConfig", "ParallelRunStep"]
