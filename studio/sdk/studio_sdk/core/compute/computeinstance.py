"""ComputeInstance, where azureml has it."""

from __future__ import annotations

from studio_sdk.core.compute.others import ComputeInstance

__all__ = ["ComputeInstance"]
