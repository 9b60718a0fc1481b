"""azureml's estimator for scikit-learn."""

from __future__ import annotations

from typing import Any

from studio_sdk.exceptions import NotSupportedException

__all__ = ["SKLearn"]


class SKLearn:
    """Raises NotSupportedException, which says what to use."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        raise NotSupportedException(
            "There is no SKLearn estimator: use Estimator(…, pip_packages=['scikit-learn']), or ScriptRunConfig."
        )
