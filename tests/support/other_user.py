"""A process of an ordinary user, where the tests run as root: with an interpreter that only root may reach."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from django.conf import settings

NOBODY = 65534


def as_nobody() -> tuple[str, ...]:
    """The beginning of a command that is run by `nobody`; nothing where this is an ordinary user already."""
    if os.geteuid() != 0:
        return ()
    needed = {Path(os.path.realpath(sys.executable)).parent.parent, Path(settings.BASE_DIR)}
    hidden = {folder: closed for folder in needed if (closed := _first_closed(folder))}
    # Each folder that is closed to others is covered, for this process alone, by one that shows what it needs.
    lines = ["set -e", "stage=$(mktemp -d)"]
    for number, folder in enumerate(hidden):
        lines.append(f"mkdir $stage/{number} && mount --bind {quote(str(folder))} $stage/{number}")
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {quote(str(closed))}" for closed in set(hidden.values())]
    for number, folder in enumerate(hidden):
        lines.append(f"mkdir -p {quote(str(folder))} && mount --move $stage/{number} {quote(str(folder))}")
    user = f"--reuid {NOBODY} --regid {NOBODY} --clear-groups --pdeathsig TERM"
    lines += ["rm -d $stage/* $stage 2>/dev/null || true", f'exec setpriv {user} "$@"']
    return ("unshare", "--mount", "sh", "-c", "\n".join(lines), "sh")


@contextmanager
def readable_by_nobody(home: Path) -> Iterator[None]:
    """The test's own database and sockets, for as long as it takes."""
    if os.geteuid() != 0:
        yield
        return
    before = {place: place.stat() for place in (home.parent, home, *home.glob("*.sqlite3*"), *home.glob("*.sock"))}
    for place in before:
        os.chown(place, NOBODY, -1)
    try:
        yield
    finally:
        for place, found in before.items():
            if place.exists():
                os.chown(place, found.st_uid, -1)


def _first_closed(folder: Path) -> Path | None:
    return next((each for each in [*reversed(folder.parents), folder] if not each.stat().st_mode & stat.S_IXOTH), None)
