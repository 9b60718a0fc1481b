"""The language of MLflow's searches: what it means, and where a text is none of it."""

import re

import pytest

from pipelines.mlflow.filters import (
    MAX_COMPARISONS,
    Comparison,
    Order,
    UnfitFilterError,
    compares,
    like_as_regex,
    parse_filter,
    parse_orders,
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", []),
        ("   ", []),
        ("metrics.loss < 0.5", [Comparison("metric", "loss", "<", 0.5)]),
        ("metric.loss>=-1e-3", [Comparison("metric", "loss", ">=", -0.001)]),
        ("metrics.`val loss` = 1", [Comparison("metric", "val loss", "=", 1.0)]),
        ('metrics."val/loss" != .5', [Comparison("metric", "val/loss", "!=", 0.5)]),
        ("params.lr = '0.1'", [Comparison("parameter", "lr", "=", "0.1")]),
        ('parameters.a.b = "it\'s"', [Comparison("parameter", "a.b", "=", "it's")]),
        ("tags.mlflow.runName LIKE '%x%'", [Comparison("tag", "mlflow.runName", "LIKE", "%x%")]),
        ("tag.a ilike 'A_'", [Comparison("tag", "a", "ILIKE", "A_")]),
        ("tags.a = 'it''s AND b'", [Comparison("tag", "a", "=", "it's AND b")]),
        ("params.p IS  NOT   NULL", [Comparison("parameter", "p", "IS NOT NULL")]),
        ("params.p is null", [Comparison("parameter", "p", "IS NULL")]),
        ("status = 'RUNNING'", [Comparison("attribute", "status", "=", "RUNNING")]),
        ("attributes.start_time > 1700000000000", [Comparison("attribute", "start_time", ">", 1.7e12)]),
        ("run_id IN ('a', 'b')", [Comparison("attribute", "run_id", "IN", ("a", "b"))]),
        ("attr.run_id not in ('a')", [Comparison("attribute", "run_id", "NOT IN", ("a",))]),
        (
            "metrics.a > 1 and params.b != 'x' AND tags.c='d'",
            [
                Comparison("metric", "a", ">", 1.0),
                Comparison("parameter", "b", "!=", "x"),
                Comparison("tag", "c", "=", "d"),
            ],
        ),
    ],
)
def test_a_filter_is_read(text: str, meant: list[Comparison]) -> None:
    assert parse_filter(text) == meant


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("metrics.loss < 'a'", "a number, to compare the metric “loss” with"),
        ("metrics.loss <", "At its end"),
        ("metrics.loss 5", "an operator"),
        ("metrics.loss LIKE '5'", "can't be LIKE. It can be !=, <, <=, =, >, >="),
        ("params.lr > '3'", "can't be >"),
        ("params.lr = 3", "a text in quotes"),
        ("params.lr = '3", "a text in quotes"),
        ("params.lr IN '3'", "a list, as in ('a', 'b')"),
        ("params.lr IN ()", "a text in quotes"),
        ("params.lr IN ('a' 'b')", "a comma, or the list's closing parenthesis"),
        ("params.lr IN ('a',", "a text in quotes"),
        ("metrics.a > 1 OR metrics.b > 1", "comparisons are joined by AND alone"),
        ("metrics.a > 1 AND", "what is compared"),
        ("AND metrics.a > 1", "an operator"),
        ("foo.bar = '1'", "nothing called “foo” to search by"),
        ("metrics.a = 1; DROP TABLE x", "AND, or nothing"),
        ("metrics.a = 1 -- x", "AND, or nothing"),
        ("(metrics.a = 1)", "what is compared"),
        ("metrics.a > 1" + " AND metrics.a > 1" * MAX_COMPARISONS, "at most 50 comparisons"),
        ("a" * 10_001, "at most 10,000 characters"),
    ],
)
def test_a_text_that_is_no_filter_is_told_where_it_stops_making_sense(text: str, sentence: str) -> None:
    with pytest.raises(UnfitFilterError) as error:
        parse_filter(text)
    assert sentence in str(error.value)


def test_orders_are_read() -> None:
    texts = ["metrics.loss", "metrics.`val loss` DESC", "params.a asc", "start_time DESC", "attributes.status"]
    assert parse_orders(texts) == [
        Order("metric", "loss"),
        Order("metric", "val loss", descending=True),
        Order("parameter", "a"),
        Order("attribute", "start_time", descending=True),
        Order("attribute", "status"),
    ]
    for unfit in ("", "metrics.a DOWN", "metrics.a DESC, metrics.b", "x.y"):
        with pytest.raises(UnfitFilterError):
            parse_orders([unfit])


def test_like_knows_two_marks_and_no_others() -> None:
    for pattern, text, fits in (
        ("a%", "abc", True),
        ("a%", "bac", False),
        ("%b%", "a\nb\nc", True),
        ("a_c", "abc", True),
        ("a_c", "abbc", False),
        ("a.c", "abc", False),
        ("[ab]*", "[ab]*", True),
        ("[ab]*", "aab", False),
    ):
        assert bool(re.match(like_as_regex(pattern), text)) is fits, (pattern, text)


def test_a_text_that_is_not_there_compares_with_nothing() -> None:
    (is_null,), (is_not_null,) = parse_filter("tags.a IS NULL"), parse_filter("tags.a IS NOT NULL")
    assert compares(None, is_null)
    assert not compares(None, is_not_null)
    assert compares("x", is_not_null)
    for text in ("tags.a = 'x'", "tags.a != 'x'", "tags.a LIKE '%'", "tags.a IN ('x')", "tags.a NOT IN ('x')"):
        (asked,) = parse_filter(text)
        assert not compares(None, asked), text
    found = ("tags.a != 'y'", "tags.a ILIKE 'X'", "tags.a NOT IN ('y')", "tags.a = 'y'")
    assert [compares("x", parse_filter(text)[0]) for text in found] == [True, True, True, False]
