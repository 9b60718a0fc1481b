from studio_sdk.core.experiment import Experiment
from studio_sdk.core.run import Run

__all__ = ["Experiment", "Run"]
