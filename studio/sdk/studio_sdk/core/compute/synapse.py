"""SynapseCompute, where azureml has it."""

from __future__ import annotations

from studio_sdk.core.compute.others import SynapseCompute

__all__ = ["SynapseCompute"]
