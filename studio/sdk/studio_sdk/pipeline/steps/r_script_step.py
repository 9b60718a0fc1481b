"""azureml"s RScriptStep."""

from __future__ import annotations

from typing import Any

from studio_sdk.pipeline.core._unsupported import refuse_step

__all__ = ["RScriptStep"]


class RScriptStep:
    """Raises NotSupportedException, which says what to use."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        refuse_step("step of R", "CommandStep, as in “Rscript train.R”, where the nodes have R")
