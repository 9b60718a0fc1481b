"""When a search gives up a trial that logs its metric again and again."""

from __future__ import annotations

import json
from typing import Any

from studio_sdk.train.hyperdrive.exceptions import HyperDriveConfigException

__all__ = [
    "BanditPolicy",
    "EarlyTerminationPolicy",
    "MedianStoppingPolicy",
    "NoTerminationPolicy",
    "TruncationSelectionPolicy",
]


class EarlyTerminationPolicy:
    """Base of all. `settings()` are those of the studio's step."""

    POLICY_NAME = ""

    def __init__(self, name: str, properties: dict[str, Any] | None = None) -> None:
        self.name = name
        self._properties = dict(properties or {})

    def to_json(self) -> str:
        return json.dumps({"name": self.name, "properties": self._properties})

    def settings(self) -> dict[str, Any]:
        raise NotImplementedError

    @property
    def evaluation_interval(self) -> int:
        return int(self._properties.get("evaluation_interval", 1))

    @property
    def delay_evaluation(self) -> int:
        return int(self._properties.get("delay_evaluation", 0))

    def _timing(self) -> dict[str, Any]:
        return {"evaluation_interval": self.evaluation_interval, "delay_evaluation": self.delay_evaluation}


class BanditPolicy(EarlyTerminationPolicy):
    """Give up what is too far from the best: by `slack_factor` or by `slack_amount`.

    ```python
    BanditPolicy(evaluation_interval=2, slack_factor=0.1)
    ```
    """

    POLICY_NAME = "Bandit"

    def __init__(
        self,
        evaluation_interval: int = 1,
        slack_factor: float | None = None,
        slack_amount: float | None = None,
        delay_evaluation: int = 0,
    ) -> None:
        if (slack_factor is None) == (slack_amount is None):
            raise HyperDriveConfigException("Give a BanditPolicy either slack_factor or slack_amount.")
        super().__init__(
            self.POLICY_NAME,
            {
                "evaluation_interval": evaluation_interval,
                "delay_evaluation": delay_evaluation,
                "slack_factor": slack_factor,
                "slack_amount": slack_amount,
            },
        )

    @property
    def slack_factor(self) -> float | None:
        return self._properties["slack_factor"]  # type: ignore[no-any-return]

    @property
    def slack_amount(self) -> float | None:
        return self._properties["slack_amount"]  # type: ignore[no-any-return]

    def settings(self) -> dict[str, Any]:
        slack = {"slack_factor": self.slack_factor, "slack_amount": self.slack_amount}
        given = {name: value for name, value in slack.items() if value is not None}
        return {"early_termination": "bandit", **self._timing(), **given}


class MedianStoppingPolicy(EarlyTerminationPolicy):
    """Give up what is worse than the median of the other trials' averages.

    ```python
    MedianStoppingPolicy(evaluation_interval=1, delay_evaluation=5)
    ```
    """

    POLICY_NAME = "MedianStopping"

    def __init__(self, evaluation_interval: int = 1, delay_evaluation: int = 0) -> None:
        super().__init__(
            self.POLICY_NAME, {"evaluation_interval": evaluation_interval, "delay_evaluation": delay_evaluation}
        )

    def settings(self) -> dict[str, Any]:
        return {"early_termination": "median", **self._timing()}


class TruncationSelectionPolicy(EarlyTerminationPolicy):
    """Give up the worst share of the trials.

    ```python
    TruncationSelectionPolicy(truncation_percentage=20, evaluation_interval=1)
    ```
    """

    POLICY_NAME = "TruncationSelection"

    def __init__(self, truncation_percentage: int, evaluation_interval: int = 1, delay_evaluation: int = 0) -> None:
        super().__init__(
            self.POLICY_NAME,
            {
                "evaluation_interval": evaluation_interval,
                "delay_evaluation": delay_evaluation,
                "truncation_percentage": truncation_percentage,
            },
        )

    @property
    def truncation_percentage(self) -> int:
        return self._properties["truncation_percentage"]  # type: ignore[no-any-return]

    def settings(self) -> dict[str, Any]:
        share = {"truncation_percentage": self.truncation_percentage}
        return {"early_termination": "truncation", **self._timing(), **share}


class NoTerminationPolicy(EarlyTerminationPolicy):
    """Let every trial run to its end."""

    POLICY_NAME = "Default"

    def __init__(self) -> None:
        super().__init__(self.POLICY_NAME)

    def settings(self) -> dict[str, Any]:
        return {}
