"""A search as a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from studio_sdk.core.script_run_config import ScriptRunConfig
from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._making import Inner, Making, Ports, common
from studio_sdk.pipeline.core._script_step import fill_runconfig
from studio_sdk.pipeline.core._texts import argument
from studio_sdk.pipeline.core.builder import PipelineStep, bound
from studio_sdk.pipeline.core.graph import PipelineParameter, TrainingOutput
from studio_sdk.train.hyperdrive.parameter_expressions import example_of
from studio_sdk.train.hyperdrive.run import HyperDriveStepRun
from studio_sdk.train.hyperdrive.runconfig import HyperDriveConfig

__all__ = ["HyperDriveStep", "HyperDriveStepRun"]

_TRIALS = "trials.json"
_TRIAL = "trial"  # the one step of the pipeline that a script becomes


class HyperDriveStep(PipelineStep):
    """Searches the best values of a script's arguments, or of a pipeline's parameters.

    The script becomes a pipeline of one step, which the studio runs once for each trial. What the best trial wrote is
    what the step wrote; a `PipelineData` with `TrainingOutput("Model", model_file="outputs/model.pkl")` has that file
    of it, and `metrics_output` the values and metrics of all trials, as JSON.

    ```python
    model = PipelineData("model", training_output=TrainingOutput("Model", model_file="outputs/model.pkl"))
    tune = HyperDriveStep("tune", hyperdrive_config=config, inputs=[prepared], outputs=[model])
    ```
    """

    def __init__(
        self,
        name: str,
        hyperdrive_config: HyperDriveConfig,
        estimator_entry_script_arguments: Iterable[Any] | None = None,
        inputs: Iterable[Any] | None = None,
        outputs: Iterable[Any] | None = None,
        metrics_output: Any = None,
        allow_reuse: bool = True,
        version: str | None = None,
    ) -> None:
        if not isinstance(hyperdrive_config, HyperDriveConfig):
            raise UserErrorException("Give a HyperDriveConfig.")
        config = hyperdrive_config
        arguments = list(estimator_entry_script_arguments or [])
        if config.estimator is not None and config.estimator.script_params:
            raise UserErrorException(
                "Arguments of the estimator's script belong to the step: estimator_entry_script_arguments."
            )
        if isinstance(config.run_config, ScriptRunConfig):
            if arguments:
                raise UserErrorException("Arguments of a ScriptRunConfig's script belong to it: arguments=[…].")
            arguments = list(config.run_config.arguments or [])
        self._config = config
        self._metrics = metrics_output
        self._allow_reuse = allow_reuse
        self._version = version
        written = [*(outputs or []), *([] if metrics_output is None else [metrics_output])]
        super().__init__(name, inputs, written, arguments)

    def _before(self) -> Iterator[PipelineStep]:
        yield from super()._before()
        if self._config.pipeline is not None and (self._inputs or self._arguments):
            raise UserErrorException(f"“{self.name}” searches over a pipeline, which has inputs of its own.")

    def _fill(self, making: Making, step: dict[str, Any]) -> None:
        step["kind"] = "sweep"
        step.update(self._config.settings())
        if self._config.pipeline is not None:
            inner = self._config.pipeline._made()
            ports = Ports(making, step)
            for output in self._outputs:
                self._add_output(ports, output)
        else:
            inner = Making(default_source_directory=making.default_source_directory)
            ports = self._fill_trial(making, step, inner)
        making.inner.append(Inner(step, f"{step['name']}.trials", inner))
        if not self._allow_reuse:
            for trial in inner.steps:
                trial["allow_reuse"] = False
        ports.finish()

    def _fill_trial(self, making: Making, step: dict[str, Any], inner: Making) -> Ports:
        """The pipeline of one step that is run for each trial. The ports of this step."""
        config = self._config
        trial: dict[str, Any] = {"name": _TRIAL}
        outer, own = Ports(making, step), Ports(inner, trial)
        outer.take(self._inputs, [], [each for each in self._arguments if not self._is_written(each)])
        own.tables, outer.tables = outer.tables, {}
        for name, given in outer.inputs.items():
            inner.parameters[name] = {"name": name, "type": _type_of(making, given["binding"])}
            own.inputs[name] = {**given, "binding": {"kind": "parameter", "parameter": name}}
            given.pop("mode", None)
        own.also(outer)
        passed = self._pass_parameters(making, inner)
        if passed:
            step["parameters"] = passed
        models: list[tuple[str, str]] = []
        for output in self._outputs:
            name = self._add_output(outer, output)
            training = getattr(bound(output), "training_output", None)
            if training is not None and training.type == "Model":
                own.outputs[name] = {"name": name}
                models.append((name, training.model_file or "outputs"))
            elif not self._is_metrics(output):
                own.outputs[name] = making.output(output)
                own.also_output(output, name)
        searched = [self._searched(inner, name, value) for name, value in config.sampling.space.items()]
        script = config.run_config.script if isinstance(config.run_config, ScriptRunConfig) else None
        script = script or getattr(config.run_config, "entry_script", None)
        line = " ".join([own.line(self._arguments), *searched]).strip()
        if models or script is None:
            self._as_command(trial, own, script, line, searched, models)
        else:
            trial.update({"kind": "python_script", "entry": script, "arguments": line})
        inner.folder(trial, config.source_directory, script)
        inner.compute(trial, getattr(config.run_config, "compute_target", None))
        fill_runconfig(inner, trial, config.run_config.run_config)
        common(trial, allow_reuse=self._allow_reuse, version=self._version)
        own.finish()
        inner.steps.append(trial)
        return outer

    def _as_command(
        self,
        trial: dict[str, Any],
        ports: Ports,
        script: str | None,
        line: str,
        searched: list[str],
        models: list[tuple[str, str]],
    ) -> None:
        """The script, and then its files brought to where later steps find them."""
        if script is not None:
            run = f"python {argument(script)} {line}"
        else:
            given = self._config.run_config.command
            words = [given] if isinstance(given, str) else list(given or [])
            run = " ".join([ports.command(words), *searched])
        copies = [f"cp -R {argument(file)} ${{{{outputs.{name}}}}}/" for name, file in models]
        trial.update({"kind": "command", "command": "\n".join([run, *copies])})

    def _searched(self, inner: Making, name: str, expression: Any) -> str:
        """The argument that gives a trial's value to the script."""
        plain = name.lstrip("-")
        inner.parameter(PipelineParameter(plain, example_of(expression)))
        del inner.parameters[plain]["default"]  # each trial has its own
        return f"{argument(name if name.startswith('-') else f'--{name}')} ${{{{parameters.{plain}}}}}"

    def _pass_parameters(self, making: Making, inner: Making) -> list[dict[str, Any]]:
        """Parameters of the pipeline among the arguments: the trials get their values."""
        passed = []
        for value in self._arguments:
            if isinstance(value, PipelineParameter) and value.name not in inner.parameters:
                name = making.parameter(value)
                inner.parameters[name] = dict(making.parameters[name])
                passed.append({"name": name, "value": f"${{{{parameters.{name}}}}}"})
        return passed

    def _add_output(self, ports: Ports, output: Any) -> str:
        name: str = ports.making.output(output)["name"]
        if name in ports.outputs:
            raise UserErrorException(f"“{self.name}” has two outputs “{name}”: name one of them differently.")
        ports.outputs[name] = {"name": name, "taken_from": _TRIALS} if self._is_metrics(output) else {"name": name}
        return name

    def _is_metrics(self, output: Any) -> bool:
        training = getattr(bound(output), "training_output", None)
        return output is self._metrics or (isinstance(training, TrainingOutput) and training.type == "Metrics")

    def _is_written(self, value: Any) -> bool:
        return any(value is output or bound(value) is bound(output) for output in self._outputs)


def _type_of(making: Making, binding: dict[str, Any]) -> str:
    """The type of the parameter that gives a trial this data."""
    if binding["kind"] == "parameter":
        return str(making.parameters[binding["parameter"]]["type"])
    return "dataset" if binding["kind"] == "dataset" else "data_path"
