"""DsvmCompute, where azureml has it."""

from __future__ import annotations

from studio_sdk.core.compute.others import DsvmCompute

__all__ = ["DsvmCompute"]
