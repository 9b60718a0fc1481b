"""What is worth importing ahead: what the last steps of an environment imported. Pure."""

from collections import deque
from collections.abc import Iterable

_STEPS = 20
_MAX_NAMES = 20_000


class Learned:
    """The modules of the last steps."""

    def __init__(self) -> None:
        self._steps: deque[tuple[str, ...]] = deque(maxlen=_STEPS)
        self._last: tuple[str, ...] = ()

    def add(self, modules: Iterable[object]) -> None:
        """What a step that ended well says that it imported: as it comes from a process that ran somebody's code."""
        names = tuple(name for name in modules if isinstance(name, str) and _is_name(name))[:_MAX_NAMES]
        self._steps.append(self._last if names == self._last else names)
        self._last = self._steps[-1]

    def wanted(self) -> list[str]:
        """The modules in the order of their import, those of earlier steps first."""
        return list(dict.fromkeys(name for step in dict.fromkeys(self._steps) for name in step))


def _is_name(name: str) -> bool:
    return len(name) < 300 and all(part.isidentifier() for part in name.split("."))
