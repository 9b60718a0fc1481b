"""Steps become a definition: the document that the studio keeps, the same as its builder makes.

Nothing is sent here. What must be sent before the document means something, folders of files, environments and the
pipelines that others run, stands beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from studio_sdk.core.environment import Environment, EnvironmentReference
from studio_sdk.data.data_reference import DataReference
from studio_sdk.data.datapath import DataPath, DataPathComputeBinding
from studio_sdk.data.dataset_consumption_config import DatasetConsumptionConfig
from studio_sdk.data.output_dataset_config import (
    OutputDatasetConfig,
    OutputFileDatasetConfig,
    OutputTabularDatasetConfig,
)
from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._names import field_name, step_name, unique_name
from studio_sdk.pipeline.core._texts import argument, plain_text, with_references
from studio_sdk.pipeline.core._unsupported import refuse
from studio_sdk.pipeline.core.builder import PipelineData, PipelineStep, StepSequence, bound, identity, output_name
from studio_sdk.pipeline.core.graph import (
    InputPortBinding,
    OutputPortBinding,
    PipelineDataset,
    PipelineParameter,
    PortDataReference,
)
from studio_sdk.pipeline.core.pipeline_output_dataset import PipelineOutputAbstractDataset

TABLES_VARIABLE = "AZUREML_INPUT_TABLES"
VERSION_VARIABLE = "AZUREML_STEP_VERSION"
_PARAMETER_VARIABLE = "AML_PARAMETER_"


class Inner:
    """A pipeline that a step runs: it is saved before, and the step names its version."""

    def __init__(self, step: dict[str, Any], name: str, making: Making) -> None:
        self.step, self.name, self.making = step, name, making


class Making:
    """The definition of a pipeline, and what is to be sent with it."""

    def __init__(self, *, default_datastore: Any = None, default_source_directory: str | None = None) -> None:
        self.default_datastore = default_datastore
        self.default_source_directory = default_source_directory
        self.parameters: dict[str, dict[str, Any]] = {}
        self.steps: list[dict[str, Any]] = []
        self.folders: list[tuple[dict[str, Any], str]] = []  # steps with the folder of their files
        self.environments: list[tuple[dict[str, Any], Environment]] = []
        self.inner: list[Inner] = []
        self.datasets: list[tuple[dict[str, Any], Any]] = []  # bindings with a dataset that is not registered
        self.named_outputs: dict[str, tuple[str, str]] = {}  # steps and outputs, by their pipeline_output_name
        self._names: dict[PipelineStep, str] = {}
        self._writers: dict[int, PipelineStep] = {}  # by the identity of what they write

    def document(self) -> dict[str, Any]:
        return {"parameters": list(self.parameters.values()), "steps": self.steps}

    def make(self, steps: Any, *, resolve_closure: bool = True) -> None:
        """Raises UserErrorException, ValueError for what makes no pipeline."""
        listed, after = _listed(steps)
        known = list(_with_producers(listed)) if resolve_closure else listed
        for step in known:
            self._names[step] = unique_name(step_name(step.name), set(self._names.values()))
            for written in step._written:
                other = self._writers.setdefault(id(written), step)
                if other is not step:
                    raise UserErrorException(
                        f"“{other.name}” and “{step.name}” write the same output: give each its own. A step that is to "
                        "read an OutputFileDatasetConfig takes its as_input()."
                    )
        for step in known:
            self._make(step, after.get(step, []))
        _refuse_circles(self.steps)

    def name_of(self, step: PipelineStep) -> str:
        """Raises UserErrorException where it is no step of this pipeline."""
        if step not in self._names:
            raise UserErrorException(f"“{step.name}” is needed by another step, and is not among the pipeline's steps.")
        return self._names[step]

    def parameter(self, parameter: PipelineParameter) -> str:
        """It as a parameter of the pipeline: its name. Raises UserErrorException."""
        made = _parameter(parameter)
        known = self.parameters.setdefault(parameter.name, made)
        if known != made:
            raise UserErrorException(
                f"There are two parameters “{parameter.name}” with other defaults: let all steps use the same object."
            )
        return parameter.name

    def path_parameter(self, name: str, value: str) -> str:
        """A parameter for a path in a datastore, which is how a pipeline names one: its name."""
        for number in range(1, 1000):
            tried = name if number == 1 else f"{name}_{number}"
            made = {"name": tried, "type": "data_path", "default": value}
            if self.parameters.setdefault(tried, made) == made:
                return tried
        raise UserErrorException(f"There are too many parameters called “{name}”: give each path a name of its own.")

    def value(self, value: Any) -> Any:
        """A setting: the value itself, or the placeholder of a parameter."""
        if isinstance(value, PipelineParameter):
            return f"${{{{parameters.{self.parameter(value)}}}}}"
        return value

    def folder(self, step: dict[str, Any], source_directory: str | None, script: str | None) -> None:
        """The step has the files of this folder, or of the pipeline's. Raises UserErrorException."""
        path = source_directory if source_directory is not None else self.default_source_directory
        if path is None:
            if script is None:
                return
            path = "."
        path = os.path.abspath(os.fspath(path))
        if not os.path.isdir(path):
            raise UserErrorException(f"“{step['name']}”: there is no folder {path}.")
        if script is not None and not os.path.isfile(os.path.join(path, *script.split("/"))):
            raise UserErrorException(f"“{step['name']}”: there is no script “{script}” in {path}.")
        self.folders.append((step, path))

    def environment(self, step: dict[str, Any], environment: Any) -> None:
        """The step runs in this environment: an `Environment`, or the name of one that the studio has."""
        if environment is None:
            return
        if isinstance(environment, EnvironmentReference):
            version = f":{environment.version}" if environment.version else ""
            step["environment"] = f"{environment.name}{version}"
        elif isinstance(environment, str):
            step["environment"] = environment
        elif isinstance(environment, Environment):
            self.environments.append((step, environment))
        else:
            raise UserErrorException(f"This is no environment but a {type(environment).__name__}: use Environment.")

    def compute(self, step: dict[str, Any], target: Any) -> None:
        if target is None:
            return
        name = target if isinstance(target, str) else getattr(target, "name", None)
        if not isinstance(name, str) or not name:
            raise UserErrorException(f"This is no compute target but a {type(target).__name__}: give its name.")
        step["compute"] = name

    def output_of(self, value: Any) -> dict[str, Any] | None:
        """The binding to what a step of this pipeline writes; None where it is nothing of that kind."""
        producer = self._writers.get(id(identity(value)))
        if producer is None:
            return None
        return {"kind": "output", "step": self.name_of(producer), "output": producer._output_name(value)}

    def output(self, value: Any) -> dict[str, Any]:
        """What a step writes, as an output of a definition."""
        return _output(bound(value), self.default_datastore)

    def _make(self, step: PipelineStep, after: Iterable[PipelineStep]) -> None:
        made: dict[str, Any] = {"name": self._names[step]}
        step._fill(self, made)
        read = {each["binding"]["step"] for each in made.get("inputs", []) if each["binding"].get("kind") == "output"}
        names = [self.name_of(each) for each in [*step._after, *after]]
        waits = [name for name in dict.fromkeys(names) if name not in read]
        if waits:
            made["run_after"] = waits
        self.steps.append(made)
        for output in step._outputs:
            self._note_name(
                getattr(bound(output), "pipeline_output_name", None), made["name"], step._output_name(output)
            )

    def _note_name(self, name: str | None, step: str, output: str) -> None:
        if name and self.named_outputs.setdefault(name, (step, output)) != (step, output):
            raise UserErrorException(f"Two outputs have the pipeline_output_name “{name}”: name one differently.")


class Ports:
    """The inputs and outputs of a step that is being made, by the objects that a program has for them."""

    def __init__(self, making: Making, step: dict[str, Any]) -> None:
        self.making, self.step = making, step
        self.inputs: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, Any] = {}  # how inputs that are read as tables are to be read
        self._given: list[tuple[Any, str]] = []  # objects that stand for something, with their placeholders

    def take(self, inputs: Iterable[Any], outputs: Iterable[Any], arguments: Iterable[Any]) -> None:
        """What the lists name, and what stands among the arguments alone."""
        for output in outputs:
            self.add_output(output)
        for given in inputs:
            self.add_input(given)
        for value in arguments:
            if self._placeholder_of(value) is not None or plain_text(value) is not None:
                continue
            if isinstance(value, OutputDatasetConfig):
                self.add_output(value)
            elif isinstance(value, (PipelineData, OutputPortBinding)):
                raise UserErrorException(
                    f"“{value.name}” stands among the arguments of “{self.step['name']}” and neither among its inputs "
                    "nor its outputs: add it to one of them."
                )
            elif not isinstance(value, PipelineParameter):
                self.add_input(value)

    def finish(self) -> None:
        """Put them into the step."""
        if self.inputs:
            self.step["inputs"] = list(self.inputs.values())
        if self.outputs:
            self.step["outputs"] = list(self.outputs.values())
        if self.tables:
            variables(self.step, {TABLES_VARIABLE: json.dumps(self.tables, sort_keys=True)})

    def add_output(self, value: Any) -> str:
        """Its name."""
        made = self.making.output(value)
        name: str = made["name"]
        if name in self.outputs:
            raise UserErrorException(f"“{self.step['name']}” has two outputs “{name}”: name one of them differently.")
        self.outputs[name] = made
        self._given.append((value, f"${{{{outputs.{name}}}}}"))
        return name

    def add_input(self, value: Any) -> str:
        """Its name."""
        mode, place = None, value
        if isinstance(value, tuple) and len(value) == 2:
            place, way = value
            if not isinstance(way, DataPathComputeBinding):
                raise UserErrorException("A pair among the inputs is a parameter and a DataPathComputeBinding.")
            mode = way.mode
        name = self._add_input(place, mode)
        self._given.append((value, f"${{{{inputs.{name}}}}}"))
        return name

    def also(self, other: Ports) -> None:
        """What stands for something there does here, too."""
        self._given += other._given

    def also_output(self, value: Any, name: str) -> None:
        self._given.append((value, f"${{{{outputs.{name}}}}}"))

    def line(self, arguments: Iterable[Any]) -> str:
        """The arguments as the studio keeps them."""
        return " ".join(argument(self._text(value)) for value in arguments)

    def command(self, words: Iterable[Any]) -> str:
        """A command of the shell: what is text stays as it is."""
        return " ".join(self._text(value) for value in words)

    def text(self, value: Any) -> str:
        return self._text(value)

    def _text(self, value: Any) -> str:
        found = self._placeholder_of(value)
        if found is not None:
            return found
        if isinstance(value, PipelineParameter):
            return f"${{{{parameters.{self.making.parameter(value)}}}}}"
        text = plain_text(value)
        if text is None:
            raise UserErrorException(
                f"A {type(value).__name__} can't be an argument of “{self.step['name']}”: give a text, a number, a "
                "parameter, or an input or output of the step."
            )
        return with_references(text, self._placeholder_called)

    def _placeholder_of(self, value: Any) -> str | None:
        """What it stands for: as the same object, or else as the same data by the same name."""
        for given, placeholder in self._given:
            if given is value or (isinstance(given, tuple) and given[0] is value):
                return placeholder
        if not isinstance(value, _DATA):
            return None
        for given, placeholder in self._given:
            if isinstance(given, _DATA) and identity(given) is identity(value):
                if isinstance(bound(given), OutputDatasetConfig) and _is_read(given) != _is_read(value):
                    continue
                if _called(value) in (None, _called(given)):
                    return placeholder
        return None

    def _placeholder_called(self, name: str) -> str | None:
        for given, placeholder in self._given:
            if getattr(bound(given), "name", None) == name:
                return placeholder
        if name in self.inputs:
            return f"${{{{inputs.{name}}}}}"
        return f"${{{{outputs.{name}}}}}" if name in self.outputs else None

    def _add_input(self, value: Any, mode: str | None) -> str:
        name, binding, said = self._binding(value)
        if name in self.inputs:
            if self.inputs[name]["binding"] == binding:
                return name
            raise UserErrorException(f"“{self.step['name']}” has two inputs “{name}”: name one of them differently.")
        self.inputs[name] = {"name": name, "binding": binding}
        mode = mode or said
        if mode == "hdfs":
            refuse("as_hdfs", "as_mount or as_download")
        if mode == "upload":
            refuse(f"“{name}”, an upload, as an input", "as_mount or as_download; for what a step writes, an output")
        if mode is not None:
            self.inputs[name]["mode"] = mode
        return name

    def _binding(self, value: Any) -> tuple[str, dict[str, Any], str | None]:
        """Name, binding, mode."""
        if isinstance(value, InputPortBinding):
            if value.bind_object is None:
                raise UserErrorException(f"Nothing is bound to the input “{value.name}”: give it a bind_object.")
            _name, binding, mode = self._binding(value.bind_object)
            return value.name, binding, value._mode or mode
        if isinstance(value, PipelineOutputAbstractDataset):
            if value._reading:
                self.tables[value.input_name] = value._reading
            return value.input_name, self._written(value), value._mode
        if isinstance(value, (PipelineData, OutputPortBinding)):
            return value.name, self._written(value), None
        if isinstance(value, OutputDatasetConfig):
            return field_name(value.name, "an input"), self._written(value), None
        if isinstance(value, DatasetConsumptionConfig):
            return self._consumed(value)
        if isinstance(value, PipelineDataset):
            return self._named_dataset(value)
        if PipelineDataset.is_dataset(value):
            return PipelineDataset.default_name(value), self._dataset(value), None
        return self._placed(value)

    def _placed(self, value: Any) -> tuple[str, dict[str, Any], str | None]:
        """Of what lies at a place, or is named by a parameter."""
        making = self.making
        if isinstance(value, DataReference):
            name = field_name(value.data_reference_name, "an input")
            text = f"{value.datastore.name}/{value.path_on_datastore or ''}"
            return name, {"kind": "parameter", "parameter": making.path_parameter(name, text)}, value.mode
        if isinstance(value, PortDataReference):
            text = f"{value.datastore_name}/{value.path_on_datastore}"
            return value.name, {"kind": "parameter", "parameter": making.path_parameter(value.name, text)}, None
        if isinstance(value, PipelineParameter):
            name = making.parameter(value)
            if making.parameters[name]["type"] not in ("dataset", "data_path"):
                raise UserErrorException(f"The parameter “{name}” is no data: put it among the arguments.")
            return name, {"kind": "parameter", "parameter": name}, None
        raise UserErrorException(f"A {type(value).__name__} can't be an input of “{self.step['name']}”.")

    def _named_dataset(self, value: PipelineDataset) -> tuple[str, dict[str, Any], str | None]:
        if not value.parameter_name:
            return value.name, self._dataset(value.dataset), value.bind_mode
        parameter = PipelineParameter(value.parameter_name, value.dataset)
        return value.name, {"kind": "parameter", "parameter": self.making.parameter(parameter)}, value.bind_mode

    def _consumed(self, value: DatasetConsumptionConfig) -> tuple[str, dict[str, Any], str | None]:
        name = field_name(value.name, "an input")
        source = value.dataset
        mode: str | None = value.mode
        if isinstance(source, PipelineParameter):
            binding = {"kind": "parameter", "parameter": self.making.parameter(source)}
            return name, binding, None if mode == "direct" else mode
        # What azureml calls direct is read by the dataset's own means: from the copy, or from where it is.
        mode = None if mode == "direct" else mode
        if isinstance(source, OutputDatasetConfig):
            if isinstance(source, OutputTabularDatasetConfig):
                self.tables[name] = _reading(source)
            return name, self._written(source), mode
        return name, self._dataset(source), mode

    def _written(self, value: Any) -> dict[str, Any]:
        found = self.making.output_of(value)
        if found is None:
            name = getattr(bound(value), "name", "")
            raise UserErrorException(f"No step writes “{name}”, which “{self.step['name']}” reads.")
        return found

    def _dataset(self, dataset: Any) -> dict[str, Any]:
        if not PipelineDataset.is_dataset(dataset):
            raise UserErrorException(f"This is no dataset but a {type(dataset).__name__}.")
        name = getattr(dataset, "name", None)
        binding: dict[str, Any] = {"kind": "dataset", "dataset": name}
        if not name:
            self.making.datasets.append((binding, dataset))
        elif getattr(dataset, "version", None):
            binding["version"] = int(dataset.version)
        return binding


_DATA = (
    DatasetConsumptionConfig,
    InputPortBinding,
    OutputDatasetConfig,
    OutputPortBinding,
    PipelineData,
    PipelineOutputAbstractDataset,
)


def _is_read(value: Any) -> bool:
    return not isinstance(value, OutputDatasetConfig)


def _called(value: Any) -> str | None:
    """The name that it has as an input, where it is one of its own making."""
    if isinstance(value, (DatasetConsumptionConfig, InputPortBinding)):
        return value.name
    return value.input_name if isinstance(value, PipelineOutputAbstractDataset) else None


def variables(step: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Add environment variables to a step."""
    known = {each["name"]: each for each in step.get("environment_variables", [])}
    known.update({name: {"name": name, "value": str(value)} for name, value in given.items()})
    if known:
        step["environment_variables"] = list(known.values())


def parameter_variables(ports: Ports, params: Mapping[str, Any] | None) -> None:
    """A step's `params`: each is a variable `AML_PARAMETER_NAME`."""
    variables(ports.step, {f"{_PARAMETER_VARIABLE}{name}": ports.text(value) for name, value in (params or {}).items()})


def common(step: dict[str, Any], *, allow_reuse: bool, version: str | None) -> None:
    """What all kinds with a process have."""
    if not allow_reuse:
        step["allow_reuse"] = False
    if version is not None:
        variables(step, {VERSION_VARIABLE: version})


def as_path_text(value: Any) -> str:
    """A `DataPath` as the value of a parameter."""
    return f"{value.datastore.name}/{value.path_on_datastore or ''}"


def value_text(value: Any) -> Any:
    """A value for a parameter as the studio takes it: data by name."""
    if isinstance(value, DataPath):
        return as_path_text(value)
    if isinstance(value, DataReference):
        return f"{value.datastore.name}/{value.path_on_datastore or ''}"
    if PipelineDataset.is_dataset(value):
        if not value.name:
            raise UserErrorException("A dataset as the value of a parameter must be registered: call its register().")
        return f"{value.name}:{value.version}" if getattr(value, "version", None) else value.name
    if type(value).__module__ == "numpy" and callable(getattr(value, "item", None)):
        return value.item()
    return value


def _parameter(parameter: PipelineParameter) -> dict[str, Any]:
    default = value_text(parameter.default_value)
    made: dict[str, Any] = {"name": parameter.name, "type": "string"}
    if isinstance(parameter.default_value, (DataPath, DataReference)):
        made["type"] = "data_path"
    elif PipelineDataset.is_dataset(parameter.default_value):
        made["type"] = "dataset"
    elif isinstance(default, bool):
        made["type"] = "boolean"
    elif isinstance(default, int):
        made["type"] = "integer"
    elif isinstance(default, float):
        made["type"] = "number"
    elif default is not None and not isinstance(default, str):
        raise UserErrorException(
            f"The default of “{parameter.name}” is a {type(default).__name__}: give a text, a number, a truth value, "
            "a DataPath or a dataset."
        )
    if default is not None:
        made["default"] = default
    return made


def _output(value: Any, default_datastore: Any) -> dict[str, Any]:
    """An output of a definition."""
    made: dict[str, Any] = {"name": output_name(value)}
    if isinstance(value, OutputDatasetConfig):
        return _output_of_config(made, value, default_datastore)
    _put_datastore(made, value.datastore or default_datastore)
    if value.is_directory is False:
        made["file"] = made["name"]
    if "mount" in (getattr(value, "_output_mode", None), getattr(value, "_mode", None)):
        made["mode"] = "mount"
    registration = getattr(value, "_registration", None) or getattr(value, "dataset_registration", None)
    if registration is not None:
        made["register_as"] = {"dataset": registration.name}
    return made


def _output_of_config(made: dict[str, Any], value: OutputDatasetConfig, default_datastore: Any) -> dict[str, Any]:
    is_table = isinstance(value, OutputTabularDatasetConfig)
    files = value.output if isinstance(value, OutputTabularDatasetConfig) else value
    if not isinstance(files, OutputFileDatasetConfig):
        raise UserErrorException(
            f"A {type(value).__name__} is nothing that a step writes: use OutputFileDatasetConfig."
        )
    _put_datastore(made, files.datastore or default_datastore)
    if files.path_on_datastore:
        made["path"] = files.path_on_datastore
    if value.mode == "mount" and files.mount_options is not None:
        made["mode"] = "mount"
    if value.registration is None:
        return made
    if is_table and files.registration is not value.registration:
        refuse(
            "Registering what a step writes as a table",
            "register_on_complete before read_delimited_files, and Dataset.Tabular on what was registered,",
        )
    made["register_as"] = {"dataset": value.registration.name}
    if value.registration.description:
        made["register_as"]["description"] = value.registration.description
    if value.registration.tags:
        made["register_as"]["tags"] = value.registration.tags
    return made


def _put_datastore(made: dict[str, Any], datastore: Any) -> None:
    if datastore is not None:
        made["datastore"] = datastore if isinstance(datastore, str) else datastore.name


def _reading(source: OutputTabularDatasetConfig) -> dict[str, Any]:
    """How an output is read as a table, for whoever reads it in the step."""
    said = {
        "how": source.how,
        "path_glob": source.path_glob,
        "partition_format": source.partition_format,
        "set_column_types": {name: str(kind) for name, kind in source.set_column_types.items()} or None,
        "transformations": source.transformations,
    }
    return {name: value for name, value in said.items() if value is not None}


def _listed(steps: Any) -> tuple[list[PipelineStep], dict[PipelineStep, list[PipelineStep]]]:
    """All steps of nested lists, and what those of sequences run after."""
    after: dict[PipelineStep, list[PipelineStep]] = {}

    def within(value: Any) -> list[PipelineStep]:
        if isinstance(value, PipelineStep):
            return [value]
        if isinstance(value, StepSequence):
            found: list[PipelineStep] = []
            before: list[PipelineStep] = []
            for part in value:
                own = within(part)
                for step in own:
                    after.setdefault(step, []).extend(before)
                found += own
                before = own or before
            return found
        if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
            return [step for part in value for step in within(part)]
        raise UserErrorException(f"A {type(value).__name__} is no step: give steps, lists of steps and StepSequences.")

    listed = list(dict.fromkeys(within(steps)))
    if not listed:
        raise UserErrorException("A pipeline needs at least one step.")
    return listed, after


def _with_producers(steps: list[PipelineStep]) -> Iterator[PipelineStep]:
    """The steps, each behind those that it needs and the list has not."""
    seen: set[PipelineStep] = set()
    pending = [(step, False) for step in reversed(steps)]
    while pending:
        step, is_ready = pending.pop()
        if is_ready:
            yield step
            continue
        if step in seen:
            continue
        seen.add(step)
        pending.append((step, True))
        pending += [(each, False) for each in reversed(list(step._before())) if each not in seen]


def _refuse_circles(steps: list[dict[str, Any]]) -> None:
    before = {
        step["name"]: {
            *step.get("run_after", []),
            *(each["binding"]["step"] for each in step.get("inputs", []) if each["binding"].get("kind") == "output"),
        }
        for step in steps
    }
    while before:
        ready = [name for name, names in before.items() if not names & before.keys()]
        if not ready:
            raise UserErrorException(f"These steps wait for each other in a circle: {', '.join(sorted(before))}.")
        for name in ready:
            del before[name]
