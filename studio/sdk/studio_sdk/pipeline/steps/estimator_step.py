"""A script with an estimator's configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.steps.python_script_step import PythonScriptStep
from studio_sdk.train.estimator import MMLBaseEstimator

__all__ = ["EstimatorStep"]


class EstimatorStep(PythonScriptStep):
    """Runs an estimator's script. Its arguments stand here, and not in the estimator's `script_params`.

    ```python
    estimator = Estimator("src", entry_script="train.py", compute_target="local", pip_packages=["scikit-learn"])
    train = EstimatorStep("train", estimator, estimator_entry_script_arguments=["--data", prepared], inputs=[prepared])
    ```
    """

    def __init__(
        self,
        name: str | None = None,
        estimator: Any = None,
        estimator_entry_script_arguments: Iterable[Any] | None = None,
        runconfig_pipeline_params: Mapping[str, Any] | None = None,
        inputs: Iterable[Any] | None = None,
        outputs: Iterable[Any] | None = None,
        compute_target: Any = None,
        allow_reuse: bool = True,
        version: str | None = None,
    ) -> None:
        if not isinstance(estimator, MMLBaseEstimator):
            raise UserErrorException("Give an estimator, as studio_sdk.train.estimator.Estimator makes one.")
        if estimator.script_params:
            raise UserErrorException(
                "Arguments of the estimator's script belong to the step: estimator_entry_script_arguments."
            )
        if estimator_entry_script_arguments is None:
            raise UserErrorException("Give estimator_entry_script_arguments; [] for none.")
        super().__init__(
            estimator.entry_script,
            name=name,
            arguments=estimator_entry_script_arguments,
            compute_target=compute_target if compute_target is not None else estimator.compute_target,
            runconfig=estimator.run_config,
            runconfig_pipeline_params=runconfig_pipeline_params,
            inputs=[*(inputs or []), *estimator.inputs],
            outputs=outputs,
            source_directory=estimator.source_directory,
            allow_reuse=allow_reuse,
            version=version,
        )
