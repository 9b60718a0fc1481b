"""AksCompute, where azureml has it."""

from __future__ import annotations

from studio_sdk.core.compute.others import AksCompute

__all__ = ["AksCompute"]
