"""One file to a store, verified there: as many bytes, and read back the same SHA-256."""

from collections.abc import Callable

from compute.data.progress import Progress
from compute.data.retrying import Patience
from compute.execution.reasons import StepFailure
from compute.work.streams import HashedStream, of_store
from datastores.backends import Backend, Entry

TRIES = 2  # what arrived changed once may do so by chance


def send(
    backend: Backend, path: str, opened: Callable[[], HashedStream], *, label: str, patience: Patience
) -> tuple[str, Entry]:
    """Returns the content's SHA-256 and the file as it is there now. `opened` gives it from its beginning.

    Raises StepFailure where what arrived is another content, and what stores raise.
    """
    for _ in range(TRIES):
        stream = opened()

        def write(stream: HashedStream = stream) -> Entry:
            stream.seek(0)
            entry = backend.write(path, stream)  # type: ignore[arg-type] # it reads as one
            if entry.size_bytes is not None and entry.size_bytes != stream.size_bytes:
                raise ConnectionError(f"Only {entry.size_bytes:,} of {stream.size_bytes:,} bytes of “{label}” arrived.")
            return entry

        patience.call(write)
        entry = patience.call(lambda: backend.stat(path))
        digest = stream.digest or digest_of(opened(), patience)
        there = of_store(backend, entry, patience=patience, progress=Progress(""))
        if entry.size_bytes == stream.size_bytes and digest_of(there, patience) == digest:
            return digest, entry
    raise StepFailure(
        f"“{label}” was written {TRIES} times, and is not there what was sent: its size or its SHA-256 differs. Look "
        "whether somebody else writes to the same place, and whether the datastore is healthy.",
        may_retry=True,
    )


def digest_of(stream: HashedStream, patience: Patience) -> str:
    """SHA-256 of all of it, in hexadecimal."""
    stream.seek(0)
    while stream.read(1024 * 1024):
        patience.came()
    return stream.digest
