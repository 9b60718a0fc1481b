"""Which Python versions environments can be built with on this machine."""

import json
import logging
import subprocess
import sys
import threading
import time

from compute.environments.uv import uv_executable

logger = logging.getLogger(__name__)

_KEPT_S = 300.0
_LOOK_TIMEOUT_S = 20.0
_lock = threading.Lock()
_found: tuple[float, list[str]] | None = None  # (when, versions)


def buildable_versions() -> list[str]:
    """As in `["3.11", "3.13"]`, the studio's own first. Looked up at most every five minutes."""
    global _found  # noqa: PLW0603 (what was seen last, for the whole process)
    with _lock:
        if _found is None or time.monotonic() - _found[0] > _KEPT_S:
            _found = (time.monotonic(), _look())
        return list(_found[1])


def _look() -> list[str]:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = [uv_executable(), "python", "list", "--only-installed", "--output-format", "json", "--offline"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_LOOK_TIMEOUT_S)
        rows = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        logger.warning("could not ask uv for the installed Python versions: %s", error)
        return [own]
    parts = {
        (row["version_parts"]["major"], row["version_parts"]["minor"])
        for row in rows
        if row.get("implementation") == "cpython" and row.get("path")
    }
    others = sorted(f"{major}.{minor}" for major, minor in parts if (major, minor) >= (3, 9))
    return [own, *(version for version in others if version != own)]
