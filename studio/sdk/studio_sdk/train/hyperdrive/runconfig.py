"""A search: what is tried, how, and what for."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from studio_sdk.core.script_run_config import ScriptRunConfig
from studio_sdk.train.estimator import MMLBaseEstimator
from studio_sdk.train.hyperdrive.exceptions import HyperDriveConfigException, HyperDriveScenarioNotSupportedException
from studio_sdk.train.hyperdrive.policy import EarlyTerminationPolicy
from studio_sdk.train.hyperdrive.sampling import HyperParameterSampling

if TYPE_CHECKING:
    from studio_sdk.train.hyperdrive.run import HyperDriveRun

__all__ = ["HyperDriveConfig", "HyperDriveRunConfig", "PrimaryMetricGoal"]

MAX_DURATION_MINUTES = 10080  # azureml's: a week


class PrimaryMetricGoal(enum.Enum):
    """Whether more or less of the metric is better."""

    MAXIMIZE = "MAXIMIZE"
    MINIMIZE = "MINIMIZE"

    @staticmethod
    def from_str(goal: str) -> PrimaryMetricGoal:
        """Raises ValueError."""
        try:
            return PrimaryMetricGoal(goal.upper())
        except ValueError:
            raise ValueError(f"There is no goal {goal!r}: MAXIMIZE or MINIMIZE.") from None


class HyperDriveConfig:
    """A search over a script (`run_config`, or an `estimator`) or over a `pipeline`.

    The script gets each value as an argument: `--rate 0.1` for the parameter `rate` or `--rate`. It logs the metric by
    `Run.get_context().log(primary_metric_name, value)`. The parameters of a pipeline are its `PipelineParameter`s.

    ```python
    config = HyperDriveConfig(
        run_config=ScriptRunConfig("src", script="train.py", compute_target="local"),
        hyperparameter_sampling=GridParameterSampling({"--rate": choice(0.1, 0.01)}),
        primary_metric_name="accuracy", primary_metric_goal=PrimaryMetricGoal.MAXIMIZE,
        max_total_runs=4, max_concurrent_runs=2,
    )
    run = experiment.submit(config)
    ```
    """

    def __init__(
        self,
        hyperparameter_sampling: HyperParameterSampling,
        primary_metric_name: str,
        primary_metric_goal: PrimaryMetricGoal,
        max_total_runs: int,
        max_concurrent_runs: int | None = None,
        max_duration_minutes: float | None = MAX_DURATION_MINUTES,
        policy: EarlyTerminationPolicy | None = None,
        estimator: MMLBaseEstimator | None = None,
        run_config: ScriptRunConfig | None = None,
        resume_from: Any = None,
        resume_child_runs: Any = None,
        pipeline: Any = None,
        debug_flag: Any = None,
        custom_run_id: str | None = None,
    ) -> None:
        if not isinstance(hyperparameter_sampling, HyperParameterSampling):
            raise HyperDriveConfigException("hyperparameter_sampling is a grid, random or Bayesian sampling.")
        if not isinstance(primary_metric_goal, PrimaryMetricGoal):
            raise HyperDriveConfigException("primary_metric_goal is PrimaryMetricGoal.MAXIMIZE or .MINIMIZE.")
        if policy is not None and not isinstance(policy, EarlyTerminationPolicy):
            raise HyperDriveConfigException("policy is a BanditPolicy, MedianStoppingPolicy or the like.")
        if sum(each is not None for each in (estimator, run_config, pipeline)) != 1:
            raise HyperDriveConfigException("Give a HyperDriveConfig one of run_config, estimator and pipeline.")
        for name, value in (("resume_from", resume_from), ("resume_child_runs", resume_child_runs)):
            if value:
                raise HyperDriveScenarioNotSupportedException(
                    f"A search has no {name} here: submit it again, and trials that are unchanged are reused."
                )
        if debug_flag or custom_run_id:
            raise HyperDriveScenarioNotSupportedException(
                "A search has no debug_flag and no custom_run_id here: the studio numbers runs."
            )
        self.sampling = hyperparameter_sampling
        self.primary_metric_name = primary_metric_name
        self.primary_metric_goal = primary_metric_goal
        self.max_total_runs = max_total_runs
        self.max_concurrent_runs = max_concurrent_runs
        self.max_duration_minutes = max_duration_minutes
        self.policy = policy
        self._estimator, self._run_config, self._pipeline = estimator, run_config, pipeline

    @property
    def estimator(self) -> MMLBaseEstimator | None:
        return self._estimator

    @property
    def run_config(self) -> Any:
        return self._run_config if self._run_config is not None else self._estimator

    @property
    def pipeline(self) -> Any:
        return self._pipeline

    @property
    def source_directory(self) -> Any:
        return getattr(self.run_config, "source_directory", None)

    def settings(self) -> dict[str, Any]:
        """Those of the studio's step, without what it runs."""
        made: dict[str, Any] = {
            "search_space": [{"name": name, "value": text} for name, text in self.sampling.texts().items()],
            "sampling": self.sampling.WORD,
            "primary_metric": self.primary_metric_name,
            "goal": self.primary_metric_goal.value.lower(),
            "max_total_runs": int(self.max_total_runs),
            # As many at once as there are, says azureml's None; the studio has at most a hundred.
            "max_concurrent_runs": int(self.max_concurrent_runs or min(self.max_total_runs, 100)),
        }
        if self.sampling.seed:
            made["seed"] = self.sampling.seed
        if self.max_duration_minutes:
            made["max_duration_minutes"] = self.max_duration_minutes
        return {**made, **(self.policy.settings() if self.policy else {})}

    def _submit(self, experiment: Any, **more: Any) -> HyperDriveRun:
        """As `experiment.submit(config)` asks for it."""
        from studio_sdk.train.hyperdrive._search import search

        return search(self, experiment, **more)


class HyperDriveRunConfig(HyperDriveConfig):
    """The older name of `HyperDriveConfig`."""
