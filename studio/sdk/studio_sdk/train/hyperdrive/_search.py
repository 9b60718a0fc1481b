"""A search that is submitted by itself: a pipeline of one step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studio_sdk.train.hyperdrive.run import HyperDriveRun

if TYPE_CHECKING:
    from studio_sdk.train.hyperdrive.runconfig import HyperDriveConfig

__all__ = ["search"]

STEP = "search"


def search(
    hyperdrive_config: HyperDriveConfig, experiment: Any, *, tags: Mapping[str, Any] | None = None
) -> HyperDriveRun:
    """Submit a search in an experiment, as `experiment.submit(config)` does."""
    from studio_sdk.pipeline.core.pipeline import Pipeline
    from studio_sdk.pipeline.steps.hyper_drive_step import HyperDriveStep

    step = HyperDriveStep(STEP, hyperdrive_config)
    # A name of its own: the experiment's is the one of its pipeline, which somebody may be editing.
    pipeline = Pipeline(experiment.workspace, [step], name=f"{experiment.name}.{STEP}")
    run = pipeline._submit(experiment, tags=tags)
    return HyperDriveRun(experiment, f"{run.id}:{STEP}", hyperdrive_config)
