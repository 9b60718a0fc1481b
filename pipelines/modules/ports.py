"""Whether what feeds an input of a module is of the type that its port has. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipelines.data_values import read_dataset
from pipelines.definition import (
    Binding,
    DatasetBinding,
    ModelBinding,
    Output,
    OutputBinding,
    Parameter,
    ParameterBinding,
    ParameterValue,
)
from pipelines.modules.definition import ModuleInput
from pipelines.parameters import value_problem


@dataclass(frozen=True, slots=True)
class Around:
    """What a port can be fed from."""

    outputs: Mapping[tuple[str, str], Output]  # by step and name
    parameters: Mapping[str, Parameter]
    values: Mapping[str, ParameterValue]
    is_table: Callable[[DatasetBinding], bool | None]  # None where there is no such dataset


def port_problem(port: ModuleInput, binding: Binding | None, around: Around) -> str | None:
    """A sentence where it is not. What isn't there, or isn't known yet, is no problem of the port."""
    if port.type == "any" or binding is None:
        return None
    match binding:
        case OutputBinding(step=step, output=name):
            output = around.outputs.get((step, name))
            return _of_output(port, output, f"“{step}.{name}”") if output else None
        case ParameterBinding(parameter=name):
            return _of_parameter(port, name, around)
        case ModelBinding():
            sentence = f"“{port.name}” wants a table, and model “{binding.name}” is files. Choose a dataset."
            return sentence if port.type == "table" else None
        case _:
            return _of_dataset(port, binding, around)


def _of_output(port: ModuleInput, output: Output, words: str) -> str | None:
    wants = f"“{port.name}” wants {port.type_words}"
    if port.type == "table":
        return f"{wants}, and {words} is files that a step writes. Choose a dataset that is a table."
    if port.type == "file" and output.file is None:
        return f"{wants}, and {words} is a folder. Name the file in that output, or choose another."
    if port.type == "folder" and output.file is not None:
        return f"{wants}, and {words} is one file. Choose another output."
    return None


def _of_parameter(port: ModuleInput, name: str, around: Around) -> str | None:
    parameter = around.parameters.get(name)
    value = around.values.get(name)
    if parameter is None:
        return None
    if parameter.type == "data_path":
        sentence = f"“{port.name}” wants a table, and parameter “{name}” stands for files. Choose a dataset."
        return sentence if port.type == "table" else None
    if parameter.type != "dataset" or value is None or value_problem(parameter, value):
        return None
    return _of_dataset(port, read_dataset(str(value)), around)


def _of_dataset(port: ModuleInput, binding: DatasetBinding, around: Around) -> str | None:
    is_table = around.is_table(binding)
    if is_table is None or is_table == (port.type == "table"):
        return None
    is_one = "a table" if is_table else "files"
    return f"“{port.name}” wants {port.type_words}, and dataset “{binding.dataset}” is {is_one}. Choose another one."
