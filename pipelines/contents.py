"""What the data that a definition points at is now, as one digest: equal digests mean that a step would read the same.

Empty where nobody can tell: the answer of a query, the last days of a table, a datastore that doesn't answer in time.
"""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlowError

from datastores.places import Places
from datastores.sources import Definition, QuerySource, TabularDefinition, TimeFilter, paths_of
from studio.lib.problems import UserError

# Whoever submits waits for this. A bucket of millions of objects takes longer: its step runs, and reuses nothing.
LOOK_S = 15.0
AT_ONCE = 8


def content_of(definition: Definition, *, workspace_id: int, within_s: float = LOOK_S) -> str:
    """SHA-256 in hexadecimal, or "" where it can't be told."""
    if not can_be_told(definition):
        return ""
    try:
        files = _files(definition, workspace_id, within_s)
    except (UserError, OSError, TooSlowError):
        return ""
    if isinstance(definition, TabularDefinition):
        how = definition.model_dump(mode="json", exclude={"derived_from", "mltable"})
        files = _digest([json.dumps(how, sort_keys=True), files])
    return files


def can_be_told(definition: Definition) -> bool:
    """Whether the same definition over the same files is always the same data."""
    if not isinstance(definition, TabularDefinition):
        return True
    if isinstance(definition.source, QuerySource):
        return False
    return not any(isinstance(each, TimeFilter) and each.recent_s for each in definition.transformations)


def _files(definition: Definition, workspace_id: int, within_s: float) -> str:
    paths = sorted(paths_of(definition), key=lambda path: (path.datastore_id or 0, path.path))
    pool = ThreadPoolExecutor(max_workers=min(AT_ONCE, max(1, len(paths))))
    try:
        with Places(workspace_id) as places:
            places.load(paths)
            opened = [places.of(path) for path in paths]  # here: the database is this thread's
            looked = pool.map(lambda place: place.backend.fingerprint(place.path), opened, timeout=within_s)
            return _digest(
                [f"{path.datastore_id}\0{path.path}\0{each}" for path, each in zip(paths, looked, strict=True)]
            )
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")).hexdigest()
