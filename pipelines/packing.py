"""A run's state in short: what most steps have in common stands once. `static/src/run/packed.js` agrees."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

_SELDOM: Mapping[str, Any] = {"log_tail": [], "pin": None}  # of few steps, and no value to count


def packed(state: Mapping[str, Any]) -> dict[str, Any]:
    """Steps have only what is not `usual`, and no position: they come in order. Edges are
    `[place of the one step, output, place of the other, input]`, and the label where there is one.
    """
    steps = state["steps"]
    counted = [name for name in (steps[0] if steps else ()) if name not in {"name", "position", *_SELDOM}]
    usual = {name: Counter(step[name] for step in steps).most_common(1)[0][0] for name in counted}
    usual |= _SELDOM
    places = {step["name"]: place for place, step in enumerate(steps)}
    return {
        **state,
        "usual": usual,
        "steps": [
            {"name": step["name"], **{name: step[name] for name, value in usual.items() if step[name] != value}}
            for step in steps
        ],
        "edges": [
            [places[edge["from"]], edge["output"], places[edge["to"]], edge["input"], *_label(edge)]
            for edge in state["edges"]
        ],
    }


def _label(edge: Mapping[str, str]) -> list[str]:
    return [edge["label"]] if "label" in edge else []
