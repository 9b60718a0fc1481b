"""What connects steps: parameters, ports, and what is bound to them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._names import field_name
from studio_sdk.pipeline.core._published import PublishedPipeline
from studio_sdk.pipeline.core._unsupported import refuse

__all__ = [
    "InputPortBinding",
    "InputPortDef",
    "OutputPortBinding",
    "OutputPortDef",
    "ParamDef",
    "PipelineDataset",
    "PipelineParameter",
    "PortDataReference",
    "PublishedPipeline",
    "TrainingOutput",
]

_INPUT_MODES = ("mount", "download", "direct")
_OUTPUT_MODES = ("mount", "upload")


class PipelineParameter:
    """A value that each submission may give anew, wherever it stands among a step's arguments.

    Its default says what it is: a text, a whole number, a number, a truth value, a `DataPath` or a dataset. Without a
    default it is a text that every submission must give.

    ```python
    rate = PipelineParameter("rate", default_value=0.1)
    train = PythonScriptStep("train.py", arguments=["--rate", rate], source_directory="src")
    experiment.submit(Pipeline(workspace, [train]), pipeline_parameters={"rate": 0.2})
    ```
    """

    def __init__(self, name: str, default_value: Any = None) -> None:
        self.name = field_name(name, "a parameter")
        self.default_value = default_value

    def __str__(self) -> str:
        return f"${{{{parameters.{self.name}}}}}"

    def __repr__(self) -> str:
        return f"PipelineParameter(name={self.name}, default_value={self.default_value!r})"


class ParamDef:
    """A parameter of a module, with its default.

    ```python
    module.publish_python_script("fit.py", "fits", inputs=[], outputs=[], params={"rate": 0.1})
    ```
    """

    def __init__(
        self,
        name: str,
        default_value: Any = None,
        is_metadata_param: bool = False,
        is_optional: bool = False,
        set_env_var: bool = False,
        calculate_hash: bool = True,
        env_var_override: Any = None,
    ) -> None:
        self.name = field_name(name, "a parameter")
        self.default_value = default_value
        self.is_optional = is_optional
        if is_metadata_param or set_env_var or not calculate_hash or env_var_override is not None:
            refuse("A parameter's is_metadata_param, set_env_var, calculate_hash or env_var_override", "arguments")


class TrainingOutput:
    """What a `PipelineData` of a `HyperDriveStep` holds: files of the best trial, or the metrics of all.

    `model_file` is a file or folder that the trial's script writes, as in `outputs/model.pkl`.

    ```python
    model = PipelineData("model", training_output=TrainingOutput("Model", model_file="outputs/model.pkl"))
    ```
    """

    def __init__(
        self,
        type: str,  # noqa: A002 (azureml's name)
        iteration: int | None = None,
        metric: str | None = None,
        model_file: str | None = None,
    ) -> None:
        if type not in ("Model", "Metrics"):
            raise ValueError(f"A TrainingOutput is of the type Model or Metrics, and not {type!r}.")
        if iteration is not None or metric is not None:
            refuse("TrainingOutput with iteration or metric, of automated training,", "HyperDriveStep")
        if model_file is not None and type != "Model":
            raise ValueError("model_file is of the type Model alone.")
        self.type = type
        self.iteration = iteration
        self.metric = metric
        self.model_file = model_file


class InputPortDef:
    """An input of a module.

    ```python
    InputPortDef("table", is_optional=True, default_datastore_mode="download")
    ```
    """

    def __init__(
        self,
        name: str,
        data_types: Sequence[str] | None = None,
        default_datastore_mode: str | None = None,
        default_path_on_compute: str | None = None,
        is_optional: bool = False,
        default_overwrite: bool | None = None,
        default_data_reference_name: str | None = None,
        is_resource: bool = False,
        label: str | None = None,
        additional_transformations: Any = None,
    ) -> None:
        self.name = field_name(name, "an input")
        self.data_types = list(data_types or [])
        self.default_datastore_mode = _mode(default_datastore_mode, _INPUT_MODES)
        self.is_optional = is_optional
        self.label = label
        _no_place_on_compute(default_path_on_compute, default_overwrite)
        self.default_path_on_compute = default_path_on_compute
        self.default_overwrite = default_overwrite
        self.default_data_reference_name = default_data_reference_name or name
        _no_resource(is_resource, additional_transformations)

    def __str__(self) -> str:
        return f"${{{{inputs.{self.name}}}}}"


class OutputPortDef:
    """An output of a module.

    ```python
    OutputPortDef("model", is_directory=True)
    ```
    """

    def __init__(
        self,
        name: str,
        default_datastore_name: str | None = None,
        default_datastore_mode: str | None = None,
        default_path_on_compute: str | None = None,
        is_directory: bool | None = None,
        data_type: str | None = None,
        default_overwrite: bool | None = None,
        training_output: TrainingOutput | None = None,
        label: str | None = None,
    ) -> None:
        self.name = field_name(name, "an output")
        if default_datastore_name is not None:
            refuse("default_datastore_name of a module's output", "the datastore of the PipelineData in outputs_map")
        self.default_datastore_name = default_datastore_name
        self.default_datastore_mode = _mode(default_datastore_mode, _OUTPUT_MODES)
        _no_place_on_compute(default_path_on_compute, default_overwrite)
        self.default_path_on_compute = default_path_on_compute
        self.is_directory = is_directory
        self.data_type = data_type
        self.default_overwrite = default_overwrite
        if training_output is not None:
            refuse("training_output of a module's output", "HyperDriveStep")
        self.training_output = training_output
        self.label = label

    def __str__(self) -> str:
        return f"${{{{outputs.{self.name}}}}}"


class InputPortBinding:
    """Data as an input with a name, and a way to get it, of its own.

    `bind_object` is a `PipelineData`, an `OutputPortBinding`, a `DataReference`, a dataset, an
    `OutputFileDatasetConfig` or a `PortDataReference`. Without a `bind_mode` it is downloaded, unless the node can read
    it where it is.

    ```python
    table = InputPortBinding("table", bind_object=prepared)
    train = PythonScriptStep("train.py", inputs=[table], arguments=["--table", table])
    ```
    """

    def __init__(
        self,
        name: str,
        bind_object: Any = None,
        bind_mode: str | None = None,
        path_on_compute: str | None = None,
        overwrite: bool | None = None,
        is_resource: bool = False,
        additional_transformations: Any = None,
    ) -> None:
        self.name = field_name(name, "an input")
        self.bind_object = bind_object
        self._mode = _mode(bind_mode, _INPUT_MODES)
        _no_place_on_compute(path_on_compute, overwrite)
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite
        _no_resource(is_resource, additional_transformations)

    @property
    def bind_mode(self) -> str:
        return self._mode or "download"

    @bind_mode.setter
    def bind_mode(self, value: str) -> None:
        self._mode = _mode(value, _INPUT_MODES)

    @property
    def data_reference_name(self) -> str:
        return self.get_bind_object_name()

    @property
    def data_type(self) -> Any:
        return self.get_bind_object_data_type()

    @property
    def is_resource(self) -> bool:
        return False

    @property
    def additional_transformations(self) -> Any:
        return None

    def get_bind_object_name(self) -> str:
        """The name of what is bound, or the input's own where that has none."""
        return str(getattr(self.bind_object, "name", None) or self.name)

    def get_bind_object_data_type(self) -> Any:
        return getattr(self.bind_object, "data_type", None)

    def as_resource(self) -> InputPortBinding:
        """Raises UserErrorException: a step's files come from its source directory."""
        raise _resource()

    def __str__(self) -> str:
        return f"${{{{inputs.{self.name}}}}}"


class OutputPortBinding:
    """What a step writes, by the name that it has there; a later step takes it through an `InputPortBinding`.

    ```python
    written = OutputPortBinding("table", datastore=datastore, is_directory=True)
    prep = PythonScriptStep("prep.py", outputs=[written], arguments=["--out", written])
    train = PythonScriptStep("train.py", inputs=[InputPortBinding("in", written)])
    ```
    """

    def __init__(
        self,
        name: str,
        datastore: Any = None,
        output_name: str | None = None,
        bind_mode: str | None = None,
        path_on_compute: str | None = None,
        is_directory: bool | None = None,
        overwrite: bool | None = None,
        data_type: str | None = None,
        pipeline_output_name: str | None = None,
        training_output: TrainingOutput | None = None,
        dataset_registration: Any = None,
        dataset_output: Any = None,
    ) -> None:
        self.name = field_name(name, "an output")
        self.datastore = datastore
        self.output_name = field_name(output_name or name, "an output")
        self._mode = _mode(bind_mode, _OUTPUT_MODES)
        _no_place_on_compute(path_on_compute, None)
        self.path_on_compute = path_on_compute
        self.is_directory = is_directory
        self.overwrite = overwrite
        self.data_type = data_type
        self.pipeline_output_name = pipeline_output_name
        self.training_output = training_output
        self.dataset_registration = dataset_registration
        if dataset_output is not None:
            refuse("dataset_output of an OutputPortBinding", "OutputFileDatasetConfig among the step's arguments")

    @property
    def bind_mode(self) -> str:
        return self._mode or "upload"

    def __str__(self) -> str:
        return f"${{{{outputs.{self.output_name}}}}}"


class PipelineDataset:
    """A dataset as an input, with the name that a step has for it.

    ```python
    PipelineDataset.create(dataset, name="orders")
    ```
    """

    def __init__(
        self,
        dataset: Any = None,
        name: str | None = None,
        bind_mode: str | None = None,
        path_on_compute: str | None = None,
        overwrite: bool = False,
        parameter_name: str | None = None,
    ) -> None:
        self.dataset = dataset
        self.name = field_name(name or PipelineDataset.default_name(dataset), "an input")
        self.bind_mode = _mode(bind_mode, _INPUT_MODES)
        _no_place_on_compute(path_on_compute, overwrite or None)
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite
        self.parameter_name = parameter_name

    @staticmethod
    def default_name(dataset: Any) -> str:
        """The registered name of a dataset as a name for an input."""
        name = getattr(dataset, "name", None)
        if not name:
            raise ValueError("This dataset is not registered, so it has no name: give the input one.")
        return "".join(character if character.isalnum() or character in "_-" else "_" for character in str(name))

    @staticmethod
    def is_dataset(dset: Any) -> bool:
        """Whether it is a `FileDataset` or a `TabularDataset`."""
        return any(kind.__name__ in ("FileDataset", "TabularDataset") for kind in type(dset).__mro__)

    @staticmethod
    def validate_dataset(dset: Any) -> None:
        """Raises ValueError where it is no dataset."""
        if not PipelineDataset.is_dataset(dset):
            raise ValueError(f"This is no dataset but a {type(dset).__name__}: use Dataset.File or Dataset.Tabular.")

    @staticmethod
    def create(dataset: Any, name: str | None = None, parameter_name: str | None = None) -> PipelineDataset:
        PipelineDataset.validate_dataset(dataset)
        return PipelineDataset(dataset, name, parameter_name=parameter_name)

    def __str__(self) -> str:
        return f"${{{{inputs.{self.name}}}}}"


class PortDataReference:
    """What a step of a run wrote: `StepRunOutput.get_port_data_reference()` gives it.

    ```python
    written = run.find_step_run("train")[0].get_output_data("model")
    written.download("here")
    ```
    """

    def __init__(self, step_run: Any, name: str, datastore_name: str, path_on_datastore: str) -> None:
        self._step_run = step_run
        self.name = name
        self.datastore_name = datastore_name
        self.path_on_datastore = path_on_datastore

    @property
    def datastore(self) -> Any:
        """The datastore that it lies in."""
        return self._step_run._workspace.datastores[self.datastore_name]

    def download(self, local_path: str, overwrite: bool | None = None, show_progress: bool | None = None) -> int:
        """Bring its files below the folder `local_path`, at their paths in the datastore. How many were brought.

        A file that is there already is left alone unless `overwrite`.
        """
        base = os.path.join(local_path, *self.path_on_datastore.split("/"))
        brought: int = self._step_run._download_output(
            self.name, base, overwrite=bool(overwrite), show_progress=show_progress is not False
        )
        return brought

    def as_download(
        self, input_name: str | None = None, path_on_compute: str | None = None, overwrite: bool | None = None
    ) -> InputPortBinding:
        return InputPortBinding(input_name or self.name, self, "download", path_on_compute, overwrite)

    def as_mount(self, input_name: str | None = None) -> InputPortBinding:
        return InputPortBinding(input_name or self.name, self, "mount")

    def as_input(self, input_name: str) -> InputPortBinding:
        return InputPortBinding(input_name, self)

    def create_input_binding(
        self,
        input_name: str | None = None,
        mode: str | None = None,
        path_on_compute: str | None = None,
        overwrite: bool | None = None,
    ) -> InputPortBinding:
        return InputPortBinding(input_name or self.name, self, mode, path_on_compute, overwrite)

    def __repr__(self) -> str:
        return f"PortDataReference(name={self.name}, {self.datastore_name}/{self.path_on_datastore})"


def _mode(mode: str | None, known: Sequence[str]) -> str | None:
    """Raises ValueError."""
    if mode is not None and mode not in known:
        raise ValueError(f"There is no mode {mode!r}: take one of {', '.join(known)}.")
    return mode


def _no_place_on_compute(path: str | None, overwrite: bool | None) -> None:
    if path is not None or overwrite:
        refuse("A path_on_compute, or what is to be overwritten there,", "the path that the script gets as an argument")


def _no_resource(is_resource: bool, transformations: Any) -> None:
    if is_resource:
        raise _resource()
    if transformations is not None:
        refuse("additional_transformations", "parse_delimited_files or parse_parquet_files of the PipelineData")


def _resource() -> UserErrorException:
    return UserErrorException("The studio has no resource inputs: put the files into the step's source_directory.")
