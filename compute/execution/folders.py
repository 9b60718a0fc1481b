"""The folder of an attempt: its code, its home, its temporary files, copies of its inputs, outputs on their way."""

import os
import shutil
from functools import partial
from pathlib import Path

from django.conf import settings

from compute.data.cache import DataCache
from compute.database import patiently
from compute.execution.processes import unmount_below
from compute.execution.room import require_room
from compute.services.leases import Lease
from datastores.snapshots import materialise


class AttemptFolders:
    """Below NODE_HOME/attempts, one folder for each attempt, removed when it is over."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.root = Path(settings.NODE_HOME) / "attempts" / lease.token.hex
        # The attempt's folder is the step's home: making and removing folders is most of what a short step costs.
        self.home = self.root
        self.code, self.tmp = self.root / "code", self.root / "tmp"
        self.inputs, self.mounts = self.root / "inputs", self.root / "mounts"
        self.programs = self.root / "programs"
        self.spool = self.root / ".spool"  # where the step says what it measures
        self.uploads = self.root / ".uploads"  # where the SDK puts what the step uploads by call
        self.data = self.root / ".data.json"  # where its inputs and outputs lie, for the SDK

    def make_root(self) -> None:
        """Only the folder itself. Raises StepFailure, OSError."""
        require_room()
        self.root.mkdir(parents=True)

    def make(self, home: Path) -> None:
        """Lay out code, home and temporary files. `home` holds what the home folder begins with.

        Raises StepFailure, OSError.
        """
        require_room()
        if home.is_dir() and not home.is_symlink():
            # Whoever built the environment may have put anything there: links stay links, and our own names free.
            places = (self.code, self.tmp, self.inputs, self.mounts, self.programs, self.spool, self.uploads, self.data)
            ours = {place.name for place in places}
            shutil.copytree(
                home, self.root, symlinks=True, ignore=lambda place, _: ours if place == str(home) else set()
            )
        else:
            self.root.mkdir(parents=True)
        if self.lease.spec.snapshot is None:
            self.code.mkdir()
        else:
            # It asks the database for the names of the files before it lays out the first of them.
            patiently(partial(materialise, self.lease.workspace_id, self.lease.spec.snapshot, self.code))
        self.tmp.mkdir()

    def remove(self) -> None:
        """Gone, whatever the step did to it. Never what was mounted into it."""
        had_copies = os.path.lexists(self.inputs)
        if os.path.lexists(self.mounts):
            unmount_below(self.root)
        shutil.rmtree(self.root, onerror=_make_writable_and_retry)
        if had_copies:
            DataCache.of_this_node().trim()


def _make_writable_and_retry(remove: object, path: str, error: object) -> None:  # noqa: ARG001 (shutil's signature)
    place = Path(path)
    try:
        place.parent.chmod(0o700)
        if place.is_dir() and not place.is_symlink():
            place.chmod(0o700)
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)
    except OSError:
        pass  # the next start of the node tries again
