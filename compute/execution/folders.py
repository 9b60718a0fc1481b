"""The folders of an attempt: its code, its home, its temporary files, its inputs, and the outputs that it writes."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from django.conf import settings

from compute.execution.reasons import StepFailure, of_full_disk
from compute.services.leases import Lease
from compute.spec import JobInput
from datastores.backends import Backend, get_backend
from datastores.models import DataPath, Datastore
from datastores.paths import is_glob
from datastores.snapshots import materialise
from studio.lib.problems import UserError

MIN_FREE_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Output:
    """A folder that the step writes: where it is here, and what it is called in its datastore."""

    folder: Path
    datastore_id: int
    path: str


class AttemptFolders:
    """Below NODE_HOME/attempts, one folder for each attempt, removed when it is over."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.root = Path(settings.NODE_HOME) / "attempts" / lease.token.hex
        # The attempt's folder is the step's home: making and removing folders is most of what a short step costs.
        self.home = self.root
        self.code, self.tmp = self.root / "code", self.root / "tmp"
        self.inputs: dict[str, Path] = {}
        self.outputs: dict[str, Output] = {}

    def make(self, home: Path) -> None:
        """Lay everything out. `home` holds what the home folder begins with. Raises StepFailure, OSError."""
        self._require_room()
        if home.is_dir():
            shutil.copytree(home, self.root)
        else:
            self.root.mkdir(parents=True)
        if self.lease.spec.snapshot is None:
            self.code.mkdir()
        else:
            materialise(self.lease.workspace_id, self.lease.spec.snapshot, self.code)
        self.tmp.mkdir()
        backends = self._backends()
        for name, data in self.lease.spec.inputs.items():
            self.inputs[name] = self._input(name, data, backends)
        for name, output in self.lease.spec.outputs.items():
            path = output.path.replace("{attempt}", str(self.lease.attempt))
            folder = _local(backends, output.datastore_id, path, f"Output “{name}”")
            folder.mkdir(parents=True, exist_ok=True)
            self.outputs[name] = Output(folder, output.datastore_id, path)

    def remove(self) -> None:
        """Gone, whatever the step did to it."""
        shutil.rmtree(self.root, onerror=_make_writable_and_retry)

    def _require_room(self) -> None:
        home = Path(settings.NODE_HOME)
        home.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(home).free
        if free < MIN_FREE_BYTES:
            raise StepFailure(of_full_disk(f"less than 200 MB are free where node files lie ({free // 1024**2} MB)"))

    def _backends(self) -> dict[int, Backend]:
        spec = self.lease.spec
        wanted = {path.datastore_id for data in spec.inputs.values() for path in data.paths if path.datastore_id}
        wanted |= {output.datastore_id for output in spec.outputs.values()}
        if not wanted:
            return {}
        rows = Datastore.objects.filter(pk__in=wanted, workspace_id=self.lease.workspace_id)
        try:
            return {row.pk: get_backend(row) for row in rows}
        except UserError as error:
            raise StepFailure(str(error)) from error

    def _input(self, name: str, data: JobInput, backends: Mapping[int, Backend]) -> Path:
        label = f"Input “{name}”"
        if len(data.paths) == 1 and not is_glob(data.paths[0].path):
            place = _local(backends, data.paths[0].datastore_id or 0, data.paths[0].path, label)
            if not place.exists():
                raise StepFailure(f"{label}: there is nothing at “{data.paths[0].path}” in its datastore.")
            return place
        folder = self.root / "inputs" / name
        folder.mkdir(parents=True)
        # What a single glob finds lies as below its own folder; what several paths find, as below the datastore.
        above = _folder_of(data.paths[0].path) if len(data.paths) == 1 else ""
        linked = sum(self._link(folder, path, above, backends, label) for path in data.paths)
        if not linked:
            paths = ", ".join(f"“{path.path}”" for path in data.paths)
            raise StepFailure(f"{label}: no file matches {paths} in its datastore.")
        return folder

    def _link(self, folder: Path, data: DataPath, above: str, backends: Mapping[int, Backend], label: str) -> int:
        """A link for every file that a path means, at the file's path without `above`. Returns how many."""
        backend = _backend(backends, data.datastore_id or 0, label)
        made: set[Path] = set()
        count = 0
        for entry in backend.glob(data.path):
            here = backend.local_path(entry.path)
            if here is None:
                raise StepFailure(f"{label}: its datastore can't be read in place on this node.")
            link = folder / entry.path.removeprefix(above)
            if link.parent not in made:
                link.parent.mkdir(parents=True, exist_ok=True)
                made.add(link.parent)
            if not link.is_symlink():
                link.symlink_to(here)
            count += 1
        return count


def _folder_of(glob: str) -> str:
    """The folders that a glob names before its first pattern, with a closing `/`."""
    parts = glob.split("/")[:-1]
    fixed = list(takewhile(lambda part: not is_glob(part), parts))
    return "".join(f"{part}/" for part in fixed)


def _backend(backends: Mapping[int, Backend], datastore_id: int, label: str) -> Backend:
    backend = backends.get(datastore_id)
    if backend is None:
        raise StepFailure(f"{label}: its datastore is no longer in this workspace.")
    return backend


def _local(backends: Mapping[int, Backend], datastore_id: int, path: str, label: str) -> Path:
    try:
        place = _backend(backends, datastore_id, label).local_path(path)
    except UserError as error:
        raise StepFailure(f"{label}: {error}") from error
    if place is None:
        raise StepFailure(f"{label}: its datastore can't be reached as a folder on this node.")
    return place


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
