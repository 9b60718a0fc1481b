"""Compute targets, by azureml's older module: it is where programs find ComputeTargetException."""

from __future__ import annotations

from studio_sdk.core.compute.compute import ComputeTarget as AbstractComputeTarget
from studio_sdk.exceptions import ComputeTargetException, NotSupportedException

__all__ = ["AbstractComputeTarget", "ComputeTargetException", "LocalTarget"]


class LocalTarget:
    """Raises NotSupportedException, which says what to use."""

    def __init__(self) -> None:
        raise NotSupportedException("Use ComputeTarget(workspace, “local”): the nodes of the studio's own machine.")
