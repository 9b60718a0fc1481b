"""azureml"s MpiStep."""

from __future__ import annotations

from typing import Any

from studio_sdk.pipeline.core._unsupported import refuse_step

__all__ = ["MpiStep"]


class MpiStep:
    """Raises NotSupportedException, which says what to use."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        refuse_step(
            "step over several nodes by MPI", "ParallelRunStep for many batches, or PythonScriptStep on one node"
        )
