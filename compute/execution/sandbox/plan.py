"""The plan of a sandbox: which places of the machine are seen inside, at the same paths, and how.

Nothing is seen but what is shown. A place keeps its path inside, symbolic links on the way to it included, for scripts
print paths, record them, and hand them on.
"""

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate
from typing import Any

_MOST_LINKS = 40  # as the kernel


class Kind(IntEnum):
    """How a place is seen. Of two kinds for one place the greater counts."""

    HIDDEN = 1  # an empty folder is in its place
    LINK = 2  # a symbolic link
    READ_ONLY = 3
    WRITABLE = 4
    DEVICE = 5


@dataclass(frozen=True, slots=True)
class Mount:
    """One place inside. `source` is what is there: a place of this machine, or what a link says."""

    place: str
    kind: Kind
    source: str = ""

    @property
    def is_bind(self) -> bool:
        return self.kind >= Kind.READ_ONLY


@dataclass(frozen=True, slots=True)
class SandboxPlan:
    """All places that are seen inside, each after those that it lies in. The rest of the machine is not there."""

    mounts: tuple[Mount, ...]
    working_folder: str

    def as_json(self) -> dict[str, Any]:
        """For `enter_sandbox`, in another interpreter."""
        mounts = [[mount.place, int(mount.kind), mount.source] for mount in self.mounts]
        return {"mounts": mounts, "folder": self.working_folder}


class Sight:
    """Gathers what is to be seen."""

    def __init__(self, mounts: Iterable[Mount] = ()) -> None:
        self._mounts = {mount.place: mount for mount in mounts}

    def show(self, *places: str | os.PathLike[str], kind: Kind = Kind.READ_ONLY) -> None:
        """See each place that is there, as it is: with all below it."""
        for place in places:
            links, real = trail(os.fspath(place))
            if os.path.lexists(real):
                for link, says in links:
                    self._put(Mount(link, Kind.LINK, says))
                self._put(Mount(real, kind, real))

    def show_as(self, place: str, source: str | os.PathLike[str], *, kind: Kind = Kind.READ_ONLY) -> None:
        """See something of this machine at another place than its own."""
        self._put(Mount(place, kind, os.fspath(source)))

    def link(self, place: str, says: str) -> None:
        self._put(Mount(place, Kind.LINK, says))

    def hide(self, *folders: str | os.PathLike[str]) -> None:
        """See nothing of what lies there, should something be shown that it lies in."""
        for folder in folders:
            self._put(Mount(trail(os.fspath(folder))[1], Kind.HIDDEN))

    def copy(self) -> "Sight":
        return Sight(self._mounts.values())

    def mounts(self) -> tuple[Mount, ...]:
        """In order, and without what another one shows already."""
        kept: dict[str, Mount] = {}
        for mount in sorted(self._mounts.values(), key=lambda mount: mount.place.split("/")):
            around = next((kept[above] for above in _above(mount.place) if above in kept), None)
            if not _is_seen_anyway(mount, around):
                kept[mount.place] = mount
        return tuple(kept.values())

    def _put(self, mount: Mount) -> None:
        found = self._mounts.get(mount.place)
        if found is None or found.kind < mount.kind:
            self._mounts[mount.place] = mount


def trail(place: str) -> tuple[list[tuple[str, str]], str]:
    """The symbolic links on the way to an absolute path, each with what it says, and where the way ends.

    Raises OSError where it never ends.
    """
    links: list[tuple[str, str]] = []
    names = _names(place)
    here = ""
    while names:
        name = names.pop()
        if name == "..":
            here = here.rpartition("/")[0]
            continue
        try:
            says = os.readlink(f"{here}/{name}")  # noqa: PTH115 (for each part of each place)
        except OSError:  # no link
            here = f"{here}/{name}"
            continue
        links.append((f"{here}/{name}", says))
        if len(links) > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), place)
        names += _names(says)
        if says.startswith("/"):
            here = ""
    return links, here or "/"


def _names(path: str) -> list[str]:
    """The parts of a path, the first one last."""
    return [name for name in reversed(path.split("/")) if name not in {"", "."}]


def _above(place: str) -> Iterable[str]:
    """The folders that a place lies in, the next one first."""
    return reversed(list(accumulate(place.split("/")[1:-1], lambda above, name: f"{above}/{name}", initial=""))[1:])


def _is_seen_anyway(mount: Mount, around: Mount | None) -> bool:
    if around is None or around.kind == Kind.HIDDEN:
        return mount.kind == Kind.HIDDEN
    if around.kind == Kind.LINK:  # nothing lies below a link
        return True
    if around.place != around.source:  # something else than what is there outside
        return mount.kind == Kind.HIDDEN
    return mount.kind in {Kind.LINK, around.kind}
