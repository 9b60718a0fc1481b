"""Room on a node's disk: what can be fetched or built again goes before a step, or a build, fails for want of it."""

import logging
import shutil
import threading
from pathlib import Path

from django.conf import settings
from django.db import Error as DatabaseFailure

from compute.data.cache import MIN_FREE_BYTES, DataCache
from compute.environments.places import EnvironmentsFolder
from compute.environments.trimming import make_room, prune_cache
from compute.execution.reasons import StepFailure, of_full_disk

logger = logging.getLogger(__name__)

_making_room = threading.Lock()


def require_room() -> None:
    """Raises StepFailure where the node's disk is nearly full, and nothing of the node's own is left to be removed."""
    home = Path(settings.NODE_HOME)
    home.mkdir(parents=True, exist_ok=True)
    if _missing_bytes(home) <= 0:
        return
    with _making_room:  # whoever waited for it may find that there is room
        for remove in (prune_cache, DataCache.of_this_node().make_room, _remove_environments):
            if _missing_bytes(home) > 0:
                remove()
    if _missing_bytes(home) > 0:
        free = f"{shutil.disk_usage(home).free // 1024**2} MB"
        least = f"{MIN_FREE_BYTES // 1024**2} MB"
        raise StepFailure(of_full_disk(f"less than {least} are free where the node's files lie ({free})"))


def _missing_bytes(home: Path) -> int:
    return MIN_FREE_BYTES - shutil.disk_usage(home).free


def _remove_environments() -> None:
    home = Path(settings.NODE_HOME)
    try:
        make_room(EnvironmentsFolder.of_this_node(), lambda: _missing_bytes(home))
    except (DatabaseFailure, OSError) as error:
        logger.warning("could not remove environments to make room: %s", error)
