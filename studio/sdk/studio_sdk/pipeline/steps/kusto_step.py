"""azureml"s KustoStep."""

from __future__ import annotations

from typing import Any

from studio_sdk.pipeline.core._unsupported import refuse_step

__all__ = ["KustoStep"]


class KustoStep:
    """Raises NotSupportedException, which says what to use."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        refuse_step("step of Azure Data Explorer", "PythonScriptStep, with the client of Kusto in its environment")
