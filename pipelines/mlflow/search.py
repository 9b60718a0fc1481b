"""Searching runs, in the database: each comparison is a condition, each order an expression."""

import math
import re
from typing import Any

from django.db.models import (
    Case,
    CharField,
    Exists,
    F,
    FloatField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce
from pydantic import Field

from compute.models import Metric
from pipelines.mlflow.caller import Caller
from pipelines.mlflow.experiments import DEFAULT_ID, default_experiment
from pipelines.mlflow.failures import unfit
from pipelines.mlflow.filters import (
    Comparison,
    Order,
    UnfitFilterError,
    like_as_regex,
    parse_filter,
    parse_orders,
)
from pipelines.mlflow.found_runs import STATUSES, key_of, runs_json, steps_in
from pipelines.mlflow.moments import moment_condition
from pipelines.mlflow.pages import start_of, token_at
from pipelines.mlflow.protocol import Asked
from pipelines.mlflow.texts import text_condition
from pipelines.models import StepRun, Tag
from pipelines.services.tracking import RUN_NAME

MAX_RESULTS = 50_000
_PAGE = 1000  # runs of one answer, whatever was asked for: the token leads on
_MAX_EXPERIMENTS = 1000
_TEXTS = {"run_name": "run_name", "run name": "run_name", "user_id": "run__submitted_by__username"}
_TIMES = {"start_time": "started_at", "created": "started_at", "end_time": "finished_at"}
_COMPARED = {"=": "exact", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
# What is not finite is kept as a text, which no database compares as a number.
_INFINITE: dict[str, tuple[str, ...]] = {">": ("inf",), ">=": ("inf",), "<": ("-inf",), "<=": ("-inf",)}

Rows = QuerySet[StepRun]


class Search(Asked):
    experiment_ids: list[str] = Field(default_factory=list)
    filter: str = ""
    run_view_type: str = "ACTIVE_ONLY"
    max_results: int = 1000
    order_by: list[str] = Field(default_factory=list)
    page_token: str = ""


def search(caller: Caller, asked: Search) -> dict[str, Any]:
    if not 0 < asked.max_results <= MAX_RESULTS:
        raise unfit(f"max_results must be between 1 and {MAX_RESULTS:,}.")
    if len(asked.experiment_ids) > _MAX_EXPERIMENTS:
        raise unfit(f"Search at most {_MAX_EXPERIMENTS:,} experiments at once.")
    count = min(asked.max_results, _PAGE)
    question = ["runs", caller.workspace.pk, asked.experiment_ids, asked.filter, asked.run_view_type, asked.order_by]
    start = start_of(asked.page_token, question)
    try:
        comparisons, orders = parse_filter(asked.filter), parse_orders(asked.order_by)
    except UnfitFilterError as error:
        raise unfit(str(error)) from error
    rows = _viewed(steps_in(caller.workspace), asked.run_view_type)
    rows = rows.filter(run__experiment__in=_experiments(caller, asked.experiment_ids))
    rows = rows.annotate(run_name=Coalesce(_label(RUN_NAME, is_property=False), F("name")))
    for comparison in comparisons:
        rows = rows.filter(_condition(comparison))
    found = list(_sorted(rows, orders)[start : start + count + 1])
    answer: dict[str, Any] = {"runs": runs_json(found[:count])}
    if len(found) > count:
        answer["next_page_token"] = token_at(start + count, question)
    return answer


def _experiments(caller: Caller, experiment_ids: list[str]) -> list[int]:
    """Those that are numbers; one that isn't there has no runs."""
    keys = []
    for each in experiment_ids:
        if each == DEFAULT_ID:
            keys.append(default_experiment(caller.workspace).pk)
        elif each.isascii() and each.isdecimal() and len(each) <= 18:
            keys.append(int(each))
        else:
            raise unfit(f"“{each[:50]}” is no number of an experiment.")
    return keys


def _viewed(rows: Rows, view_type: str) -> Rows:
    match view_type:
        case "ACTIVE_ONLY":
            return rows.filter(run__trashed_at=None)
        case "DELETED_ONLY":
            return rows.filter(run__trashed_at__isnull=False)
        case "ALL":
            return rows
    raise unfit("run_view_type must be ACTIVE_ONLY, DELETED_ONLY or ALL.")


def _condition(asked: Comparison) -> Any:
    match asked.entity:
        case "metric":
            return _by_metric(asked)
        case "parameter":
            return _by_label(asked, is_property=True)
        case "tag":
            return (
                Q(text_condition("run_name", asked)) if asked.key == RUN_NAME else _by_label(asked, is_property=False)
            )
    return _by_attribute(asked)


def _by_metric(asked: Comparison) -> Q | Exists:
    value = asked.value
    assert isinstance(value, float), "the parser takes nothing else"
    rows = _metrics(asked.key)
    if math.isnan(value):
        raise unfit(f"Nothing compares with what is no number. Compare “{asked.key}” with another one.")
    if math.isinf(value):
        text = repr(value)
        match asked.operator:
            case "=":
                return Exists(rows.filter(last=text))
            case "!=":
                return Exists(rows.exclude(last=text))
        raise unfit(f"Compare “{asked.key}” with what is infinite by = or != alone.")
    if asked.operator == "!=":
        return Exists(rows.exclude(as_number=value) | rows.filter(as_number=None))
    compared = Q(**{f"as_number__{_COMPARED[asked.operator]}": value})
    return Exists(rows.filter(compared | Q(last__in=_INFINITE.get(asked.operator, ()))))


def _metrics(name: str) -> "QuerySet[Any, Any]":
    """The series of this name of each step, with its last value as a number where it is finite."""
    rows = Metric.objects.filter(
        attempt__job=OuterRef("their_job"), attempt__number=OuterRef("their_attempt"), name=name, kind="scalar"
    )
    finite = Q(kind="scalar") & ~Q(last__in=["", "inf", "-inf", "nan"])
    # A case, and no filter: a database is free to cast before it filters, and not every text is a number.
    return rows.annotate(as_number=Case(When(finite, then=Cast("last", FloatField())), output_field=FloatField()))


def _by_label(asked: Comparison, *, is_property: bool) -> Any:
    rows = _labels(asked.key, is_property=is_property)
    if asked.operator == "IS NULL":
        return ~Exists(rows)
    if asked.operator == "IS NOT NULL":
        return Exists(rows)
    return Exists(rows.filter(text_condition("value", asked)))


def _by_attribute(asked: Comparison) -> Q:
    key = asked.key.lower()
    if key in _TIMES:
        return moment_condition(_TIMES[key], asked)
    if key in {"run_id", "run_uuid"}:
        return _by_keys(asked)
    if key == "status":
        return _by_status(asked)
    if key in _TEXTS:
        return text_condition(_TEXTS[key], asked)
    known = ", ".join(sorted({"run_id", "status", "run_name", "user_id", "start_time", "end_time"}))
    raise unfit(f"Runs can't be searched by the attribute “{asked.key[:80]}”. They can be by {known}.")


def _by_keys(asked: Comparison) -> Q:
    match asked.operator, asked.value:
        case "=", str(value):
            return Q(pk=key_of(value))
        case "!=", str(value):
            return ~Q(pk=key_of(value))
        case "IN", tuple(values):
            return Q(pk__in=[key_of(each) for each in values])
        case "NOT IN", tuple(values):
            return ~Q(pk__in=[key_of(each) for each in values])
    raise unfit("Compare run_id by =, !=, IN or NOT IN with texts.")


def _by_status(asked: Comparison) -> Q:
    value = asked.value
    match asked.operator, value:
        case (("=" | "!="), str()):
            named = {value.upper()}
        case (("IN" | "NOT IN"), tuple()):
            named = {each.upper() for each in value}
        case (("LIKE" | "ILIKE"), str()):
            flags = re.IGNORECASE if asked.operator == "ILIKE" else 0
            named = {each for each in STATUSES.values() if re.match(like_as_regex(value), each, flags)}
        case _:
            raise unfit(f"Compare status with a text: it can't be {asked.operator} that.")
    chosen = Q(status__in=[own for own, theirs in STATUSES.items() if theirs in named])
    return ~chosen if asked.operator in {"!=", "NOT IN"} else chosen


def _labels(name: str, *, is_property: bool) -> "QuerySet[Tag]":
    """Params are also those of the step whose result was taken."""
    whose = Q(step_run=OuterRef("pk"))
    if is_property:
        whose |= Q(step_run=OuterRef("reused_from"))
    return Tag.objects.filter(whose, is_property=is_property, name=name)


def _label(name: str, *, is_property: bool) -> Subquery:
    rows = _labels(name, is_property=is_property)
    return Subquery(rows.values("value")[:1], output_field=CharField())


def _sorted(rows: Rows, orders: list[Order]) -> Rows:
    """What has no such thing comes last, and of equals the latest first."""
    by: list[Any] = []
    for number, order in enumerate(orders):
        if order.entity == "metric":
            rows, keys = _with_metric(rows, order.key, number)
        else:
            rows, keys = _with_text(rows, order, number)
        by += [F(key).desc(nulls_last=True) if order.descending else F(key).asc(nulls_last=True) for key in keys]
    return rows.order_by(*by, F("started_at").desc(nulls_last=True), "-pk")


def _with_metric(rows: Rows, name: str, number: int) -> tuple[Rows, list[str]]:
    """By two columns: below and above what is finite, and what is."""
    side, value = f"order_{number}_side", f"order_{number}"
    found = _metrics(name)
    sides = found.annotate(
        side=Case(
            When(last="-inf", then=Value(-1.0)),
            When(last="inf", then=Value(1.0)),
            When(as_number=None, then=None),
            default=Value(0.0),
            output_field=FloatField(),
        )
    )
    rows = rows.annotate(**{side: Subquery(sides.values("side")[:1]), value: Subquery(found.values("as_number")[:1])})
    return rows, [side, value]


def _with_text(rows: Rows, order: Order, number: int) -> tuple[Rows, list[str]]:
    key = order.key.lower()
    if order.entity == "attribute":
        columns = {
            **_TIMES,
            **_TEXTS,
            "status": "status",
            "run_id": "pk",
            "artifact_uri": "pk",
            "experiment_id": "run__experiment_id",
        }
        if key not in columns:
            raise unfit(f"Runs can't be sorted by the attribute “{order.key[:80]}”.")
        return rows, [columns[key]]
    if order.entity == "tag" and order.key == RUN_NAME:
        return rows, ["run_name"]
    name = f"order_{number}"
    return rows.annotate(**{name: _label(order.key, is_property=order.entity == "parameter")}), [name]
