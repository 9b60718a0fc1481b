"""Steps, and the data between them."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from studio_sdk.data.dataset_consumption_config import DatasetConsumptionConfig
from studio_sdk.data.output_dataset_config import OutputDatasetConfig
from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._names import field_name
from studio_sdk.pipeline.core._unsupported import refuse
from studio_sdk.pipeline.core.graph import InputPortBinding, OutputPortBinding, TrainingOutput

if TYPE_CHECKING:
    from studio_sdk.pipeline.core._making import Making
    from studio_sdk.pipeline.core.pipeline_output_dataset import PipelineOutputFileDataset

_AS_VARIABLE = "$AZUREML_DATAREFERENCE_"


class PipelineData:
    """What one step writes and later ones read: a folder, or with `is_directory=False` one file of its name.

    Put the same object among the `outputs` of the step that writes it and the `inputs` of those that read it; among
    arguments it stands for the path. Without a datastore it goes to the pipeline's, or the workspace's default one.

    ```python
    prepared = PipelineData("prepared", datastore=ws.get_default_datastore())
    prep = PythonScriptStep("prep.py", arguments=["--out", prepared], outputs=[prepared], source_directory="src")
    train = PythonScriptStep("train.py", arguments=["--in", prepared], inputs=[prepared], source_directory="src")
    ```
    """

    def __init__(
        self,
        name: str,
        datastore: Any = None,
        output_name: str | None = None,
        output_mode: str | None = None,
        output_path_on_compute: str | None = None,
        output_overwrite: bool | None = None,
        data_type: str | None = None,
        is_directory: bool | None = None,
        pipeline_output_name: str | None = None,
        training_output: TrainingOutput | None = None,
    ) -> None:
        self._name = field_name(name, "a PipelineData")
        self.output_name = field_name(output_name or name, "an output")
        self._datastore = datastore
        if output_mode not in (None, "mount", "upload"):
            raise ValueError(f"There is no output mode {output_mode!r}: take mount or upload.")
        self._output_mode = output_mode
        if output_path_on_compute is not None:
            refuse("output_path_on_compute", "the PipelineData itself among the arguments, and write to that path")
        self._output_overwrite = output_overwrite  # what a step writes is a place of its own, and always new
        self._data_type = data_type
        self.is_directory = is_directory
        self.pipeline_output_name = pipeline_output_name
        self.training_output = training_output
        self._registration: Any = None  # as `as_dataset().register()` says it

    @property
    def name(self) -> str:
        return self._name

    @property
    def datastore(self) -> Any:
        return self._datastore

    @property
    def data_type(self) -> str | None:
        return self._data_type

    def as_download(
        self, input_name: str | None = None, path_on_compute: str | None = None, overwrite: bool | None = None
    ) -> InputPortBinding:
        """It as an input that is copied to the node."""
        return self.create_input_binding(input_name, "download", path_on_compute, overwrite)

    def as_mount(self, input_name: str | None = None) -> InputPortBinding:
        """It as an input that is read where it is."""
        return self.create_input_binding(input_name, "mount")

    def as_input(self, input_name: str) -> InputPortBinding:
        """It as an input of another name."""
        return self.create_input_binding(input_name)

    def create_input_binding(
        self,
        input_name: str | None = None,
        mode: str | None = None,
        path_on_compute: str | None = None,
        overwrite: bool | None = None,
    ) -> InputPortBinding:
        return InputPortBinding(input_name or self._name, self, mode, path_on_compute, overwrite)

    def get_env_variable_name(self) -> str:
        """What stands for its path in the text of a command: `$AZUREML_DATAREFERENCE_NAME`."""
        return f"{_AS_VARIABLE}{self._name}"

    def as_dataset(self) -> PipelineOutputFileDataset:
        """It as a dataset: to be registered when the step completes, or to be read as a table.

        ```python
        rows = PipelineData("rows").as_dataset().register("rows").parse_delimited_files()
        ```
        """
        from studio_sdk.pipeline.core.pipeline_output_dataset import PipelineOutputFileDataset

        return PipelineOutputFileDataset(self)

    def __str__(self) -> str:
        return self.get_env_variable_name()

    def __repr__(self) -> str:
        return f"PipelineData(name={self._name})"


class PipelineStep:
    """What all steps have. `studio_sdk.pipeline.steps` has the kinds."""

    def __init__(self, name: str, inputs: Any = None, outputs: Any = None, arguments: Any = None) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError("Give the step a name.")
        self.name = name
        self._inputs = _listed(inputs, "inputs")
        self._outputs = _listed(outputs, "outputs")
        self._arguments = _listed(arguments, "arguments")
        self._after: list[PipelineStep] = []
        self._written: list[Any] = []  # the identity of each output
        for output in self._outputs:
            _take(output, self)
        for value in self._arguments:
            if isinstance(value, OutputDatasetConfig) and identity(value) not in self._written:
                _take(value, self)

    def run_after(self, step: PipelineStep) -> PipelineStep:
        """Let this one begin when `step` is done, whether it reads anything of it or not. Gives this step.

        ```python
        report.run_after(clean_up)
        ```
        """
        if not isinstance(step, PipelineStep):
            raise UserErrorException(f"run_after takes a step, and not a {type(step).__name__}.")
        if step is self:
            raise UserErrorException(f"“{self.name}” can't run after itself.")
        if step not in self._after:
            self._after.append(step)
        return self

    def _fill(self, making: Making, step: dict[str, Any]) -> None:
        """Put all but its name and what it runs after into its part of a definition."""
        raise NotImplementedError

    def _output_name(self, value: Any) -> str:
        """The name that something which it writes has here."""
        return output_name(bound(value))

    def _before(self) -> Iterator[PipelineStep]:
        """The steps that it needs, as far as it knows them."""
        yield from self._after
        for value in [*self._inputs, *self._arguments]:
            producer = producer_of(value)
            if producer is not None and producer is not self:
                yield producer

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name})"


class StepSequence:
    """Steps, or lists of steps, one after the other: each begins when those before it are done.

    ```python
    Pipeline(workspace, StepSequence([prepare, [train_a, train_b], compare]))
    ```
    """

    def __init__(self, steps: Iterable[Any] | None = None) -> None:
        self._steps = list(steps or [])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._steps)


def bound(value: Any) -> Any:
    """What an input, or a dataset of what a step writes, is about at the bottom of it."""
    while True:
        inner = getattr(value, "bind_object", None)
        if inner is None:
            inner = getattr(value, "_pipeline_data", None)
        if inner is None and isinstance(value, DatasetConsumptionConfig):
            inner = value.dataset
        if inner is None:
            return value
        value = inner


def identity(value: Any) -> Any:
    """What is one and the same for all that was made of an output, as `as_upload()` makes it."""
    value = bound(value)
    return value._origin if isinstance(value, OutputDatasetConfig) else value


def output_name(value: Any) -> str:
    """The name that what a step writes has there."""
    name = getattr(value, "output_name", None) or getattr(value, "name", None)
    return field_name(str(name or ""), "an output")


def producer_of(value: Any) -> PipelineStep | None:
    """The step that was made last with it as an output."""
    return _writers.get(id(identity(value)))


def _take(output: Any, step: PipelineStep) -> None:
    if not isinstance(bound(output), (PipelineData, OutputPortBinding, OutputDatasetConfig)):
        raise UserErrorException(
            f"A {type(output).__name__} is nothing that a step writes: use PipelineData or OutputFileDatasetConfig."
        )
    step._written.append(identity(output))
    _writers[id(identity(output))] = step
    bound(output)._producer = step  # so that it is there as long as what it writes is


# A step keeps what it writes, so an id stands for the same thing as long as its step is here.
_writers: weakref.WeakValueDictionary[int, PipelineStep] = weakref.WeakValueDictionary()


def _listed(values: Any, what: str) -> list[Any]:
    if values is None:
        return []
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise UserErrorException(f"Give {what} as a list.")
    return list(values)
