"""NODE_HOME/warm: a folder for each node of the machine, for what its nests write while they are no step.

A node holds its folder by a lock as long as it lives. Of a node that was killed the lock is free, and the next one that
starts removes the folder.
"""

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder_of_this_node(parent: Path) -> Iterator[Path]:
    """A new one, and nobody else's. It goes with the block, if what is in it has gone."""
    with contextlib.ExitStack() as held:
        with _door(parent):
            for folder in [entry for entry in parent.iterdir() if entry.is_dir()]:
                # Somebody holds it, or just took it away.
                with contextlib.suppress(OSError), _held(folder):
                    shutil.rmtree(folder, ignore_errors=True)
            folder = parent / uuid.uuid4().hex[:12]
            folder.mkdir()
            held.enter_context(_held(folder))
        yield folder
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextmanager
def _door(parent: Path) -> Iterator[None]:
    """One node at a time: between the birth of a folder and its lock it looks like one that was left."""
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Raises BlockingIOError where somebody else holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
