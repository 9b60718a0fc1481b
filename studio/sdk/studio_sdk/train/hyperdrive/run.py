"""Runs of searches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from studio_sdk.core.run import Run
from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._unsupported import refuse
from studio_sdk.pipeline.core.run import PipelineRun, StepRun

if TYPE_CHECKING:
    from studio_sdk.train.hyperdrive.runconfig import HyperDriveConfig

__all__ = ["HyperDriveRun"]

_PAGE = 1000


class HyperDriveRun(StepRun):
    """A search: the run of its step. A trial is a run of its own: that of its step, where it has one step alone.

    ```python
    run = experiment.submit(config)
    run.wait_for_completion(show_output=True)
    best = run.get_best_run_by_primary_metric()
    best.get_metrics()
    ```
    """

    RUN_TYPE = "hyperdrive"

    def __init__(self, experiment: Any, run_id: str, hyperdrive_config: HyperDriveConfig | None = None) -> None:
        if ":" not in str(run_id):
            run_id = _step_of(experiment, str(run_id))
        super().__init__(experiment, run_id)
        self._config = hyperdrive_config

    @property
    def hyperdrive_config(self) -> HyperDriveConfig | None:
        """What it was submitted with; None where another program submitted it."""
        return self._config

    def get_best_run_by_primary_metric(
        self, include_failed: bool = True, include_canceled: bool = True, include_resume_from_runs: bool = True
    ) -> Run | None:
        """The trial with the best metric so far; None before there is one."""
        answer = self._trials()
        considered = [each for each in answer["trials"] if _counts(each, include_failed, include_canceled)]
        best = _sorted(considered, answer["goal"])
        return None if not best or best[0]["metric"] is None else self._child(best[0])

    def get_children_sorted_by_primary_metric(
        self, top: int = 0, reverse: bool = False, discard_no_metric: bool = False
    ) -> list[dict[str, Any]]:
        """The trials, the best first: `run_id`, `hyperparameters` (JSON), `best_primary_metric`, `status`.

        Those without a metric come last, or not at all. `top` many; all with 0.
        """
        answer = self._trials()
        trials = [each for each in answer["trials"] if each["metric"] is not None or not discard_no_metric]
        found = _sorted(trials, answer["goal"], reverse=reverse)
        return [
            {
                "run_id": str(each["run"]),
                "hyperparameters": json.dumps(each["values"]),
                "best_primary_metric": each["metric"],
                "status": each["status"].capitalize(),
            }
            for each in (found[:top] if top > 0 else found)
        ]

    def get_children(
        self,
        recursive: bool = False,
        tags: Any = None,
        properties: Any = None,
        type: Any = None,  # noqa: A002 (azureml's name)
        status: str | None = None,
    ) -> Any:
        """The trials, by their numbers."""
        for what, given in (("recursive", recursive), ("tags", tags), ("properties", properties), ("type", type)):
            if given:
                refuse(f"get_children({what}=…) of a search", "get_children_sorted_by_primary_metric()")
        found = (self._child(each) for each in self._trials()["trials"])
        return (each for each in found if status is None or each.get_status() == status)

    def get_hyperparameters(self) -> dict[str, str]:
        """The values of each trial as JSON, by its run's id."""
        return {str(each["run"]): json.dumps(each["values"]) for each in self._trials()["trials"]}

    def get_metrics(
        self, name: str | None = None, recursive: bool = False, run_type: str | None = None, populate: bool = False
    ) -> dict[str, Any]:
        """What each trial logged, by its run's id."""
        return {str(each["run"]): self._child(each).get_metrics(name) for each in self._trials()["trials"]}

    def get_diagnostics(self) -> NoReturn:
        """Raises NotSupportedException."""
        refuse("get_diagnostics", "get_children(), whose runs have their logs")

    def _trials(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.get(f"{self._path}trials/", count=str(_PAGE))
        return answer

    def _child(self, trial: dict[str, Any]) -> Run:
        run = PipelineRun(self.experiment, str(trial["run"]))
        steps = list(run.get_steps())
        return steps[0] if len(steps) == 1 else run


class HyperDriveStepRun(HyperDriveRun):
    """The search of a `HyperDriveStep`, of its step's run.

    ```python
    HyperDriveStepRun(run.find_step_run("tune")[0]).get_best_run_by_primary_metric()
    ```
    """

    def __init__(self, step_run: StepRun) -> None:
        if not isinstance(step_run, StepRun):
            raise UserErrorException("Give the run of a step, as find_step_run() has it.")
        super().__init__(step_run.experiment, step_run.id)


def _step_of(experiment: Any, run_id: str) -> str:
    """The one step of a run that has trials. Raises UserErrorException."""
    steps = [step for step in PipelineRun(experiment, run_id)._state()["steps"] if step.get("runs_tab") == "trials"]
    if len(steps) != 1:
        raise UserErrorException(f"Run {run_id} has {len(steps)} searches: name one, as in “{run_id}:tune”.")
    return f"{run_id}:{steps[0]['name']}"


def _counts(trial: dict[str, Any], failed: bool, cancelled: bool) -> bool:
    return (failed or trial["status"] != "failed") and (cancelled or trial["status"] not in ("cancelled", "stopped"))


def _sorted(trials: list[dict[str, Any]], goal: str, *, reverse: bool = False) -> list[dict[str, Any]]:
    """The best first, or with `reverse` the worst. Those without a metric stand last, as what is no number does."""
    sign = (-1.0 if goal == "maximize" else 1.0) * (-1.0 if reverse else 1.0)

    def order(trial: dict[str, Any]) -> tuple[bool, float]:
        metric = trial["metric"]
        is_number = isinstance(metric, (int, float))
        return not is_number, sign * metric if is_number else 0.0

    return sorted(trials, key=order)
