"""The form of what is done to a table's rows: steps in their order, each with its own few fields.

A step's fields are `step-N-kind`, `step-N-columns` and so on; buttons send `do`, as in `add:filter` or `remove:2`.
"""

from collections.abc import Sequence
from typing import Any

from django.http import QueryDict
from pydantic import TypeAdapter, ValidationError

from datastores.definition_words import OPERATORS
from datastores.sources import Column, Transformation
from datastores.tabular.transformations import checked
from studio.lib.problems import Problem, UserError

MAX_STEPS = 30
MAX_CONDITIONS = 30

KINDS: dict[str, tuple[str, str]] = {  # what a step is called, and its icon
    "keep_columns": ("Keep columns", "check"),
    "drop_columns": ("Drop columns", "x"),
    "filter": ("Filter rows", "filter"),
    "take": ("Take the first rows", "list"),
    "sample": ("Random sample", "adjustments"),
    "split": ("Random split", "git-branch"),
    "time": ("Time range", "clock"),
    "partition_by": ("Partition by", "folder"),
}
TIME_MODES = {
    "after": "from",
    "before": "before",
    "between": "between",
    "recent": "in the last",
}
UNIT_LENGTHS = {"minutes": 60, "hours": 3600, "days": 86400, "weeks": 604800}
BOTH = "both"

_STEP: TypeAdapter[Transformation] = TypeAdapter(Transformation)
_NEW: dict[str, dict[str, Any]] = {
    "keep_columns": {"columns": []},
    "drop_columns": {"columns": []},
    "filter": {"match": "all", "conditions": [{"column": "", "operator": "=", "value": ""}]},
    "take": {"count": "1000"},
    "sample": {"percent": "10", "seed": "0"},
    "split": {"percent": "80", "part": BOTH, "seed": "0"},
    "time": {"column": "", "mode": "after", "after": "", "before": "", "amount": "7", "unit": "days"},
    "partition_by": {"columns": []},
}


class DeriveForm:
    """The steps as they were typed, and what is wrong at each."""

    def __init__(self, steps: Sequence[dict[str, Any]]) -> None:
        self.steps = list(steps)
        self.problems: list[Problem] = []

    @classmethod
    def from_query(cls, query: QueryDict) -> "DeriveForm":
        steps = []
        for number in range(MAX_STEPS):
            kind = query.get(f"step-{number}-kind", "")
            if kind in KINDS:
                steps.append(_read(query, f"step-{number}-", kind))
        return cls(steps)

    def do(self, wish: str) -> None:
        """What a button asked for: `add:KIND`, `remove:N`, `up:N`, `down:N`, `more:N`, `less:N:M`."""
        verb, _, rest = wish.partition(":")
        if verb == "add" and rest in KINDS and len(self.steps) < MAX_STEPS:
            fields = {name: list(value) if isinstance(value, list) else value for name, value in _NEW[rest].items()}
            self.steps.append({"kind": rest, **fields})
            return
        numbers = [int(part) for part in rest.split(":") if part.isdecimal() and len(part) < 4]
        if not numbers or numbers[0] >= len(self.steps):
            return
        at = numbers[0]
        other = {"up": at - 1, "down": at + 1}.get(verb, -1)
        if verb == "remove":
            del self.steps[at]
        elif 0 <= other < len(self.steps):
            self.steps[at], self.steps[other] = self.steps[other], self.steps[at]
        elif verb in {"more", "less"} and self.steps[at]["kind"] == "filter":
            conditions = self.steps[at]["conditions"]
            if verb == "more" and len(conditions) < MAX_CONDITIONS:
                conditions.append({"column": "", "operator": "=", "value": ""})
            elif verb == "less" and numbers[1:] and numbers[1] < len(conditions) > 1:
                del conditions[numbers[1]]

    @property
    def splits_both(self) -> bool:
        return any(step["kind"] == "split" and step["part"] == BOTH for step in self.steps)

    def transformations(self, *, second: bool = False) -> list[Transformation]:
        """What was typed; of a split into both parts the first one, or the `second`.

        Raises UserError at `("transformations", i, FIELD)`.
        """
        made: list[Transformation] = []
        problems: list[Problem] = []
        for number, step in enumerate(self.steps):
            try:
                made.append(_made(step, second=second))
            except ValidationError as error:
                problems += [_problem(number, found) for found in error.errors()]
            except UserError as error:
                problems += [Problem(("transformations", number, *each.loc), each.message) for each in error.problems]
        if sum(step["kind"] == "split" and step["part"] == BOTH for step in self.steps) > 1:
            problems.append(Problem(("transformations",), "Only one split can keep both parts."))
        if problems:
            raise UserError(problems)
        return made

    def show(self, problems: Sequence[Problem]) -> None:
        self.problems += problems

    def context(self, columns: Sequence[Column]) -> dict[str, Any]:
        """For the template: each step with the columns that it finds, and what is wrong with it."""
        shown = []
        left = list(columns)
        for number, step in enumerate(self.steps):
            label, icon = KINDS[step["kind"]]
            found = [problem.message for problem in self.problems if problem.loc[:2] == ("transformations", number)]
            shown.append({**step, "number": number, "label": label, "icon": icon, "found": left, "problems": found})
            left = _after(step, left)
        return {
            "steps": shown,
            "kinds": [(kind, label, icon) for kind, (label, icon) in KINDS.items()],
            "operators": OPERATORS,
            "time_modes": TIME_MODES,
            "units": list(UNIT_LENGTHS),
            "general": [problem.message for problem in self.problems if problem.loc[:1] != ("transformations",)]
            + [problem.message for problem in self.problems if problem.loc == ("transformations",)],
            "splits_both": self.splits_both,
            "can_add": len(self.steps) < MAX_STEPS,
        }


def _read(query: QueryDict, prefix: str, kind: str) -> dict[str, Any]:
    def text(name: str) -> str:
        return query.get(f"{prefix}{name}", "")

    if kind in {"keep_columns", "drop_columns", "partition_by"}:
        return {"kind": kind, "columns": query.getlist(f"{prefix}columns")}
    if kind != "filter":
        return {"kind": kind, **{name: text(name) for name in _NEW[kind]}}
    parts = (query.getlist(f"{prefix}{name}") for name in ("column", "operator", "value"))
    conditions = [
        {"column": column, "operator": operator, "value": value}
        for column, operator, value in zip(*parts, strict=False)
    ][:MAX_CONDITIONS]
    return {"kind": kind, "match": text("match"), "conditions": conditions}


def _made(step: dict[str, Any], *, second: bool) -> Transformation:
    """Raises UserError at FIELD, or pydantic's ValidationError."""
    kind = step["kind"]
    match kind:
        case "partition_by":
            fields: dict[str, Any] = {"keys": step["columns"]}
        case "filter":
            fields = {"match": step["match"], "conditions": [_condition(each) for each in step["conditions"]]}
        case "take":
            fields = {"count": step["count"].replace(",", "").strip()}
        case "sample":
            fields = {"fraction": _fraction(step["percent"]), "seed": step["seed"] or 0}
        case "split":
            part = step["part"] if step["part"] != BOTH else "second" if second else "first"
            fields = {"fraction": _fraction(step["percent"]), "part": part, "seed": step["seed"] or 0}
        case "time":
            fields = _time(step)
        case _:
            fields = {"columns": step["columns"]}
    return _STEP.validate_python({"kind": kind, **fields})


def _condition(typed: dict[str, str]) -> dict[str, Any]:
    if typed["operator"] in {"is_missing", "is_present"}:
        return {"column": typed["column"], "operator": typed["operator"]}
    if typed["operator"] == "in":
        values = [part.strip() for part in typed["value"].split(",") if part.strip()]
        return {"column": typed["column"], "operator": "in", "values": values}
    return typed


def _time(step: dict[str, Any]) -> dict[str, Any]:
    mode = step["mode"]
    fields: dict[str, Any] = {"column": step["column"]}
    if mode == "recent":
        try:
            fields["recent_s"] = float(step["amount"]) * UNIT_LENGTHS.get(step["unit"], 0)
        except ValueError as error:
            raise UserError("Say how long, as a number.", loc=("recent_s",)) from error
        return fields
    for name in ("after", "before"):
        if mode not in {name, "between"}:
            continue
        if not step[name]:
            raise UserError("Choose a day and a time.", loc=(name,))
        fields[name] = step[name]
    return fields


def _fraction(percent: str) -> float:
    try:
        return round(float(percent.replace("%", "").strip()) / 100, 8)
    except ValueError as error:
        raise UserError("Give a number of percent, as in 20.", loc=("fraction",)) from error


def _after(step: dict[str, Any], columns: list[Column]) -> list[Column]:
    """The columns that a step leaves; all of them while it is not finished."""
    try:
        return checked([_made(step, second=False)], columns)
    except (UserError, ValidationError):
        return columns


_SENTENCES = {
    "int_parsing": "Give a whole number.",
    "int_from_float": "Give a whole number.",
    "datetime_from_date_parsing": "Give a day and a time, as in 2026-01-31 12:00.",
    "datetime_parsing": "Give a day and a time, as in 2026-01-31 12:00.",
    "literal_error": "Choose one from the list.",
    "union_tag_invalid": "Choose one from the list.",
}


def _problem(number: int, found: Any) -> Problem:
    fields = [part for part in found["loc"][1:] if part not in KINDS]
    message = _SENTENCES.get(found["type"], f"{found['msg'].rstrip('.')}.")
    return Problem(("transformations", number, *fields), message)


def part_names(base: str) -> tuple[str, str]:
    """What the parts of a split are called unless somebody says otherwise."""
    return f"{base[:94]}-train", f"{base[:94]}-test"
