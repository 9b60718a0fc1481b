"""BatchCompute, where azureml has it."""

from __future__ import annotations

from studio_sdk.core.compute.others import BatchCompute

__all__ = ["BatchCompute"]
