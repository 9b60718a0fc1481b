"""azureml"s AdlaStep."""

from __future__ import annotations

from typing import Any

from studio_sdk.pipeline.core._unsupported import refuse_step

__all__ = ["AdlaStep"]


class AdlaStep:
    """Raises NotSupportedException, which says what to use."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        refuse_step("step of Data Lake Analytics", "PythonScriptStep, with a dataset of the files")
