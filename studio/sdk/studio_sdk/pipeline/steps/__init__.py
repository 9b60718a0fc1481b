"""What steps do. Kinds that the studio has not raise an error which names what to use."""

from __future__ import annotations

from studio_sdk.pipeline.steps.adla_step import AdlaStep
from studio_sdk.pipeline.steps.automl_step import AutoMLStep, AutoMLStepRun
from studio_sdk.pipeline.steps.azurebatch_step import AzureBatchStep
from studio_sdk.pipeline.steps.command_step import CommandStep
from studio_sdk.pipeline.steps.data_transfer_step import DataTransferStep
from studio_sdk.pipeline.steps.databricks_step import DatabricksStep
from studio_sdk.pipeline.steps.estimator_step import EstimatorStep
from studio_sdk.pipeline.steps.hyper_drive_step import HyperDriveStep, HyperDriveStepRun
from studio_sdk.pipeline.steps.kusto_step import KustoStep
from studio_sdk.pipeline.steps.module_step import ModuleStep
from studio_sdk.pipeline.steps.mpi_step import MpiStep
from studio_sdk.pipeline.steps.notebook_runner_step import AzureMLNotebookHandler, NotebookRunConfig, NotebookRunnerStep
from studio_sdk.pipeline.steps.parallel_run_config import ParallelRunConfig
from studio_sdk.pipeline.steps.parallel_run_step import ParallelRunStep
from studio_sdk.pipeline.steps.python_script_step import PythonScriptStep
from studio_sdk.pipeline.steps.r_script_step import RScriptStep
from studio_sdk.pipeline.steps.synapse_spark_step import SynapseSparkStep

__all__ = [
    "AdlaStep",
    "AutoMLStep",
    "AutoMLStepRun",
    "AzureBatchStep",
    "AzureMLNotebookHandler",
    "CommandStep",
    "DataTransferStep",
    "DatabricksStep",
    "EstimatorStep",
    "HyperDriveStep",
    "HyperDriveStepRun",
    "KustoStep",
    "ModuleStep",
    "MpiStep",
    "NotebookRunConfig",
    "NotebookRunnerStep",
    "ParallelRunConfig",
    "ParallelRunStep",
    "PythonScriptStep",
    "RScriptStep",
    "SynapseSparkStep",
]
