"""Search spaces: what each expression gives, and what is said of one that is none."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sweeping.space import Choice, ExpressionError, Interval, read


def drawn(text: str, count: int = 300) -> list[object]:
    generator = random.Random(text)
    distribution = read(text)
    return [distribution.draw(generator) for _ in range(count)]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("choice(16, 32)", (16, 32)),
        ("choice([16, 32])", (16, 32)),
        (" choice ( 0.5 , 1e-3 , -2 ) ", (0.5, 0.001, -2)),
        (r"""choice('it\'s', "a\\b")""", ("it's", r"a\b")),
        ("choice('a, b', \"it's\", plain, true, False)", ("a, b", "it's", "plain", True, False)),
    ],
)
def test_a_choice_has_its_options_as_they_are_written(text: str, options: tuple[object, ...]) -> None:
    distribution = read(text)
    assert isinstance(distribution, Choice)
    assert distribution.options == options
    assert [type(each) for each in distribution.options] == [type(each) for each in options]
    assert set(drawn(text)) == set(options)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("randint(4)", {0, 1, 2, 3}),
        ("quniform(1, 10, 4)", {4, 8}),
        ("quniform(0, 0.3, 0.1)", {0.0, 0.1, 0.2, 0.3}),
        ("qloguniform(0, 2, 2)", {2, 4, 6}),
    ],
)
def test_what_can_be_counted(text: str, values: set[float]) -> None:
    distribution = read(text)
    assert distribution.count == len(values)
    assert {distribution.at(index) for index in range(len(values))} == values
    assert set(drawn(text)) == values
    assert set(distribution.ends) == {min(values), max(values)}


def test_whole_steps_give_whole_numbers() -> None:
    assert {type(each) for each in drawn("quniform(1, 9, 2)") + drawn("randint(9)") + drawn("qnormal(5, 1, 1)")} == {
        int
    }


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("uniform(-1, 1)", -1, 1),
        ("loguniform(-2, 3)", math.exp(-2), math.exp(3)),
        ("loguniform(log(0.0001), log(0.1))", 0.0001, 0.1),
        ("normal(10, 0.5)", 7, 13),
        ("lognormal(0, 0.5)", math.exp(-3), math.exp(3)),
        ("qlognormal(3, 0.1, 0.5)", math.exp(2.4) - 0.5, math.exp(3.6) + 0.5),
    ],
)
def test_values_lie_within_their_bounds(text: str, low: float, high: float) -> None:
    values = drawn(text)
    assert low <= min(values) < max(values) <= high  # type: ignore[type-var]
    assert len(set(values)) > 10


def test_logarithms_are_equally_likely() -> None:
    values = drawn("loguniform(log(0.0001), log(1))", 4000)
    below = sum(value < 0.01 for value in values)  # type: ignore[operator]
    assert 1800 < below < 2200
    assert read("loguniform(log(0.0001), log(1))") == Interval(0.0001, 1, log=True), "to the last digit"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Say what to try"),
        ("0.1", "This begins with none of choice, randint"),
        ("choose(1)", "This begins with none of"),
        ("choice", "This begins with none of"),
        ("choice()", "List what to choose from"),
        ("choice(1, 1)", "“1” stands there twice"),
        ("choice(1 2)", "one is missing before “2)”"),
        ("choice(1,", "never closed"),
        ("choice('a", "A quotation mark is opened"),
        ("choice([1], 2)", "stands alone"),
        ("choice(1) or 2", "Nothing can stand behind the closing bracket"),
        ("choice(__import__('os'))", "“__import__(” can't stand within another expression"),
        ("uniform(1)", "This wants 2 numbers: uniform(min, max)."),
        ("uniform(a, 1)", "“a” is no number"),
        ("uniform(true, 1)", "“true” is no number"),
        ("uniform(2, 1)", "The first number is the lowest value"),
        ("uniform(0, 1e400)", "is too large"),
        ("loguniform(log(0), 1)", "log(0) is no number"),
        ("loguniform(log(-1), 1)", "log(-1) is no number"),
        ("loguniform(0, 1000)", "The two numbers are logarithms"),
        ("quniform(0, 1, 0)", "q is what values are multiples of"),
        ("quniform(0.2, 0.8, 1)", "No multiple of 1 lies between"),
        ("quniform(0, 1e15, 1e-9)", "Take a larger q"),
        ("randint(0)", "a whole number from 1 on"),
        ("randint(2.5)", "a whole number from 1 on"),
        ("normal(0, 0)", "sigma is how far values spread"),
        ("lognormal(600, 100)", "get too large"),
    ],
)
def test_what_is_said_of_one_that_is_none(text: str, sentence: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        read(text)
    assert sentence in str(refused.value)


@given(st.text(alphabet="choiceunfrmlgq(),[]'\"0123456789.-+eE ", max_size=60) | st.text(max_size=40))
def test_any_text_is_an_expression_or_a_sentence(text: str) -> None:
    try:
        read(text).draw(random.Random(0))
    except ExpressionError as error:
        sentence = str(error)
    else:
        sentence = "It is one."
    assert sentence.endswith(".")
