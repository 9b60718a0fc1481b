"""Mounted inputs: a file system in user space, served by a process of its own that ends with the attempt.

The process carries a marker of the node's incarnation, so that the guardian ends it with the rest; the mount itself
carries the same marker as the name of its device, so that whoever finds it afterwards knows whose it was.
"""

import contextlib
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from compute.data.desk import Desk
from compute.data.helper import Helper
from compute.execution.processes import unmount_below
from compute.execution.reasons import StepFailure
from compute.logs.writer import LogFullError
from datastores.places import Place

_FUSE = Path("/dev/fuse")
_SHOWN = 20


class NoFuseError(Exception):
    """This node can't mount; the text says why."""


@dataclass(frozen=True, slots=True)
class View:
    """What is seen of a store: a folder with all below it, or single files by the names that they are given."""

    root: str = ""
    files: dict[str, str] = field(default_factory=dict)


class Mounts:
    """The mounted file systems of one attempt, below `folder`. Close it, whatever happened."""

    def __init__(self, folder: Path, desk: Desk) -> None:
        self.folder, self.desk = folder, desk
        self._helper = Helper(desk)
        self._names: list[str] = []  # of the inputs, by the number of their order

    def mount(self, name: str, place: Place, view: View, last_name: str) -> Path:
        """Where the view is now. Raises NoFuseError, StepFailure, InterruptedByWish."""
        if not os.access(_FUSE, os.R_OK | os.W_OK):
            raise NoFuseError("it has no /dev/fuse" if not _FUSE.exists() else "it may not use /dev/fuse")
        point = self.folder / str(len(self._names)) / last_name
        point.mkdir(parents=True)
        self._names.append(name)
        datastore = place.datastore
        answer = self._helper.order(
            {
                "kind": datastore.kind if datastore else "http",
                "config": datastore.config if datastore else {"url": place.backend.location},
                "secrets": datastore.credentials.open() if datastore and datastore.credentials else {},
                "view": asdict(view),
                "point": str(point),
                "device": self._helper.marker,
            }
        )
        match answer.get("is"):
            case "mounted":
                self.desk.say(f"Mounted {name}: its files are read from {place.backend.location} as they are opened.")
                return point
            case "no fuse":
                raise NoFuseError(str(answer["why"]))
            case _:
                raise StepFailure(
                    f"Input “{name}”: {answer.get('why') or 'it could not be mounted.'}",
                    may_retry=bool(answer.get("may_retry")),
                )

    def close(self) -> None:
        """Unmount all, lazily where something still holds it, and say what could not be read."""
        for number, trouble in self._helper.end()[:_SHOWN]:
            with contextlib.suppress(LogFullError):
                self.desk.log.say(f"Input “{self._names[number]}” (mounted): {trouble}")
        if self.folder.exists():
            unmount_below(self.folder)
