"""Environments that nobody uses make room, those first that were not used for longest, once all are over the limit."""

import logging
import os
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connection

from compute.environments.commands import run_aside
from compute.environments.places import EnvironmentsFolder
from compute.environments.uv import cache_of_this_node, uv_executable, variables_of_uv
from compute.services.builds import note_removed

logger = logging.getLogger(__name__)

_PRUNE_TIMEOUT_S = 300.0
_busy = threading.Lock()
_wanted = threading.Event()  # by somebody since the one who is at it began


def trim(folder: EnvironmentsFolder, limit_bytes: int) -> list[str]:
    """Remove what is over the limit and not in use. Returns the digests of what is gone."""
    sizes = {digest: folder.environment(digest).read_stamp().size_bytes for digest in folder.ready()}
    total, removed = sum(sizes.values()), []
    for digest in sorted(sizes, key=folder.last_used_s):
        if total <= limit_bytes:
            break
        if folder.remove(digest):
            total -= sizes[digest]
            removed.append(digest)
            note_removed(folder.place, digest, "It was not used for longest, and the others needed its room.")
    if removed:
        logger.info("removed %d environments to make room", len(removed))
    return removed


def make_room(folder: EnvironmentsFolder, missing_bytes: Callable[[], int]) -> None:
    """Remove those that are not in use, until nothing is missing on the disk. None of them where all would not do, and
    no other one after one that gave nothing back: its files may be shared with a cache.
    """
    sizes = {digest: folder.environment(digest).read_stamp().size_bytes for digest in folder.ready()}
    if sum(sizes.values()) < missing_bytes():
        return
    for digest in sorted(sizes, key=folder.last_used_s):
        missing = missing_bytes()
        if missing <= 0:
            return
        if folder.remove(digest):
            logger.info("removed environment %s: the disk is nearly full", digest)
            note_removed(folder.place, digest, "It was not used for longest, and the disk was nearly full.")
            if missing_bytes() >= missing:
                return


def trim_soon(folder: EnvironmentsFolder) -> None:
    """In a thread of its own: nobody waits for it. Whoever is at it looks again afterwards."""
    _wanted.set()
    threading.Thread(target=_trim_and_prune, args=(folder,), name="environment trimmer", daemon=True).start()


def _trim_and_prune(folder: EnvironmentsFolder) -> None:
    # Asked again after the lock is free: a wish may have come in between the last look and that.
    while _wanted.is_set() and _busy.acquire(blocking=False):
        try:
            while _wanted.is_set():
                _wanted.clear()
                folder.clear_litter()
                if trim(folder, settings.ENVIRONMENTS_BYTES):
                    prune_cache()
        except (DatabaseFailure, OSError) as error:
            logger.warning("could not remove environments, the next build tries again: %s", error)
        finally:
            connection.close()
            _busy.release()


def prune_cache() -> None:
    """Let go of the files that only uv's cache still holds, where it is the node's own."""
    if os.environ.get("UV_CACHE_DIR"):
        return
    command = [uv_executable(), "cache", "prune", "--ci", "--cache-dir", str(cache_of_this_node())]
    exit_code, _ = run_aside(command, env=variables_of_uv(os.environ), limit_s=_PRUNE_TIMEOUT_S)
    if exit_code != 0:
        logger.warning("could not clear the cache of packages: uv ended with %s", exit_code)
