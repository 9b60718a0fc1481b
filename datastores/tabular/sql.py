"""Texts for DuckDB: names and literals that mean themselves, whatever somebody wrote into them."""

from collections.abc import Iterable

from studio.lib.problems import UserError


def literal(text: str) -> str:
    """Raises UserError where `text` holds what SQL can't."""
    if "\0" in text:
        raise UserError("A value can't hold a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError("A value must be valid Unicode text.") from None
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literals(texts: Iterable[str]) -> str:
    return "[" + ", ".join(literal(text) for text in texts) + "]"


def position(number: int) -> str:
    """The name of a column while it is worked on: nobody's names come near a statement."""
    return f"c{number}"
