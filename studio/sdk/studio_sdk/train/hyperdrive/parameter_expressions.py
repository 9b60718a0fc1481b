"""What may be tried for a parameter. Each function gives `[KIND, [NUMBERS]]`, as azureml's do.

As there, the two numbers of `loguniform` are logarithms: `loguniform(math.log(0.0001), math.log(0.1))`.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "choice",
    "lognormal",
    "loguniform",
    "normal",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "uniform",
]

Expression = list[Any]


def choice(*options: Any) -> Expression:
    """One of these, or of one list or range of them: `choice(16, 32)`, `choice([16, 32])`, `choice(range(1, 5))`."""
    if len(options) == 1 and isinstance(options[0], (list, tuple, range)):
        options = tuple(options[0])
    if not options:
        raise ValueError("Give choice something to choose from.")
    return ["choice", [list(options)]]


def randint(upper: int) -> Expression:
    """A whole number from 0 on that is smaller than `upper`."""
    return ["randint", [upper]]


def uniform(min_value: float, max_value: float) -> Expression:
    return ["uniform", [min_value, max_value]]


def quniform(min_value: float, max_value: float, q: float) -> Expression:
    """A multiple of `q` between the two."""
    return ["quniform", [min_value, max_value, q]]


def loguniform(min_value: float, max_value: float) -> Expression:
    """e to a number between the two."""
    return ["loguniform", [min_value, max_value]]


def qloguniform(min_value: float, max_value: float, q: float) -> Expression:
    return ["qloguniform", [min_value, max_value, q]]


def normal(mu: float, sigma: float) -> Expression:
    return ["normal", [mu, sigma]]


def qnormal(mu: float, sigma: float, q: float) -> Expression:
    return ["qnormal", [mu, sigma, q]]


def lognormal(mu: float, sigma: float) -> Expression:
    return ["lognormal", [mu, sigma]]


def qlognormal(mu: float, sigma: float, q: float) -> Expression:
    return ["qlognormal", [mu, sigma, q]]


def as_text(expression: Any) -> str:
    """An expression as the studio keeps it, as in `choice(16, 32)`. Raises ValueError for what is none."""
    if not isinstance(expression, (list, tuple)) or len(expression) != 2:
        raise ValueError(f"{expression!r} is no expression: use choice(…), uniform(…) and the like.")
    kind, numbers = expression
    if kind not in __all__:
        raise ValueError(f"There is no {kind!r}: use one of {', '.join(__all__)}.")
    values = numbers[0] if kind == "choice" else numbers
    return f"{kind}({', '.join(_text(value) for value in values)})"


def example_of(expression: Any) -> Any:
    """A value that it may give, which says what type it has."""
    kind, numbers = expression
    if kind == "choice":
        options = [_plain(value) for value in numbers[0]]
        if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in options):
            return next((value for value in options if isinstance(value, float)), options[0])
        return options[0] if len({type(value) for value in options}) == 1 else str(options[0])
    if kind == "randint":
        return 0
    if kind in ("quniform", "qnormal", "qloguniform", "qlognormal") and float(numbers[-1]).is_integer():
        return 1
    return 0.5


def _text(value: Any) -> str:
    value = _plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    raise ValueError(f"A {type(value).__name__} can't be tried for a parameter: give numbers and texts.")


def _plain(value: Any) -> Any:
    return value.item() if type(value).__module__ == "numpy" and callable(getattr(value, "item", None)) else value
