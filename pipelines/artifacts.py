"""What the attempts of a step left beside its outputs, read from where it lies: no row says which files there are."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, BinaryIO

from django.http import Http404

from compute.spec import ArtifactsRecord, JobResult, OutputRecord
from datastores.backends import Backend, Entry, Listing, get_backend
from datastores.folder_zip import zipped_folder
from datastores.models import Datastore
from datastores.paths import clean_path, join
from datastores.viewing.viewer import Looked
from pipelines.models import StepRun
from studio.workspaces.models import Workspace

TAKEN = 0  # stands for the number of an attempt, where a result was taken
PAGE = 500  # files and folders of one answer


class StoredFolder:
    """A folder that a step left in a datastore, or one file there. Paths are below it, and none leads out of it.

    One that is made of others (`parts`, by name) shows each as a folder.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        datastore_id: int,
        path: str,
        is_file: bool = False,
        parts: Mapping[str, OutputRecord] = MappingProxyType({}),
    ) -> None:
        """One that is a single file is a folder with that file alone, whatever lies beside it. Raises Http404."""
        datastore = Datastore.objects.filter(workspace=workspace, pk=datastore_id).first()
        if datastore is None:
            raise Http404("The datastore that this was written to is no longer registered.")
        path = clean_path(path)
        self.root, _, self.file = path.rpartition("/") if is_file else (path, "", "")
        self.parts = parts
        self.workspace = workspace
        self.datastore = datastore
        self.backend: Backend = get_backend(datastore)

    def list(self, path: str, *, after: str | None = None) -> Listing:
        part, inner = self._part(path)
        if part is not self:
            return part.list(inner, after=after)
        if self.file and not clean_path(path):
            return Listing([self.backend.stat(self._below(self.file))], None)
        listing = self.backend.list(self._below(path), after=after, limit=PAGE)
        if self.parts and not clean_path(path):  # no more than `MAX_ITEMS` of a list
            folders = [Entry(join(self.root, name), "folder") for name in sorted(self.parts)]
            return Listing([*folders, *listing.entries], listing.after)
        return listing

    def open(self, path: str) -> tuple[Entry, BinaryIO]:
        """Raises Http404 for anything but a file."""
        part, inner = self._part(path)
        entry = part._file(inner)  # noqa: SLF001 (one of its own class)
        return entry, part.backend.open_read(entry.path)

    def looked_at(self, path: str) -> Looked:
        """A file, for one of the ways of looking at it. Raises Http404 for anything but a file."""
        part, inner = self._part(path)
        return Looked(part.datastore, part.backend, part._file(inner), {})  # noqa: SLF001 (one of its own class)

    def zipped(self, path: str, *, name: str) -> Iterator[bytes]:
        """A folder with all that is in it, in a folder of that `name`. Raises UserError where there is no file."""
        part, inner = self._part(path)
        return zipped_folder(part.datastore, part._below(inner), name=name)[1]  # noqa: SLF001 (as above)

    def _part(self, path: str) -> tuple["StoredFolder", str]:
        """The part that a path leads into, and the path there; else itself."""
        name, _, inner = clean_path(path).partition("/")
        if name not in self.parts:
            return self, path
        record = self.parts[name]
        part = StoredFolder(
            self.workspace,
            datastore_id=record.datastore_id,
            path=record.path,
            is_file=record.is_file,
            parts=record.parts,
        )
        return part._part(inner)

    def _file(self, path: str) -> Entry:
        entry = self.backend.stat(self._below(path))
        if entry.kind != "file":
            raise Http404("Only files can be downloaded.")
        return entry

    def _below(self, path: str) -> str:
        cleaned = clean_path(path)
        if self.file and cleaned != self.file:
            raise Http404(f"The output is the file “{self.file}” alone.")
        return join(self.root, cleaned) if cleaned else self.root


def artifacts_by_attempt(step: StepRun, attempts: Iterable[Any]) -> dict[int, ArtifactsRecord]:
    """Of the attempts that left some (as of `queries.attempts_of`). As number 0: those of a result that was taken."""
    found = {each.number: result.artifacts for each in attempts if (result := result_of(each)) and result.artifacts}
    if (step.reused_from_id or not found) and step.outputs and step.outputs.artifacts:
        found[TAKEN] = step.outputs.artifacts
    return found


def result_of(attempt: Any) -> JobResult | None:
    """What an attempt of `queries.attempts_of` left; None where it has not ended, or left nothing."""
    result: JobResult | None = attempt.kept or (attempt.job_result if attempt.number == attempt.job_last else None)
    return result


def artifacts_json(found: dict[int, ArtifactsRecord]) -> list[dict[str, Any]]:
    """For the panel of a step: those that were taken with a result, where `attempt` is None, then the latest first."""
    return [
        {
            "attempt": number or None,
            "file_count": record.file_count,
            "size_bytes": record.size_bytes,
            "note": record.note,
        }
        for number, record in sorted(found.items(), key=lambda each: (each[0] != TAKEN, -each[0]))
    ]
