"""A machine that does not share the studio's folders: a mount namespace where empty ones lie over them."""

import os
import shutil

from django.conf import settings

FOLDERS = ("workspaces", "content")
_MARK = "installation"
_HIDE = f"""
cd "$0" || exit 1
for folder in {" ".join(FOLDERS)}; do mount -t tmpfs none "$folder" || exit 1; done
mount --bind /dev/null {_MARK} || exit 1
cd / && exec "$@"
"""


def without_the_studios_folders() -> tuple[str, ...]:
    """The beginning of a command that does not see them. The mark of a studio's home must be there already."""
    for folder in FOLDERS:
        (settings.STUDIO_HOME / folder).mkdir(parents=True, exist_ok=True)
    root = () if os.getuid() == 0 else ("--map-root-user",)
    return (shutil.which("unshare") or "unshare", "--mount", *root, "sh", "-c", _HIDE, str(settings.STUDIO_HOME))
