"""How a search picks the values of its trials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from studio_sdk.train.hyperdrive.exceptions import HyperDriveConfigException
from studio_sdk.train.hyperdrive.parameter_expressions import as_text

__all__ = [
    "BayesianParameterSampling",
    "GridParameterSampling",
    "HyperParameterSampling",
    "RandomParameterSampling",
]

_OF_BAYES = ("choice", "uniform", "quniform")


class HyperParameterSampling:
    """Base of the three."""

    SAMPLING_NAME = ""
    WORD = ""  # the studio's
    _KINDS: tuple[str, ...] = ()  # that alone it can search; empty for all

    def __init__(self, parameter_space: Mapping[str, Any], properties: Mapping[str, Any] | None = None) -> None:
        if not parameter_space:
            raise HyperDriveConfigException("The parameter space is empty: name a parameter and what to try for it.")
        self._space: dict[str, Any] = dict(parameter_space)
        self._properties = dict(properties or {})
        unknown = self._properties.keys() - {"seed"}
        if unknown:
            raise HyperDriveConfigException(
                f"There is no property {', '.join(sorted(unknown))}: there is “seed” alone."
            )
        for name, expression in self._space.items():
            try:
                as_text(expression)
            except ValueError as error:
                raise HyperDriveConfigException(f"“{name}”: {error}") from None
            if self._KINDS and expression[0] not in self._KINDS:
                raise HyperDriveConfigException(
                    f"“{name}”: {self.SAMPLING_NAME} sampling takes {', '.join(self._KINDS)}, and not {expression[0]}."
                )

    @property
    def space(self) -> Mapping[str, Any]:
        """What is tried, by parameter, as it was given."""
        return self._space

    @property
    def seed(self) -> int:
        return int(self._properties.get("seed", 0))

    def texts(self) -> dict[str, str]:
        """What is tried, by parameter, as the studio keeps it; without the leading `--` of an argument."""
        return {name.lstrip("-"): as_text(expression) for name, expression in self._space.items()}

    def to_json(self) -> str:
        return json.dumps({"name": self.SAMPLING_NAME, "parameter_space": self._space, "properties": self._properties})


class RandomParameterSampling(HyperParameterSampling):
    """Each trial by itself. The same `properties={"seed": 7}` gives the same values.

    ```python
    RandomParameterSampling({"--rate": loguniform(log(1e-4), log(0.1)), "--layers": choice(1, 2, 3)})
    ```
    """

    SAMPLING_NAME = "RANDOM"
    WORD = "random"


class GridParameterSampling(HyperParameterSampling):
    """Every point of the space, which is made of `choice`s.

    ```python
    GridParameterSampling({"--rate": choice(0.1, 0.01), "--layers": choice(1, 2)})  # four trials
    ```
    """

    SAMPLING_NAME = "GRID"
    WORD = "grid"
    _KINDS = ("choice",)


class BayesianParameterSampling(HyperParameterSampling):
    """Each trial learns from those before it.

    ```python
    BayesianParameterSampling({"--rate": uniform(0.001, 0.1), "--layers": choice(1, 2)})
    ```
    """

    SAMPLING_NAME = "BayesianOptimization"
    WORD = "bayesian"
    _KINDS = _OF_BAYES
