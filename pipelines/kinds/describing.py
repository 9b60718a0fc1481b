"""A kind of step as the builder needs it: its words, its own fields with their widgets, what a new one begins with."""

from dataclasses import asdict
from typing import Any

from pipelines.kinds.interface import StepBase, kind_name, own_fields
from pipelines.references import FED

_WIDGETS = {"string": "text", "integer": "number", "number": "number", "boolean": "check"}


def described(kind: type[StepBase]) -> dict[str, Any]:
    """As in the catalogue of the builder's page."""
    return {
        "name": kind_name(kind),
        "label": kind.label,
        "icon": kind.icon,
        "summary": kind.summary,
        "card_field": kind.card_field,
        "is_work": bool(kind.works),
        "takes_inputs": kind.takes_inputs,
        "keeps": [output.name for output in kind.keeps],
        "has_job": kind.has_job,
        "answers": kind.answers,
        "makes_runs": kind.makes_runs,
        "is_module": kind.is_module,
        "fields": fields_of(kind),
        "example": asdict(kind.example(reads=False)),
        "example_that_reads": asdict(kind.example(reads=True)),
    }


def fields_of(kind: type[StepBase]) -> list[dict[str, Any]]:
    """Its own fields, each with how it is edited."""
    properties = kind.model_json_schema()["properties"]
    return [_field(name, properties[name]) for name in own_fields(kind)]


def _field(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "label": schema.get("title", name),
        "help": schema.get("description", ""),
        "fed": schema.get(FED, ""),
        "widget": schema.get("widget")
        or ("choice" if "choices" in schema else "")
        or _WIDGETS.get(schema.get("type", ""), "text"),
        "default": schema.get("default"),
        "suffix": schema.get("suffix", ""),
        "rows": schema.get("rows", 0),
        "choices": [{"value": value, "label": label} for value, label in schema.get("choices", {}).items()],
    }
