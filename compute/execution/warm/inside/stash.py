"""Modules that are imported and not there: a script finds each when it imports it, and none before.

So `sys.modules`, the attributes of packages, `os.environ` and the filters of warnings are those of a fresh process at
every line of the script: what another step of the environment imported does not show.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from compute.execution.warm.inside.tracking import Tracker, shared_lists

_bootstrap: Any = sys.modules["_frozen_importlib"]
_external: Any = sys.modules["_frozen_importlib_external"]
_warnings: Any = sys.modules["_warnings"]


class Stash:
    """Everything that was imported beyond `kept`. It finds and loads it for the import system."""

    def __init__(self, tracker: Tracker, kept: set[str], lists: dict[str, list[Any]]) -> None:
        self._tracker = tracker
        self.modules = {name: module for name, module in sys.modules.items() if name not in kept}
        self.top_names = {name.partition(".")[0] for name in self.modules} - kept
        self.refreshers: dict[str, Callable[[Any], None]] = {}
        self._stripped: set[str] = set()
        self._originals: dict[str, Any] = {}
        self._path: list[str] = []
        for name in self.modules:
            del sys.modules[name]
        for name, module in self.modules.items():
            self._strip(name, module)
        for name, value in shared_lists().items():
            value[:] = lists[name]
        _filters_changed()

    def _strip(self, name: str, module: Any) -> None:
        """A package shows what it imported itself, and not what somebody imported of it later."""
        parent, _, child = name.rpartition(".")
        owner = self.modules.get(parent) or sys.modules.get(parent)
        if owner is None or name in self._tracker.brought.get(parent, ()):
            return
        if getattr(owner, "__dict__", {}).get(child) is module:
            del owner.__dict__[child]
            self._stripped.add(name)

    def open(self) -> None:
        """From now on the import system asks here, after whoever stood before the built-in modules' finder."""
        self._path = list(sys.path)
        names = [getattr(finder, "__name__", "") for finder in sys.meta_path]
        sys.meta_path.insert(names.index("BuiltinImporter") if "BuiltinImporter" in names else 0, self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """For whoever imports a module of ours. Whoever only asks for it is told by the next finder."""
        if name not in self.modules or not sys._getframe(2).f_code.co_name.startswith("_find_and_load"):
            return None
        if sys.path != self._path and not self._would_be_found(name):
            return None
        return _bootstrap.ModuleSpec(name, self)

    def create_module(self, spec: Any) -> Any:
        module = self.modules[spec.name]
        self._originals[spec.name] = getattr(module, "__spec__", None)
        return module

    def exec_module(self, module: Any) -> None:
        name = module.__spec__.name
        module.__spec__ = self._originals.pop(name)
        self._bring(name)

    def _bring(self, name: str) -> None:
        """Put a module where it belongs, after those that its own import had asked for."""
        module = self.modules.pop(name, None)
        if module is None:
            return
        parent, _, child = name.rpartition(".")
        if parent:
            self._bring(parent)
        tracker = self._tracker
        for other in tracker.asked.get(name, ()):
            self._bring(other)
        for other in tracker.brought.get(name, ()):
            if other not in tracker.brought:  # it put that there itself
                self._bring(other)
        sys.modules[name] = module
        if name in self._stripped and parent in sys.modules:
            setattr(sys.modules[parent], child, module)
        self._redo(name)
        refresh = self.refreshers.get(name)
        if refresh is not None:
            refresh(module)

    def _redo(self, name: str) -> None:
        effect = self._tracker.effects.get(name)
        if effect is None:
            return
        for variable, (before, after) in effect.variables.items():
            if os.environ.get(variable) != before:
                continue  # the script has set it otherwise: so would the module have found it
            if after is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = after
        lists = shared_lists()
        for list_name, (front, back) in effect.added.items():
            lists[list_name][:0] = front
            lists[list_name].extend(back)
        if "filters" in effect.added:
            _filters_changed()

    def _would_be_found(self, name: str) -> bool:
        """Whether the search path, which the script has changed, still leads to this module and to what it needs."""
        wanted, left = set(), [name]
        while left:
            one = left.pop()
            if one in wanted or one not in self.modules:
                continue
            wanted.add(one)
            left += self._tracker.asked.get(one, ())
        return all(self._is_first(top) for top in {one.partition(".")[0] for one in wanted} if top in self.modules)

    def _is_first(self, top: str) -> bool:
        ours = getattr(self.modules[top], "__spec__", None)
        if ours is None or ours.origin in {"built-in", "frozen"}:
            return True
        found = _external.PathFinder.find_spec(top)
        return found is not None and found.origin == ours.origin


def _filters_changed() -> None:
    """Tell the interpreter, which keeps what it has decided for each place that warns."""
    mutated = getattr(_warnings, "_filters_mutated", None)
    if mutated is not None:
        mutated()
        return
    warnings: Any = sys.modules.get("warnings")  # Python 3.14
    if warnings is not None and hasattr(warnings, "_filters_mutated_lock_held"):
        with warnings._lock:
            warnings._filters_mutated_lock_held()
