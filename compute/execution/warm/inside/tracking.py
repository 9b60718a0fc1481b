"""What each import does: which modules it asks for, which come with it, and what it changes of the process."""

from __future__ import annotations

import builtins
import os
import sys

TYPE_CHECKING = False  # `typing` would come unwatched
if TYPE_CHECKING:
    from typing import Any

_bootstrap: Any = sys.modules["_frozen_importlib"]
_warnings: Any = sys.modules["_warnings"]


def shared_lists() -> dict[str, list[Any]]:
    """Lists of the process that modules add to when they are imported."""
    return {
        "meta_path": sys.meta_path,
        "path": sys.path,
        "path_hooks": sys.path_hooks,
        "filters": _warnings.filters,
    }


class Effect:
    """What a module's import changed outside of it."""

    def __init__(self) -> None:
        self.variables: dict[str, tuple[str | None, str | None]] = {}  # before and after
        self.added: dict[str, tuple[list[Any], list[Any]]] = {}  # by shared list: at its front, at its end


class Tracker:
    """Watches imports from `begin` to `end`."""

    def __init__(self) -> None:
        self.asked: dict[str, dict[str, None]] = {}  # what each module's import asked for, in order
        self.brought: dict[str, list[str]] = {}  # what was new when it was done, itself included
        self.effects: dict[str, Effect] = {}
        self.stack: list[str] = []
        self._variables = _variables()
        self._lists = {name: list(value) for name, value in shared_lists().items()}

    def begin(self) -> None:
        self._find_and_load = _bootstrap._find_and_load
        self._import = builtins.__import__
        _bootstrap._find_and_load = self.find_and_load
        builtins.__import__ = self.import_

    def end(self) -> None:
        _bootstrap._find_and_load = self._find_and_load
        builtins.__import__ = self._import

    def find_and_load(self, name: str, import_: Any) -> Any:
        """In the place of importlib's own: called for each module that is not there yet."""
        self._ask(name)
        if name in sys.modules:
            return self._find_and_load(name, import_)
        self.looked_at(self.stack[-1] if self.stack else "")
        count = len(sys.modules)
        self.stack.append(name)
        self.begun(name)
        try:
            return self._find_and_load(name, import_)
        finally:
            self.looked_at(name)
            self.done(name)
            self.stack.pop()
            self.brought[name] = list(sys.modules)[count:]

    def import_(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:  # noqa: A002
        """In the place of the built-in `__import__`: called for modules that are there already, too."""
        module = self._import(name, globals, locals, fromlist, level)
        if self.stack:
            base = name
            if level and isinstance(globals, dict):
                package = globals.get("__package__") or globals.get("__name__", "")
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - level + 1], *([name] if name else [])])
            self._ask(base)
            for part in fromlist or ():
                if f"{base}.{part}" in sys.modules:
                    self._ask(f"{base}.{part}")
        return module

    def _ask(self, name: str) -> None:
        if self.stack and self.stack[-1] != name:
            self.asked.setdefault(self.stack[-1], {})[name] = None

    def begun(self, name: str) -> None:
        """For whoever wants to know more."""

    def done(self, name: str) -> None:
        """For whoever wants to know more."""

    def looked_at(self, owner: str) -> None:
        """Put what has changed since the last look down to `owner`."""
        variables = _variables()
        if variables != self._variables:
            before = self._variables
            self._variables = variables
            changed = [name for name in {**before, **variables} if before.get(name) != variables.get(name)]
            of_owner = self.effects.setdefault(owner, Effect()).variables
            for variable in changed:
                known = of_owner.get(os.fsdecode(variable), (_text(before.get(variable)), None))
                of_owner[os.fsdecode(variable)] = (known[0], _text(variables.get(variable)))
        for name, value in shared_lists().items():
            before_ = self._lists[name]
            if value != before_:
                self._lists[name] = list(value)
                front, back = _added(before_, value)
                added = self.effects.setdefault(owner, Effect()).added
                old_front, old_back = added.get(name, ([], []))
                added[name] = ([*front, *old_front], [*old_back, *back])


def _variables() -> dict[bytes, bytes]:
    """Past the methods of `os.environ`, which a probe listens to."""
    data: Any = os.environ
    return dict(data._data)


def _text(value: bytes | None) -> str | None:
    return None if value is None else os.fsdecode(value)


def _added(before: list[Any], after: list[Any]) -> tuple[list[Any], list[Any]]:
    if after[: len(before)] == before:
        return [], after[len(before) :]
    return [entry for entry in after if entry not in before], []
