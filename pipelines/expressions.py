"""Expressions of conditions: parameters, values in the outputs of earlier steps, and a few operators. Pure.

Python's own parser reads them, and nothing is left of Python but what stands in this file: no names but `true`, `false`
and `null`, no attributes, no calls. Whatever is written, an answer takes no more than milliseconds: texts, numbers and
the depth of what is nested have bounds.

`${{parameters.NAME}}` and `${{inputs.NAME}}` stand for values; behind one, `["/metrics/0/auc"]` is a JSON pointer
(RFC 6901) into it.
"""

import ast
import json
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.placeholders import Placeholder, read_placeholder
from pipelines.texts import unfit_text

MAX_EXPRESSION = 2000  # characters
MAX_DEPTH = 40
MAX_VALUE_DEPTH = 100  # of what a file holds: whatever compares or shows it goes down by recursion
MAX_NUMBER = 10**300
MAX_STRING = 10_000  # characters of a text that is put together
MAX_SHOWN = 200

Value = Any  # what JSON has: a text, a number, true, false, null, a list or an object
_NAMES = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_MARK = "_value_{}"


class ExpressionError(ValueError):
    """A sentence on what can't be read, or can't be told from these values."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One that was read."""

    tree: ast.expr
    placeholders: tuple[Placeholder, ...]  # each once, in the order in which they stand there

    def value(self, values: Mapping[Placeholder, Value]) -> Value:
        """Raises ExpressionError."""
        return _value(self.tree, {_MARK.format(index): values[part] for index, part in enumerate(self.placeholders)})

    def answer(self, values: Mapping[Placeholder, Value]) -> bool:
        """Raises ExpressionError where it can't be told, or is neither true nor false."""
        found = self.value(values)
        if not isinstance(found, bool):
            raise ExpressionError(f"It comes to {shown(found)}, and a condition must come to true or false.")
        return found


def read_expression(text: str) -> Expression:
    """Raises ExpressionError, with a sentence that says what to write instead."""
    if len(text) > MAX_EXPRESSION:
        raise ExpressionError(f"This has more than {MAX_EXPRESSION:,} characters. Let a step work out what is long.")
    if not text.strip():
        raise ExpressionError("Write what must be true, as in “${{parameters.size}} > 1000”.")
    plain, placeholders = _marked(text)
    try:
        tree = ast.parse(" ".join(plain.split("\n")).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(_unreadable(error, plain)) from error
    for node, depth in _nodes(tree):
        if depth > MAX_DEPTH:
            raise ExpressionError(f"This is nested more than {MAX_DEPTH} deep. Make it simpler.")
        if sentence := _unfit(node, len(placeholders)):
            raise ExpressionError(sentence)
    return Expression(tree, placeholders)


def read_value(text: str) -> Value:
    """What a file holds: JSON where it is that (a number, `true`, an object …), else its text."""
    said = text.strip()
    try:
        value = json.loads(said, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return said
    return value if _is_shallow(value) else said


def shown(value: Value) -> str:
    """A value as JSON, cut short."""
    # Half a character, as JSON may have it, is none that could be kept.
    text = json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def _is_shallow(value: Value) -> bool:
    """Told without recursion, level by level."""
    level = [value]
    for _ in range(MAX_VALUE_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, (list, dict))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return True
    return False


def _no_constant(name: str) -> Value:
    raise ValueError(name)


def _marked(text: str) -> tuple[str, tuple[Placeholder, ...]]:
    """With a name that nobody can write in the place of each placeholder."""
    if "_value_" in text:
        raise ExpressionError("“_value_” can't be part of a condition. Write it in another way.")
    found: dict[Placeholder, int] = {}
    plain, at = "", 0
    while (sign := text.find("${{", at)) >= 0:
        part, end, problem = read_placeholder(text, sign)
        if part is None:
            raise ExpressionError(problem)
        index = found.setdefault(part, len(found))
        plain += f"{text[at:sign]} {_MARK.format(index)} "
        at = end
    return plain + text[at:], tuple(found)


def _unreadable(error: BaseException, plain: str) -> str:
    if isinstance(error, SyntaxError) and "nested" not in str(error):
        where = plain[max(0, (error.offset or 1) - 1) :].split("_value_", maxsplit=1)[0].strip()[:30]
        near = f" near “{where}”" if where else ""
        return f"This can't be read{near}. Write it as in “${{{{parameters.size}}}} > 10 and not (1 > 2)”."
    return "This can't be read: it is nested too deep, or a number is too long. Make it simpler."


def _nodes(tree: ast.expr) -> Iterator[tuple[ast.AST, int]]:
    """Each with its depth, without recursion."""
    left: list[tuple[ast.AST, int]] = [(tree, 1)]
    while left:
        node, depth = left.pop()
        yield node, depth
        left += [(child, depth + 1) for child in ast.iter_child_nodes(node)]


_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_ORDER: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_SIGNS = {"Add": "+", "Sub": "-", "Mult": "*", "Div": "/", "FloorDiv": "//", "Mod": "%", "Pow": "**"}
_SIGNS |= {"Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">="}
_FIT = (
    *(ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.BinOp, ast.Compare, ast.Eq, ast.NotEq),
    *(ast.In, ast.NotIn, ast.Constant, ast.Name, ast.Load, ast.Subscript, ast.List, ast.Tuple),
    *_BINARY,
    *_ORDER,
)


def _unfit(node: ast.AST, count: int) -> str | None:
    """A sentence where this is nothing that an expression may hold."""
    match node:
        case ast.Attribute():
            return 'A dot behind a value means nothing here. Write ["/name"] for a part of a JSON file.'
        case ast.Call():
            return "Nothing can be called here. Let a step work it out, and read its output."
        case ast.Name(id=name) if name not in _NAMES and not _is_mark(name, count):
            return (
                f"“{name}” stands for nothing. Put texts into quotes, and write ${{{{parameters.NAME}}}} for a value."
            )
        case ast.Constant(value=value) if not isinstance(value, (str, int, float, bool, type(None))):
            return "Only texts, numbers, true, false, null and lists of them are values here."
        case ast.Constant(value=value) if _is_number(value) and not _is_bounded(value):
            return "This number is too large."
        case ast.Constant(value=str(value)) if next(unfit_text(value, ()), None) is not None:
            return "There is a character in a text here that can't be kept. Remove it."
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(pointer))) if _is_mark(name, count):
            return _pointer_problem(pointer)
        case ast.Subscript():
            return 'Only a JSON pointer can stand in [ ], behind a placeholder, as in ${{inputs.metrics}}["/accuracy"].'
    return (
        None if isinstance(node, _FIT) else "This can't be part of a condition. There are and, or, not, in, == and +."
    )


def _is_mark(name: str, count: int) -> bool:
    return any(name == _MARK.format(index) for index in range(count))


def _pointer_problem(pointer: str) -> str | None:
    if pointer and not pointer.startswith("/"):
        return f'A JSON pointer begins with a slash: write ["/{pointer}"].'
    return None


def _value(node: ast.expr, names: Mapping[str, Value]) -> Value:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return _NAMES[name] if name in _NAMES else names[name]
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=pointer)):
            return _pointed_at(names[name], str(pointer))
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [_value(part, names) for part in parts]
        case ast.BoolOp(op=op, values=parts):
            return _joined(op, parts, names)
        case ast.UnaryOp(op=op, operand=operand):
            return _unary(op, _value(operand, names))
        case ast.BinOp(left=left, op=op, right=right):
            return _binary(type(op), _value(left, names), _value(right, names))
        case ast.Compare(left=left, ops=ops, comparators=others):
            return _compared(_value(left, names), ops, others, names)
    raise ExpressionError("This can't be part of a condition.")


def _joined(op: ast.boolop, parts: list[ast.expr], names: Mapping[str, Value]) -> bool:
    """As usual, what comes after the first part that decides is not looked at."""
    word, decides = ("or", True) if isinstance(op, ast.Or) else ("and", False)
    for part in parts:
        value = _value(part, names)
        if not isinstance(value, bool):
            raise ExpressionError(f"“{word}” joins what is true or false, and one side of it is {shown(value)}.")
        if value is decides:
            return decides
    return not decides


def _unary(op: ast.unaryop, value: Value) -> Value:
    if isinstance(op, ast.Not):
        if not isinstance(value, bool):
            raise ExpressionError(f"“not” turns true and false round, and this is {shown(value)}.")
        return not value
    if not _is_number(value):
        raise ExpressionError(f"A sign stands before a number, and this is {shown(value)}.")
    return -value if isinstance(op, ast.USub) else value


def _binary(op: type[ast.operator], left: Value, right: Value) -> Value:
    sign = _SIGNS[op.__name__]
    if op is ast.Add and isinstance(left, str) and isinstance(right, str):
        if len(left) + len(right) > MAX_STRING:
            raise ExpressionError(f"This puts together a text of more than {MAX_STRING:,} characters.")
        return left + right
    if not (_is_number(left) and _is_number(right)):
        raise ExpressionError(f"{shown(left)} {sign} {shown(right)} can't be worked out: both must be numbers.")
    if op is ast.Pow and not _is_small_power(left, right):
        raise ExpressionError(f"{shown(left)} ** {shown(right)} is too large.")
    try:
        result = _BINARY[op](left, right)
    except ZeroDivisionError as error:
        raise ExpressionError(f"{shown(left)} {sign} {shown(right)} divides by 0.") from error
    except OverflowError as error:
        raise ExpressionError(f"{shown(left)} {sign} {shown(right)} is too large.") from error
    if not _is_number(result) or not _is_bounded(result):
        raise ExpressionError(f"{shown(left)} {sign} {shown(right)} is too large, or no number.")
    return result


def _is_small_power(base: Value, exponent: Value) -> bool:
    """Before anything is multiplied."""
    if base in {0, 1, -1} or exponent <= 0:
        return True
    try:
        return bool(math.log10(abs(base)) * exponent <= 300)
    except OverflowError:  # the exponent alone is more than a float can be
        return False


def _compared(left: Value, ops: list[ast.cmpop], others: list[ast.expr], names: Mapping[str, Value]) -> bool:
    for op, other in zip(ops, others, strict=True):
        right = _value(other, names)
        if not _holds(op, left, right):
            return False
        left = right
    return True


def _holds(op: ast.cmpop, left: Value, right: Value) -> bool:
    match op:
        case ast.Eq():
            return _equal(left, right)
        case ast.NotEq():
            return not _equal(left, right)
        case ast.In() | ast.NotIn():
            return _is_in(left, right) is isinstance(op, ast.In)
    if not (_is_number(left) and _is_number(right)) and not (isinstance(left, str) and isinstance(right, str)):
        sign = _SIGNS[type(op).__name__]
        raise ExpressionError(f"{shown(left)} {sign} {shown(right)} can't be told: compare two numbers, or two texts.")
    return _ORDER[type(op)](left, right)


def _equal(left: Value, right: Value) -> bool:
    """`1 == true` is false here, as in JSON."""
    return isinstance(left, bool) is isinstance(right, bool) and bool(left == right)


def _is_in(left: Value, right: Value) -> bool:
    if isinstance(right, str) and isinstance(left, str):
        return left in right
    if isinstance(right, list):
        return any(_equal(left, each) for each in right)
    if isinstance(right, dict):
        return left in right if isinstance(left, str) else False
    raise ExpressionError(f"{shown(left)} can't be in {shown(right)}. Write a list, as in [“a”, “b”], or a text.")


def _pointed_at(value: Value, pointer: str) -> Value:
    """RFC 6901. Raises ExpressionError where there is nothing."""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isascii() and key.isdecimal() and len(key) < 10 and int(key) < len(value):
            value = value[int(key)]
        else:
            raise ExpressionError(f"There is no “{pointer}” in {shown(value)}.")
    return value


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_bounded(value: Value) -> bool:
    return abs(value) <= MAX_NUMBER if isinstance(value, int) else math.isfinite(value)
