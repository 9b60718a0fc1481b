"""What differs between two steps as they were frozen: where they stand in the graph, and their settings. Pure.

What makes a step's result is told by its ingredients, as long as both runs came to it; of a step that one of them never
reached, or that has no job, the document says what it can.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter

from pipelines.definition import Step
from pipelines.fingerprints import Difference, in_order
from pipelines.parts import Binding, ModelBinding, OutputBinding, ParameterBinding

_STEP: TypeAdapter[Step] = TypeAdapter(Step)
# They change where and how a step runs, and not what it comes to.
_SETTINGS = ("compute", "timeout_s", "allow_reuse", "retry", "limits", "resources")
_SHOWN = 300  # characters of a value


@dataclass(frozen=True, slots=True)
class Row:
    """Something that both sides may have, in words; None where a side has it not."""

    label: str
    before: str | None
    after: str | None

    @property
    def differs(self) -> bool:
        return self.before != self.after

    def as_json(self) -> dict[str, str | None]:
        return {"what": self.label, "left": self.before, "right": self.after}


@dataclass(frozen=True, slots=True)
class Documents:
    """What differs between two documents."""

    graph: list[Row]
    settings: list[Row]
    git: list[Row]  # where its files come from, said whether it differs or not: it changes nothing by itself
    ingredients: list[Difference]  # as far as they can be told without digests


SAME = Documents([], [], [], [])


def parsed(document: Mapping[str, Any]) -> Step:
    """A stored step, whatever version of the studio stored it."""
    step: Step = _STEP.validate_python(document)
    return step


def document_differences(before: Step, after: Step) -> Documents:
    return Documents(
        graph=_rows(_places(before), _places(after)),
        settings=_rows(_settings(before), _settings(after)),
        git=_origins(before, after),
        ingredients=in_order(_different(_ingredients(before), _ingredients(after))),
    )


def _rows(before: Mapping[str, str], after: Mapping[str, str]) -> list[Row]:
    return [Row(label, before.get(label), after.get(label)) for label in _different(before, after)]


def _origins(before: Step, after: Step) -> list[Row]:
    old, new = _origin(before), _origin(after)
    return [Row(label, old.get(label), new.get(label)) for label in dict.fromkeys([*new, *old])]


def _origin(step: Step) -> dict[str, str]:
    git = step.git
    if git is None:
        return {}
    since = "; edited in the studio since" if step.was_edited_here else ""
    found = {"Repository": git.repository, "Branch": git.branch, "Commit": f"{git.commit_words}{since}"}
    return {label: text for label, text in found.items() if text}


def _different(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The names whose values differ, or that one side lacks, in the order of the later side."""
    names = [*after, *(name for name in before if name not in after)]
    return [name for name in names if before.get(name) != after.get(name)]


def _places(step: Step) -> dict[str, str]:
    """What it waits for, by what says so."""
    found = {"Kind": step.label}
    for given in step.inputs:
        if isinstance(given.binding, OutputBinding):
            found[f"Input “{given.name}”"] = f"output “{given.binding.output}” of “{given.binding.step}”"
    if step.run_after:
        found["Runs after"] = ", ".join(sorted(step.run_after))
    if step.only_if is not None:
        found["Runs only if"] = f"“{step.only_if.step}” is {'true' if step.only_if.answer else 'false'}"
    return found


def _settings(step: Step) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _SETTINGS:
        value = getattr(step, name)
        if isinstance(value, BaseModel):
            for part, inner in value:
                found[f"{_label(name)}: {_label(part).lower()}"] = _written(inner)
        else:
            found[_label(name)] = _written(value)
    if not step.has_job:  # nothing of it is an argument of a program
        found |= {_label(name): _written(value) for name, value in step.settings().items()}
    return {label: text for label, text in found.items() if text}


def _ingredients(step: Step) -> dict[str, Any]:
    found: dict[str, Any] = {
        "code": [step.kind, step.source, step.script],
        "arguments": {name: value for name, value in step.settings().items() if name != step.script_field},
        "environment": step.environment,
        "outputs": [each.model_dump(exclude={"register_as"}) for each in step.outputs],
    }
    if not step.has_job:
        found = {"code": step.kind}
    found |= {f"variable {each.name}": each.value for each in step.environment_variables}
    found |= {f"input {each.name}": _data(each.binding) for each in step.inputs}
    return found


def _data(binding: Binding | None) -> Any:
    """Where data comes from, unless it is another step: that is part of the graph."""
    if binding is None or isinstance(binding, OutputBinding):
        return "step" if binding else None
    if isinstance(binding, ParameterBinding):
        return f"parameter {binding.parameter}"
    return binding.name if isinstance(binding, ModelBinding) else [binding.dataset, binding.version]


def _label(name: str) -> str:
    words = name.removesuffix("_s").removesuffix("_bytes").replace("_", " ")
    unit = " (seconds)" if name.endswith("_s") else " (bytes)" if name.endswith("_bytes") else ""
    return f"{words.capitalize()}{unit}"


def _written(value: Any) -> str:
    """As a person would write it; empty for what is not set."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
