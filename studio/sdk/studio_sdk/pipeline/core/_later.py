"""Names of azureml for what the studio does not have yet: each says so, and what there is instead."""

from __future__ import annotations

from typing import Any, NoReturn

from studio_sdk.exceptions import NotSupportedException


def later(what: str, instead: str) -> NoReturn:
    """Raises NotSupportedException."""
    raise NotSupportedException(f"The studio has no {what} yet. Until then: {instead}.")


class Later:
    """A class of which there is nothing yet. Making one, and every call of it, raises NotSupportedException."""

    _WHAT = ""
    _INSTEAD = ""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        later(self._WHAT, self._INSTEAD)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in getattr(cls, "_CALLS", ()):
            setattr(cls, name, staticmethod(_refusing(cls._WHAT, cls._INSTEAD)))


def _refusing(what: str, instead: str) -> Any:
    def refused(*_arguments: Any, **_more: Any) -> NoReturn:
        later(what, instead)

    return refused
