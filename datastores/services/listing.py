"""Remember what a version pointed at: at once where that is quick, else the data worker does it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from django.utils import timezone

from datastores.backends.interface import Unreachable
from datastores.listings import Listed, ListingStore, write_listing
from datastores.models import DatasetVersion
from datastores.sources import Definition, FileDefinition, FilesSource, paths_of
from studio.lib.problems import UserError

AT_ONCE_S = 2.0  # a person waits so long for a version to be made


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the data came to, before a version is made of it.

    `listed` is None where there was no time for all of it, or where it could not be listed: `error` says why.
    """

    listed: Listed | None = None
    error: str = ""

    def forget(self, workspace_id: int) -> None:
        """Nothing was made of it: its list goes."""
        if self.listed is not None:
            ListingStore(workspace_id).remove(self.listed.digest)


class _OutOfTime(Exception):  # noqa: N818 (it ends the work, nothing went wrong)
    pass


def reads_files(definition: Definition) -> bool:
    """Whether there is anything to list: what a query answers is known only to its database."""
    return isinstance(definition, FileDefinition) or isinstance(definition.source, FilesSource)


def look_at(definition: Definition, *, workspace_id: int, budget_s: float = AT_ONCE_S) -> Look:
    """What `definition` points at now, as far as that can be listed within `budget_s`."""
    if not reads_files(definition):
        return Look()
    deadline = time.monotonic() + budget_s

    def check() -> None:
        if time.monotonic() > deadline:
            raise _OutOfTime

    try:
        return Look(write_listing(paths_of(definition), workspace_id=workspace_id, check=check))
    except _OutOfTime:
        return Look()
    except Unreachable:
        return Look()  # the data worker tries again
    except UserError as error:
        return Look(error=str(error))


def list_version(version_id: int, check: Callable[[], None] = lambda: None) -> bool:
    """List what a version points at, and keep the list with it. Returns whether this call did so.

    Harmless to call twice, also at once: the first to finish wins. `check` is asked all along; what it raises ends the
    work, and the version still waits; so does Unreachable, for trying again may help. What can't be listed says why.
    """
    version = DatasetVersion.objects.filter(pk=version_id, listed_at=None).select_related("dataset").first()
    if version is None:
        return False
    workspace_id = version.dataset.workspace_id
    if not reads_files(version.definition):
        return _keep(version, {})
    try:
        listed = write_listing(paths_of(version.definition), workspace_id=workspace_id, check=check)
    except Unreachable:
        raise
    except UserError as error:
        return _keep(version, {"listing_error": str(error)})
    is_kept = _keep(
        version,
        {
            "fingerprint": listed.fingerprint,
            "file_count": listed.file_count,
            "size_bytes": listed.size_bytes,
            "listing": listed.digest,
        },
    )
    if not is_kept:
        ListingStore(workspace_id).remove(listed.digest)
    return is_kept


def _keep(version: DatasetVersion, found: dict[str, object]) -> bool:
    changes = {**found, "listed_at": timezone.now()}
    return DatasetVersion.objects.filter(pk=version.pk, listed_at=None).update(**changes) == 1
