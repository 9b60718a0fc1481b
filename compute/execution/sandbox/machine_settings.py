"""What steps see of /etc: a copy, made anew when the machine's own changes.

One folder is shown sooner than thirty files are, each of which bubblewrap takes a while for.

    NODE_HOME/sandbox/etc-<digest of what was copied, and when that was changed>/
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

# Names and addresses, programs' defaults, certificates of authorities. Keys, passwords and service settings stay out.
SHOWN = (
    "alternatives",
    "bash.bashrc",
    "ca-certificates*",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "group",
    "host.conf",
    "hostname",
    "ImageMagick*",
    "java*",
    "krb5.conf",
    "ld.so.*",
    "locale.alias",
    "localtime",
    "magic*",
    "mime.types",
    "nsswitch.conf",
    "odbcinst.ini",
    "OpenCL",
    "os-release",
    "passwd",
    "perl",
    "pki/ca-trust/extracted",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "protocols",
    "python3*",
    "R",
    "redhat-release",
    "services",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "vulkan",
)
# These may change with every network that a laptop comes to: they are shown as they are.
LIVE = ("hosts", "resolv.conf")
_ETC = Path("/etc")
_KEPT_FOR_S = 30 * 24 * 3600  # a step may still see an older one


def copy_of_settings() -> Path:
    """The copy of what is there now."""
    found = sorted({place for pattern in SHOWN for place in _ETC.glob(pattern)})
    home = Path(settings.NODE_HOME) / "sandbox"
    copy = home / f"etc-{_digest(found)}"
    if copy.exists():
        os.utime(copy)
        return copy
    home.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=home, prefix="draft-"))
    try:
        draft.chmod(0o755)
        for place in found:
            _copy(place, draft / place.relative_to(_ETC))
        for name in LIVE:
            (draft / name).touch()
        with contextlib.suppress(OSError):  # another process was faster
            draft.rename(copy)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _remove_old(home)
    return copy


def _digest(places: list[Path]) -> str:
    digest = hashlib.sha256()
    for place in places:
        for each in _with_folders(place):
            with contextlib.suppress(OSError):
                stat = each.lstat()
                digest.update(f"{each}\0{stat.st_ino}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()[:16]


def _with_folders(place: Path) -> Iterator[Path]:
    """Whatever is put into a folder or taken out changes the folder."""
    yield place
    if place.is_dir() and not place.is_symlink():
        for folder, _, _ in os.walk(place):
            yield Path(folder)


def _copy(place: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError, shutil.Error):  # what can't be read here could not be read by steps either
        if place.is_symlink() and _is_shown(place):
            to.symlink_to(place.readlink())
        elif place.is_dir():
            shutil.copytree(place, to, symlinks=True)
        elif place.is_file():
            shutil.copy2(place, to)


def _is_shown(link: Path) -> bool:
    return link.resolve().is_relative_to("/usr")


def _remove_old(home: Path) -> None:
    for copy in home.glob("*-*"):
        with contextlib.suppress(OSError):
            if copy.stat().st_mtime < time.time() - _KEPT_FOR_S:
                shutil.rmtree(copy, ignore_errors=True)
