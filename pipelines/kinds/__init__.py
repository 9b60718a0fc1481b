"""The kinds of steps. Each is one file with a subclass of `StepBase`, and a line in `registry`."""

from pipelines.kinds.interface import StepBase
from pipelines.kinds.registry import KINDS, Step

__all__ = ["KINDS", "Step", "StepBase"]
