"""Two runs side by side: what differs between them, and what that did to results, metrics and time."""

from pipelines.comparing.comparison import Comparison, compare_runs
from pipelines.comparing.detail import StepComparison, compare_steps

__all__ = ["Comparison", "StepComparison", "compare_runs", "compare_steps"]
