"""Notebooks as steps, where azureml has them."""

from __future__ import annotations

from studio_sdk.pipeline.steps.notebook_runner_step import (
    AzureMLNotebookHandler,
    NotebookRunConfig,
    NotebookRunnerStep,
)

__all__ = ["AzureMLNotebookHandler", "NotebookRunConfig", "NotebookRunnerStep"]
