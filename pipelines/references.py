"""Settings of a step that a parameter feeds: `${{parameters.NAME}}` in the place of a value. Pure.

A step in memory keeps the types of its settings: what feeds them stands beside, by the setting's path.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.parts import ParameterType
from pipelines.placeholders import PLACEHOLDER, Placeholder

FED = "fed"  # the key by which a kind says of a field of its own, in `json_schema_extra`, what can feed it
_TEXTS: tuple[ParameterType, ...] = ("string", "enum")
_WHOLE: tuple[ParameterType, ...] = ("integer",)
_NUMBERS: tuple[ParameterType, ...] = ("integer", "number")
_SIZES: tuple[ParameterType, ...] = (*_TEXTS, *_WHOLE)
TYPES_FED: Mapping[str, tuple[ParameterType, ...]] = {
    "text": _TEXTS,
    "whole": _WHOLE,
    "number": _NUMBERS,
    "size": _SIZES,
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One that a parameter can feed."""

    words: str  # what it is called
    types: tuple[ParameterType, ...]  # of the parameters that can feed it

    @property
    def wants(self) -> str:
        wants = {_TEXTS: "a text or a choice", _WHOLE: "a whole number", _SIZES: "a whole number or a text"}
        return wants.get(self.types, "a number")


SETTINGS: Mapping[str, Setting] = {
    "environment": Setting("environment", _TEXTS),
    "compute": Setting("compute target", _TEXTS),
    "timeout_s": Setting("time limit", _NUMBERS),
    "retry.max_attempts": Setting("number of attempts", _WHOLE),
    "retry.exit_codes": Setting("exit codes", _TEXTS),
    "retry.backoff_s": Setting("wait between attempts", _NUMBERS),
    "retry.backoff_factor": Setting("growth of the wait", _NUMBERS),
    "retry.max_backoff_s": Setting("longest wait", _NUMBERS),
    "retry.max_node_losses": Setting("number of lost nodes", _WHOLE),
    "limits.memory_bytes": Setting("memory limit in bytes", _WHOLE),
    "limits.cpus": Setting("CPU limit", _NUMBERS),
    "limits.output_bytes": Setting("output limit in bytes", _WHOLE),
    "limits.log_bytes": Setting("log limit in bytes", _WHOLE),
    "resources.cpus": Setting("CPUs", _NUMBERS),
    "resources.memory_bytes": Setting("memory in bytes", _WHOLE),
    "resources.gpus": Setting("GPUs", _WHOLE),
}


def without_references(
    data: Mapping[str, Any], settings: Mapping[str, Setting] = SETTINGS
) -> tuple[dict[str, Any], dict[str, str]]:
    """A step's plain object without the settings that parameters feed, and the parameters by path."""
    plain = dict(data)
    references: dict[str, str] = {}
    if not _may_be_fed(plain, settings):  # as nearly all are
        return plain, references
    for path in settings:
        group, _, name = path.rpartition(".")
        holder = plain.get(group) if group else plain
        parameter = parameter_in(holder.get(name)) if isinstance(holder, dict) else None
        if parameter is None or not isinstance(holder, dict):
            continue
        references[path] = parameter
        less = {key: value for key, value in holder.items() if key != name}
        plain = {**plain, group: less} if group else less
    return plain, references


_GROUPS = tuple({path.rpartition(".")[0]: None for path in SETTINGS})


def _may_be_fed(data: Mapping[str, Any], settings: Mapping[str, Setting]) -> bool:
    groups = (data.get(group) for group in _GROUPS if group)
    values = [data.get(name) for name in settings if "." not in name]
    values += (value for group in groups if isinstance(group, dict) for value in group.values())
    return any(isinstance(value, str) and "${{" in value for value in values)


def with_references(data: dict[str, Any], references: Mapping[str, str]) -> dict[str, Any]:
    """A step's plain object, or a part of it, with what feeds its settings in their place."""
    if not references:
        return data
    plain = dict(data)
    for path, parameter in references.items():
        group, _, name = path.rpartition(".")
        text = str(Placeholder("parameters", parameter))
        if group and group in plain:
            plain[group] = {**plain[group], name: text}
        elif not group and name in plain:
            plain[name] = text
    return plain


def value_at(data: Mapping[str, Any], path: str) -> Any:
    """What a step's plain object has as a setting that can be fed."""
    group, _, name = path.rpartition(".")
    return (data[group] if group else data)[name]


def still_fed(references: Mapping[str, str], was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """Of what fed a step's settings when its plain object `was`, what does not differ in the one of `now`."""
    return {path: name for path, name in references.items() if value_at(was, path) == value_at(now, path)}


def parameter_in(value: Any) -> str | None:
    """The name of the parameter that a setting is fed by; None where it is a value of its own."""
    match = PLACEHOLDER.fullmatch(value.strip()) if isinstance(value, str) else None
    return match["name"] if match and match["scope"] == "parameters" else None
