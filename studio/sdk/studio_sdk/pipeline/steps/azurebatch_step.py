"""azureml"s AzureBatchStep."""

from __future__ import annotations

from typing import Any

from studio_sdk.pipeline.core._unsupported import refuse_step

__all__ = ["AzureBatchStep"]


class AzureBatchStep:
    """Raises NotSupportedException, which says what to use."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        refuse_step("step of Azure Batch", "CommandStep, with the program among its source files")
