"""The search space, sampling, objective, limits and early termination of a sweep."""

import json
from dataclasses import dataclass, field
from typing import Any

from pipelines.yaml.azure.building import type_of
from pipelines.yaml.azure.fields import Fields
from pipelines.yaml.azure.reading import Reading
from pipelines.yaml.located import Located, Spot

_UNIFORM = ("uniform", "loguniform")
_STEPPED = ("quniform", "qloguniform")
_BELL = ("normal", "lognormal")
_STEPPED_BELL = ("qnormal", "qlognormal")
_ALL = ("choice", "randint", *_UNIFORM, *_STEPPED, *_BELL, *_STEPPED_BELL)


@dataclass
class Search:
    settings: dict[str, Any] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)  # by name, of a parameter that holds such values
    spots: dict[str, Spot] = field(default_factory=dict)
    places: dict[str, Spot] = field(default_factory=dict)


def read_search(reading: Reading, fields: Fields) -> Search:
    """Everything of a sweep but what its trials run."""
    search = Search()
    rows = []
    for name, spot, located in fields.objects("search_space"):
        found = _expression(reading, name, spot, located)
        search.spots[name] = spot
        if found is not None:
            expression, search.types[name] = found
            rows.append({"name": name, "value": expression})
    search.places["search_space"] = fields.spot_of("search_space")
    search.settings["search_space"] = rows
    _sampling(reading, fields, search)
    objective = fields.fields("objective")
    search.settings["primary_metric"] = objective.text("primary_metric")
    search.settings["goal"] = objective.one_of("goal", ("maximize", "minimize"), "maximize")
    search.places["primary_metric"] = objective.spot_of("primary_metric")
    objective.done()
    _limits(reading, fields, search)
    _termination(fields, search)
    return search


def _expression(reading: Reading, name: str, spot: Spot, located: Located) -> tuple[str, str] | None:
    fields = reading.fields(located)
    kind = fields.text("type").strip().lower()
    if kind not in _ALL:
        fields.problem("type", f"“{name}” needs a type of these: {', '.join(_ALL)}.")
        return None
    if kind == "choice":
        values = fields.take("values")
        fields.done()
        plain = values.plain() if values is not None else None
        if (
            not isinstance(plain, list)
            or not plain
            or any(isinstance(each, (dict, list)) or each is None for each in plain)
        ):
            reading.say(spot, f"“values” of “{name}” must be a list of texts and numbers.")
            return None
        types = {type_of(each) for each in plain}
        type_ = types.pop() if len(types) == 1 else "number" if types <= {"integer", "number"} else "string"
        return f"choice({', '.join(_literal(each) for each in plain)})", type_
    if kind == "randint":
        wanted = ["upper"]
    elif kind in (*_UNIFORM, *_STEPPED):
        wanted = ["min_value", "max_value", *(["q"] if kind in _STEPPED else [])]
    else:
        wanted = ["mu", "sigma", *(["q"] if kind in _STEPPED_BELL else [])]
    numbers = [fields.number(each) for each in wanted]
    fields.done()
    if any(number is None for number in numbers):
        reading.say(spot, f"“{kind}” needs {' and '.join(wanted)}.")
        return None
    return f"{kind}({', '.join(map(repr, numbers))})", "integer" if kind == "randint" else "number"


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool)) else repr(value)


def _sampling(reading: Reading, fields: Fields, search: Search) -> None:
    said = fields.take("sampling_algorithm")
    choices = ("random", "grid", "bayesian")
    if said is not None and isinstance(said.value, dict):
        inner = reading.fields(said)
        search.settings["sampling"] = inner.one_of("type", choices, "random")
        seed = inner.whole("seed")
        if seed is not None:
            search.settings["seed"] = seed
        reading.pass_over(inner, "rule", "logbase")
        inner.done()
    else:
        search.settings["sampling"] = fields.one_of("sampling_algorithm", choices, "random")


def _limits(reading: Reading, fields: Fields, search: Search) -> None:
    limits = fields.fields("limits")
    total, at_once = limits.whole("max_total_trials"), limits.whole("max_concurrent_trials")
    if total is not None:
        search.settings["max_total_runs"] = total
    if at_once is not None:
        search.settings["max_concurrent_runs"] = at_once
    timeout = limits.number("timeout")
    if timeout is not None:
        search.settings["max_duration_minutes"] = timeout / 60
    reading.pass_over(limits, "trial_timeout")
    limits.done()


def _termination(fields: Fields, search: Search) -> None:
    if fields.take("early_termination") is None:
        return
    policy = fields.fields("early_termination")
    kinds = {"bandit": "bandit", "median_stopping": "median", "truncation_selection": "truncation"}
    kind = policy.one_of("type", tuple(kinds), "")
    if kind:
        search.settings["early_termination"] = kinds[kind]
    wholes = ("evaluation_interval", "delay_evaluation")
    numbers = ("slack_factor", "slack_amount", "truncation_percentage")
    for name in (*wholes, *numbers):
        value = policy.whole(name) if name in wholes else policy.number(name)
        if value is not None:
            search.settings[name] = value
    policy.done()
