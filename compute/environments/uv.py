"""Where `uv` is: it builds environments."""

import shutil

from uv import find_uv_bin


def uv_executable() -> str:
    """The path of the `uv` that the studio was installed with, else of the one on PATH."""
    try:
        return find_uv_bin()
    except FileNotFoundError:
        return shutil.which("uv") or "uv"
