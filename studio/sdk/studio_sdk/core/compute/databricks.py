"""DatabricksCompute, where azureml has it."""

from __future__ import annotations

from studio_sdk.core.compute.others import DatabricksCompute

__all__ = ["DatabricksCompute"]
