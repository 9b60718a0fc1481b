"""azureml"s AutoMLStep."""

from __future__ import annotations

from typing import Any

from studio_sdk.pipeline.core._unsupported import refuse_step

__all__ = ["AutoMLStep", "AutoMLStepRun"]


class AutoMLStep:
    """Raises NotSupportedException, which says what to use."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        refuse_step("step of automated training", "HyperDriveStep, over a script that tries what you name")


class AutoMLStepRun:
    """Raises NotSupportedException, which says what to use."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        refuse_step("run of automated training", "HyperDriveStepRun")
