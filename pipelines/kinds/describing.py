"""A kind of step as the builder needs it: its words, its own fields with their widgets, what a new one begins with."""

from dataclasses import asdict
from typing import Any

from pipelines.kinds.interface import StepBase, kind_name, own_fields

_WIDGETS = {"string": "text", "integer": "number", "number": "number", "boolean": "check"}


def described(kind: type[StepBase]) -> dict[str, Any]:
    """As in the catalogue of the builder's page."""
    properties = kind.model_json_schema()["properties"]
    return {
        "name": kind_name(kind),
        "label": kind.label,
        "icon": kind.icon,
        "summary": kind.summary,
        "card_field": kind.card_field,
        "fields": [_field(name, properties[name]) for name in own_fields(kind)],
        "example": asdict(kind.example(reads=False)),
        "example_that_reads": asdict(kind.example(reads=True)),
    }


def _field(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "label": schema.get("title", name),
        "help": schema.get("description", ""),
        "widget": schema.get("widget") or _WIDGETS.get(schema.get("type", ""), "text"),
        "default": schema.get("default"),
    }
