"""Search spaces in the words of Azure ML's HyperDrive: `choice(16, 32)`, `loguniform(log(0.0001), log(0.1))`. Pure.

The words and what they mean are those of `azureml.train.hyperdrive.parameter_expressions`, with three things said that
it leaves open: multiples of q lie within the bounds and are equally likely, and normal values lie within six standard
deviations. An expression is read by its own small grammar, and nothing of it is ever run.
"""

import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from functools import lru_cache
from typing import Self

from pipelines.parts import ParameterValue

MAX_OPTIONS = 1000
MAX_TEXT = 20_000  # characters of one expression
SIGMAS = 6.0  # how far from the mean a normal value may lie
_MAX_EXPONENT = 690.0  # e to that is still a number that parameters take
_MAX_NUMBER = 1e15  # multiples are counted exactly up to that

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./:-]*")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SPACE = re.compile(r"\s*")


class ExpressionError(ValueError):
    """What is wrong with an expression, a sentence for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these, each as likely."""

    options: tuple[ParameterValue, ...]

    @property
    def count(self) -> int:
        return len(self.options)

    def at(self, index: int) -> ParameterValue:
        return self.options[index]

    def draw(self, generator: random.Random) -> ParameterValue:
        return self.options[generator.randrange(self.count)]

    @property
    def ends(self) -> Sequence[ParameterValue]:
        """What it may give, as far as a parameter's type and bounds have a say."""
        return self.options


@dataclass(frozen=True, slots=True)
class Multiples:
    """The multiples of `step` from number `low` to number `high`; with `log`, by their logarithms."""

    low: int
    high: int
    step: Decimal
    log: bool = False

    @property
    def count(self) -> int:
        return self.high - self.low + 1

    def at(self, index: int) -> ParameterValue:
        return self.of(self.low + index)

    def of(self, number: int) -> ParameterValue:
        return _multiple(self.step, number)

    def draw(self, generator: random.Random) -> ParameterValue:
        if not self.log:
            return self.of(generator.randint(self.low, self.high))
        exponent = generator.uniform(math.log(self.low), math.log(self.high))
        return self.of(min(max(round(math.exp(exponent)), self.low), self.high))

    @property
    def ends(self) -> Sequence[ParameterValue]:
        return self.of(self.low), self.of(self.high)


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers from `low` to `high`; with `log`, their logarithms are equally likely."""

    low: float
    high: float
    log: bool = False

    count = None

    def draw(self, generator: random.Random) -> ParameterValue:
        if not self.log:
            return min(max(generator.uniform(self.low, self.high), self.low), self.high)
        drawn = math.exp(generator.uniform(math.log(self.low), math.log(self.high)))
        return min(max(drawn, self.low), self.high)

    @property
    def ends(self) -> Sequence[ParameterValue]:
        return self.low, self.high


@dataclass(frozen=True, slots=True)
class Bell:
    """Normal values, or with `log` such whose logarithms are; with a step, the nearest multiples of it."""

    mean: float
    deviation: float
    log: bool = False
    step: Decimal | None = None

    count = None

    def draw(self, generator: random.Random) -> ParameterValue:
        return self._at(min(max(generator.gauss(0.0, 1.0), -SIGMAS), SIGMAS))

    @property
    def ends(self) -> Sequence[ParameterValue]:
        return self._at(-SIGMAS), self._at(SIGMAS)

    def _at(self, deviations: float) -> ParameterValue:
        value = self.mean + deviations * self.deviation
        value = math.exp(value) if self.log else value
        return value if self.step is None else _multiple(self.step, round(Decimal(value) / self.step))


Distribution = Choice | Multiples | Interval | Bell


@lru_cache(maxsize=500)  # a sweep asks again at every turn, and for every trial
def read(text: str) -> Distribution:
    """Raises ExpressionError."""
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"An expression can have {MAX_TEXT:,} characters.")
    if not text.strip():
        raise ExpressionError("Say what to try, as in choice(16, 32) or uniform(0.001, 0.1).")
    reader = _Reader(text)
    name = reader.word()
    make = _WORDS.get(name or "")
    if name is None or make is None or not reader.takes("("):
        raise ExpressionError(f"This begins with none of {', '.join(_WORDS)}. Write it as in choice(16, 32).")
    found = reader.arguments(")")
    reader.end()
    return make(name, found)


def as_written(value: ParameterValue) -> str:
    """A value for people, short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class _Logarithm(float):
    """The logarithm of a number, which knows that number: e to its power would be another one in the last digit."""

    of: float

    def __new__(cls, of: float) -> Self:
        made = super().__new__(cls, math.log(of))
        made.of = float(of)
        return made


class _Reader:
    """Goes through an expression once, from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def takes(self, mark: str) -> bool:
        self._skip()
        found = self.text.startswith(mark, self.place)
        self.place += len(mark) if found else 0
        return found

    def word(self) -> str | None:
        return self._match(_WORD)

    def end(self) -> None:
        self._skip()
        if self.place < len(self.text):
            raise ExpressionError(f"Nothing can stand behind the closing bracket, and here is “{self._rest()}”.")

    def arguments(self, closing: str) -> list[ParameterValue]:
        found: list[ParameterValue] = []
        if self.takes(closing):
            return found
        while True:
            if closing == ")" and not found and self.takes("["):  # `choice([16, 32])`, as Python has it
                found = self.arguments("]")
                if not self.takes(")"):
                    raise ExpressionError("A list in square brackets stands alone, as in choice([16, 32]).")
                return found
            found.append(self._argument())
            if len(found) > MAX_OPTIONS:
                raise ExpressionError(f"There are more than {MAX_OPTIONS:,} values here.")
            if self.takes(closing):
                return found
            if not self.takes(","):
                rest = self._rest()
                where = f"before “{rest}”" if rest else "at the end"
                raise ExpressionError(f"Separate values by commas and close the bracket: one is missing {where}.")

    def _argument(self) -> ParameterValue:
        self._skip()
        quoted = self._match(_QUOTED)
        if quoted is not None:
            return _ESCAPED.sub(r"\1", quoted[1:-1])
        if self.text[self.place : self.place + 1] in {"'", '"'}:
            raise ExpressionError("A quotation mark is opened and never closed.")
        number = self._match(_NUMBER)
        if number is not None:
            return _number(number)
        word = self.word()
        if word is None:
            raise ExpressionError(f"Here a value is missing: “{self._rest()}”." if self._rest() else _UNCLOSED)
        if word == "log" and self.takes("("):
            return self._logarithm()
        if self.text.startswith("(", self.place):
            raise ExpressionError(f"“{word}(” can't stand within another expression: only log(…) can.")
        return {"true": True, "false": False}.get(word.lower(), word)

    def _logarithm(self) -> float:
        number = self._match(_NUMBER)
        if number is None or not self.takes(")"):
            raise ExpressionError("log takes one number, as in log(0.001).")
        value = _number(number)
        if value <= 0:
            raise ExpressionError(f"log({number}) is no number: only what is greater than 0 has a logarithm.")
        return _Logarithm(value)

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        self._skip()
        match = pattern.match(self.text, self.place)
        if match is None:
            return None
        self.place = match.end()
        return match.group()

    def _skip(self) -> None:
        match = _SPACE.match(self.text, self.place)
        self.place = match.end() if match else self.place

    def _rest(self) -> str:
        rest = self.text[self.place :].strip()
        return rest if len(rest) <= 20 else f"{rest[:19]}…"


_UNCLOSED = "The bracket is opened and never closed."


def _number(text: str) -> int | float:
    value = int(text) if re.fullmatch(r"[+-]?\d{1,300}", text) else float(text)
    if abs(value) >= 1e300:
        raise ExpressionError(f"The number {text[:20]} is too large.")
    return value


def _numbers(name: str, found: Sequence[ParameterValue], names: Sequence[str]) -> list[float]:
    wanted = f"{name}({', '.join(names)})"
    if len(found) != len(names):
        raise ExpressionError(f"This wants {len(names)} number{'s' * (len(names) != 1)}: {wanted}.")
    numbers: list[float] = []
    for value, argument in zip(found, names, strict=True):
        if isinstance(value, bool | str):
            raise ExpressionError(f"“{as_written(value)}” is no number, and {wanted} wants one for {argument}.")
        numbers.append(value)
    return numbers


def _choice(name: str, found: Sequence[ParameterValue]) -> Distribution:
    if not found:
        raise ExpressionError(f"List what to choose from, as in {name}(16, 32).")
    seen: set[tuple[type, ParameterValue]] = set()
    for option in found:
        if (type(option), option) in seen:
            raise ExpressionError(f"“{as_written(option)}” stands there twice. Take one of them out.")
        seen.add((type(option), option))
    return Choice(tuple(found))


def _randint(name: str, found: Sequence[ParameterValue]) -> Distribution:
    (upper,) = _numbers(name, found, ["upper"])
    if upper != int(upper) or not 1 <= upper <= _MAX_NUMBER:
        raise ExpressionError("randint(upper) gives 0, 1, … up to upper - 1: upper is a whole number from 1 on.")
    return Multiples(0, int(upper) - 1, Decimal(1))


def _uniform(name: str, found: Sequence[ParameterValue]) -> Distribution:
    low, high = _bounds(*_numbers(name, found, ["min", "max"]))
    return Interval(float(low), float(high))


def _quniform(name: str, found: Sequence[ParameterValue]) -> Distribution:
    low, high, step = _numbers(name, found, ["min", "max", "q"])
    return _multiples(*_bounds(low, high), _step(step))


def _loguniform(name: str, found: Sequence[ParameterValue]) -> Distribution:
    low, high = _exponents(*_numbers(name, found, ["min", "max"]))
    return Interval(low, high, log=True)


def _qloguniform(name: str, found: Sequence[ParameterValue]) -> Distribution:
    low, high, step = _numbers(name, found, ["min", "max", "q"])
    return _multiples(*_exponents(low, high), _step(step), log=True)


def _bell(*, log: bool, has_step: bool) -> Callable[[str, Sequence[ParameterValue]], Distribution]:
    def make(name: str, found: Sequence[ParameterValue]) -> Distribution:
        mean, deviation, *rest = _numbers(name, found, ["mu", "sigma", "q"] if has_step else ["mu", "sigma"])
        if deviation <= 0:
            raise ExpressionError(f"sigma is how far values spread: it is greater than 0, and not {deviation:g}.")
        widest = abs(mean) + SIGMAS * deviation
        step = _step(rest[0]) if rest else None
        value = math.exp(min(widest, _MAX_EXPONENT)) if log else widest
        if (log and widest > _MAX_EXPONENT) or (step is not None and value / float(step) > _MAX_NUMBER):
            raise ExpressionError(f"Values of {name} get too large with these numbers. Take smaller ones.")
        return Bell(float(mean), float(deviation), log, step)

    return make


_WORDS: Mapping[str, Callable[[str, Sequence[ParameterValue]], Distribution]] = {
    "choice": _choice,
    "randint": _randint,
    "uniform": _uniform,
    "quniform": _quniform,
    "loguniform": _loguniform,
    "qloguniform": _qloguniform,
    "normal": _bell(log=False, has_step=False),
    "qnormal": _bell(log=False, has_step=True),
    "lognormal": _bell(log=True, has_step=False),
    "qlognormal": _bell(log=True, has_step=True),
}


def _bounds(low: float, high: float) -> tuple[float, float]:
    if low >= high:
        raise ExpressionError(f"The first number is the lowest value and the second the highest: {low:g} and {high:g}.")
    return low, high


def _exponents(low: float, high: float) -> tuple[float, float]:
    low, high = _bounds(low, high)
    if low < -_MAX_EXPONENT or high > _MAX_EXPONENT:
        raise ExpressionError(
            f"The two numbers are logarithms, as in Azure ML: from -{_MAX_EXPONENT:g} to {_MAX_EXPONENT:g}. "
            "Write log(0.001) for the logarithm of 0.001."
        )
    return _power(low), _power(high)


def _power(exponent: float) -> float:
    return exponent.of if isinstance(exponent, _Logarithm) else math.exp(exponent)


def _step(step: float) -> Decimal:
    if step <= 0:
        raise ExpressionError(f"q is what values are multiples of: it is greater than 0, and not {step:g}.")
    return Decimal(str(step))


def _multiples(low: float, high: float, step: Decimal, *, log: bool = False) -> Multiples:
    try:
        first = int((Decimal(str(low)) / step).to_integral_value(ROUND_CEILING))
        last = int((Decimal(str(high)) / step).to_integral_value(ROUND_FLOOR))
    except InvalidOperation:
        first, last = 0, int(_MAX_NUMBER) + 1
    if max(abs(first), abs(last)) > _MAX_NUMBER:
        raise ExpressionError("There are too many multiples of q between these two. Take a larger q.")
    if first > last:
        raise ExpressionError(f"No multiple of {step} lies between {low:.4g} and {high:.4g}.")
    return Multiples(first, last, step, log)


def _multiple(step: Decimal, number: int) -> ParameterValue:
    value = step * number
    return int(value) if step == step.to_integral_value() else float(value)
