"""The words for how data reaches a step."""

from __future__ import annotations

DIRECT_MODE = "direct"
DOWNLOAD_MODE = "download"
MOUNT_MODE = "mount"
UPLOAD_MODE = "upload"
