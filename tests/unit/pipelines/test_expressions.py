"""Expressions of conditions: what they come to, and that nothing else can be written."""

import re
import time
from typing import Any

import pytest

from pipelines.expressions import ExpressionError, read_expression, read_value

METRICS = {"accuracy": 0.93, "by class": [{"f1": 0.5}, {"f1": 0.9}], "a/b": {"~": 1}, "name": "résumé"}


def answer(text: str, **values: Any) -> bool:
    read = read_expression(text)
    return read.answer({part: values.get(part.name) for part in read.placeholders})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${{parameters.size}} > 1000", True),
        ("${{ parameters.size }} > 1000 and ${{parameters.kind}} == 'large'", True),
        ("not (${{parameters.kind}} in ['small', 'tiny'])", True),
        ("${{parameters.kind}} not in ('small', 'tiny')", True),
        ("0 < ${{parameters.size}} <= 2000", True),
        ("${{parameters.size}} % 2 == 0 or false", True),
        ('${{inputs.metrics}}["/accuracy"] >= 0.9', True),
        ('${{inputs.metrics}}["/by class/1/f1"] - ${{inputs.metrics}}["/by class/0/f1"] > 0.5', False),
        ('${{inputs.metrics}}["/a~1b/~0"] == 1', True),
        ('"accuracy" in ${{inputs.metrics}}', True),
        ('"sum" in ${{inputs.metrics}}["/name"]', True),
        ("${{parameters.absent}} == null", True),
        ("${{parameters.flag}}", False),
        ("${{parameters.flag}} == 0", False),  # as in JSON, false is no number
        ("2 ** 10 == 1024 and 7 // 2 == 3 and -3 + 1.5 < 0", True),
        ("false and 1 / 0 > 1", False),  # what comes after what decides is not looked at
        ("'a' + 'b' == \"ab\"", True),
        ("1\n  < 2", True),
    ],
)
def test_what_an_expression_comes_to(text: str, expected: bool) -> None:
    assert answer(text, size=1500, kind="large", metrics=METRICS, flag=False) is expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Write what must be true"),
        ("().__class__ == 1", "A dot behind a value"),
        ('"".join(["a"]) == "a"', "Nothing can be called"),
        ("open('/etc/passwd')", "Nothing can be called"),
        ("__import__('os')", "Nothing can be called"),
        ("size > 3", "“size” stands for nothing"),
        ("lambda: true", "can't be part of a condition"),
        ("[x for x in [1]]", "can't be part of a condition"),
        ("{1: 2} == 3", "can't be part of a condition"),
        ("f'{1}' == '1'", "can't be part of a condition"),
        ("1 if true else 2", "can't be part of a condition"),
        ("(x := 1)", "can't be part of a condition"),
        ("1 is 1", "can't be part of a condition"),
        ("b'a' == 'a'", "Only texts, numbers"),
        ("1j == 1", "Only texts, numbers"),
        ("... == 1", "Only texts, numbers"),
        ("1e999 > 1", "too large"),
        ("[1, 2][0] == 1", "Only a JSON pointer"),
        ('${{inputs.metrics}}["accuracy"] > 0', 'write ["/accuracy"]'),
        ("${{inputs.metrics}}[0] > 0", "Only a JSON pointer"),
        ("${{metrics}} > 0", "is no placeholder"),
        ("_value_0 > 0", "can't be part of a condition"),
        ("1 <", "can't be read"),
        ("1 = 1", "can't be read"),
        ("import os", "can't be read"),
        ("1\0 < 2", "can't be read"),
        ("(" * 900 + "1" + ")" * 900, "nested too deep"),
        ("-" * 1900 + "1 < 2", "nested more than"),
        ("not " * 400 + "true", "nested more than"),
        ("1" + "+1" * 900 + " > 2", "nested more than"),
        ("1 < 2 " + " " * 1_000_000, "more than 2,000 characters"),
        ("'" + "a" * 1_000_000 + "' == 'a'", "more than 2,000 characters"),
        ("9" * 1_000_000 + " > 1", "more than 2,000 characters"),
        (r'${{inputs.metrics}}["/\x00"] == 1', "a character in a text"),
        (r"'\ud800' == ${{parameters.kind}}", "a character in a text"),
    ],
)
def test_what_can_not_be_written_is_told_at_once(text: str, sentence: str) -> None:
    started = time.monotonic()
    with pytest.raises(ExpressionError, match=re.escape(sentence)):
        read_expression(text)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("9 ** 9 ** 9 ** 9 > 1", "is too large"),
        ("2 ** 100000 > 1", "is too large"),
        ("2 ** ${{inputs.huge}} > 1", "is too large"),
        ("1e200 * 1e200 > 1", "is too large"),
        ("(-8) ** 0.5 > 1", "is too large, or no number"),
        ("1 / 0 > 1", "divides by 0"),
        ("'a' * 1000000000 == 'a'", "both must be numbers"),
        ("'%s' % 1 == '1'", "both must be numbers"),
        ("1 + 1", "must come to true or false"),
        ("'true'", "must come to true or false"),
        ("1 and true", "“and” joins"),
        ("not 1", "“not” turns"),
        ("-'a' == 1", "A sign stands before"),
        ("1 < 'a'", "compare two numbers, or two texts"),
        ("true < 2", "compare two numbers, or two texts"),
        ("1 in 2", "can't be in"),
        ("${{parameters.absent}} > 1", "null > 1 can't be told"),
        ('${{inputs.metrics}}["/recall"] > 1', "There is no “/recall”"),
        ('${{inputs.metrics}}["/by class/7/f1"] > 1', "There is no"),
    ],
)
def test_what_can_not_be_told_is_said(text: str, sentence: str) -> None:
    with pytest.raises(ExpressionError, match=sentence):
        answer(text, metrics=METRICS, huge=10**400)


def test_texts_that_are_put_together_have_a_bound() -> None:
    with pytest.raises(ExpressionError, match="more than 10,000"):
        answer("${{parameters.long}} + ${{parameters.long}} == 'a'", long="a" * 6000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" 0.93\n", 0.93),
        ("12", 12),
        ("true\n", True),
        ('{"a": [1]}', {"a": [1]}),
        ("good\n", "good"),
        ("", ""),
        ("NaN", "NaN"),
        ('"quoted"', "quoted"),
        ("[" * 50_000, "[" * 50_000),
        ("[" * 900 + "]" * 900, "[" * 900 + "]" * 900),  # what compares or shows it goes down by recursion
        ('{"a":' * 101 + "1" + "}" * 101, '{"a":' * 101 + "1" + "}" * 101),
    ],
)
def test_a_file_is_json_or_else_its_text(text: str, expected: Any) -> None:
    assert read_value(text) == expected
