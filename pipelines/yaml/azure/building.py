"""A pipeline under way: its parameters and steps as plain values, and where the files say each of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.definition import PipelineDefinition
from pipelines.placeholders import as_text
from pipelines.validation import parse_definition
from pipelines.yaml.azure.reading import Reading
from pipelines.yaml.azure.texts import Given, Path, Said
from pipelines.yaml.located import Spot
from pipelines.yaml.plan import NewPipeline
from studio.lib.problems import UserError

LONGEST_NAME = 100
DATA_TYPES = ("uri_file", "uri_folder", "mltable", "path")
MODEL_TYPES = ("mlflow_model", "custom_model", "triton_model")
VALUE_TYPES = ("string", "integer", "number", "boolean", "enum")


@dataclass
class Building:
    """One pipeline. `given` has what its own inputs are for its steps; None for one that is absent."""

    reading: Reading
    name: str
    description: str
    spot: Spot
    parameters: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    given: dict[str, Given | None] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)  # of the pipeline: what they say of an output
    written: dict[str, tuple[str, str]] = field(default_factory=dict)  # by name of those, the step and its output
    default_compute: str | None = None
    default_datastore: str | None = None
    continues: bool = True
    reuses: bool = True
    behind: dict[tuple[str, str], str] = field(default_factory=dict)  # by step and output, a file in its folder
    spots: dict[tuple[str | int, ...], Spot] = field(default_factory=dict)

    def parameter(self, wanted: str, spot: Spot, **more: Any) -> str:
        """Add one, and give back its name: another one where there is one of that name."""
        taken = {each["name"] for each in self.parameters}
        name, number = wanted, 2
        while name in taken:
            name, number = f"{wanted}_{number}", number + 1
        self.spots["parameters", len(self.parameters)] = spot
        self.parameters.append({"name": name, **{key: value for key, value in more.items() if value is not None}})
        return name

    def said(self, wanted: str, value: Any, spot: Spot) -> Said:
        """A parameter with this default, as what stands for it."""
        name = self.parameter(wanted, spot, type=type_of(value), default=value)
        return parameter_said(name, type_of(value))

    def add_step(self, step: dict[str, Any], spot: Spot, places: dict[str, Spot]) -> None:
        index = len(self.steps)
        self.spots["steps", index] = spot
        for name, place in places.items():
            self.spots["steps", index, name] = place
        if not self.reuses:
            step["allow_reuse"] = False
        self.steps.append({name: value for name, value in step.items() if value is not None})

    def spot_of(self, loc: Sequence[str | int]) -> Spot:
        """Of the longest way into the definition that is known."""
        for length in range(len(loc), 0, -1):
            if (spot := self.spots.get(tuple(loc[:length]))) is not None:
                return spot
        return self.spot

    def finish(self) -> None:
        """Put it into the plan, after those that it runs."""
        self._complete_modules()
        plain = {
            "parameters": self.parameters,
            "steps": self.steps,
            "continue_on_step_failure": self.continues,
        }
        try:
            definition = parse_definition(plain)
        except UserError as error:
            for problem in error.problems:
                self.reading.say(self.spot_of(problem.loc), problem.message)
            definition = PipelineDefinition()
        self.reading.plan.pipelines.append(
            NewPipeline(self.name, self.description, definition, self.spot_of, self.spot)
        )

    def inner_name(self, job: str) -> str:
        return f"{self.name[: LONGEST_NAME - len(job) - 3]} – {job}"

    def _complete_modules(self) -> None:
        """A module's outputs are those that somebody reads: the file alone doesn't say which it has."""
        modules = {step["name"]: step for step in self.steps if step["kind"] == "module"}
        for step in self.steps:
            for binding in (each["binding"] for each in step.get("inputs", ())):
                module = modules.get(binding.get("step"))
                if module is not None and binding["output"] not in {each["name"] for each in module["outputs"]}:
                    module["outputs"].append({"name": binding["output"]})


def parameter_said(name: str, type_: str, *, may_be_absent: bool = False) -> Said:
    text = f"${{{{parameters.{name}}}}}"
    return Said(text, text, type_, may_be_absent)


def parameter_path(name: str, type_: str, mode: str, *, may_be_absent: bool = False) -> Path:
    return Path({"kind": "parameter", "parameter": name}, type_, mode, may_be_absent=may_be_absent)


def literal(value: Any) -> Said:
    return Said(as_text(value), value, type_of(value))


def type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "number" if isinstance(value, float) else "string"
