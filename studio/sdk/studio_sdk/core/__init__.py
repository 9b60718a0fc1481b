"""Workspaces and what is in them, by azureml's names.

What is named here is imported when somebody asks for it: a step that only logs pays for nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from studio_sdk import __version__
from studio_sdk.core.run import Run, get_run

if TYPE_CHECKING:
    from studio_sdk.core.compute import ComputeTarget
    from studio_sdk.core.container_registry import ContainerRegistry
    from studio_sdk.core.dataset import Dataset
    from studio_sdk.core.datastore import Datastore
    from studio_sdk.core.environment import Environment
    from studio_sdk.core.experiment import Experiment
    from studio_sdk.core.keyvault import Keyvault
    from studio_sdk.core.model import Model
    from studio_sdk.core.runconfig import RunConfiguration
    from studio_sdk.core.script_run import ScriptRun
    from studio_sdk.core.script_run_config import ScriptRunConfig
    from studio_sdk.core.workspace import Workspace

VERSION = __version__

__all__ = [
    "VERSION",
    "ComputeTarget",
    "ContainerRegistry",
    "Dataset",
    "Datastore",
    "Environment",
    "Experiment",
    "Keyvault",
    "Model",
    "Run",
    "RunConfiguration",
    "ScriptRun",
    "ScriptRunConfig",
    "Workspace",
    "get_run",
]

_PLACES = {
    "ComputeTarget": "compute",
    "ContainerRegistry": "container_registry",
    "Dataset": "dataset",
    "Datastore": "datastore",
    "Environment": "environment",
    "Experiment": "experiment",
    "Keyvault": "keyvault",
    "Model": "model",
    "RunConfiguration": "runconfig",
    "ScriptRun": "script_run",
    "ScriptRunConfig": "script_run_config",
    "Workspace": "workspace",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
