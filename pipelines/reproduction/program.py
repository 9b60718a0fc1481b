#!/usr/bin/env python3
"""Of an archive that runs a step again: `fetch` brings what it reads, `compare` looks at what it wrote.

Standard library only, Python 3.8 and newer.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any, Iterator  # noqa: UP035 (Python 3.8)

HERE = Path(__file__).resolve().parent
READ_BYTES = 1024 * 1024
MISSING = " (missing).txt"  # behind an input's name: a file that says why it is not there


def main(arguments: list[str]) -> int:
    step = json.loads((HERE / "step.json").read_text(encoding="utf-8"))
    if arguments == ["fetch"]:
        return fetch(step)
    if arguments == ["compare"]:
        return compare(step)
    sys.stderr.write("Say fetch or compare.\n")
    return 2


def fetch(step: dict[str, Any]) -> int:
    """Bring every input that is not here. Returns the exit code."""
    for given in step["inputs"]:
        why = what_is_missing(given)
        if why is None and given["download"] and not (HERE / "inputs" / given["name"]).exists():
            try:
                bring(given, step["studio"])
            except urllib.error.HTTPError as error:
                why = f"it could not be fetched: the studio answered {error.code}: {said(error)}"
            except (OSError, zipfile.BadZipFile) as error:
                why = f"it could not be fetched: {error}"
            else:
                why = what_is_missing(given)
        if why is not None:
            sys.stderr.write(f"Input {given['name']}: {why}\n")
            return 1
    return 0


def what_is_missing(given: dict[str, Any]) -> str | None:
    """What the studio said of an input that it could not read, once: the next time it is asked again."""
    missing = HERE / "inputs" / f"{given['name']}{MISSING}"
    if not missing.exists():
        return None
    why = missing.read_text(encoding="utf-8").strip()
    missing.unlink()
    return why


def bring(given: dict[str, Any], studio: str) -> None:
    studio, token = os.environ.get("STUDIO_URL") or studio, os.environ.get("STUDIO_TOKEN")
    if not token:
        raise OSError(
            "it is not in this archive. Set STUDIO_TOKEN to a token of yours, and STUDIO_URL to the studio's address "
            f"if that is not {studio} any more."
        )
    address = studio.rstrip("/") + given["download"]
    if not address.startswith(("http://", "https://")):
        raise OSError("STUDIO_URL must begin with http:// or https://.")
    say(f"Fetching input {given['name']} from {studio} …")
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 (looked at)
    # Beside its place first, so that half of it is never taken for all.
    with tempfile.TemporaryDirectory(dir=str(HERE), prefix=".fetching-") as folder:
        archive, whole = Path(folder, "input.zip"), Path(folder, "whole")
        with urllib.request.urlopen(request) as answer, archive.open("wb") as file:  # noqa: S310
            shutil.copyfileobj(answer, file, READ_BYTES)
        with zipfile.ZipFile(str(archive)) as opened:
            opened.extractall(str(whole))
        (HERE / "inputs").mkdir(exist_ok=True)
        for entry in sorted(whole.iterdir()):
            entry.rename(HERE / "inputs" / entry.name)


def said(error: urllib.error.HTTPError) -> str:
    """What the studio says in words, or else the words of HTTP."""
    try:
        answer = json.loads(error.read().decode("utf-8"))
        return str(answer["problems"][0]["message"])
    except (ValueError, KeyError, IndexError, TypeError):
        return str(error.reason)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def compare(step: dict[str, Any]) -> int:
    """Say of every output whether it is the same as it was then. Returns 0 also where one is not: many steps differ."""
    for output in step["outputs"]:
        digest, count = fingerprint(HERE / "outputs" / output["name"], output["file"])
        found = f"outputs/{output['name']}: {count} {'file' if count == 1 else 'files'}"
        if output["fingerprint"] is None:
            say(f"{found}; the step had left nothing there.")
        elif digest == output["fingerprint"]:
            say(f"{found}, the same as in {step['run']}.")
        else:
            say(f"{found}, not the same as in {step['run']}.")
    return 0


def fingerprint(root: Path, only: str | None) -> tuple[str, int]:
    """SHA-256 over path and digest of each file, as the studio counts them; and how many there are."""
    digest, count = hashlib.sha256(), 0
    for relative, path in [(only, root / only)] if only else files_below(root):
        hashed = hashed_file(path, root)
        if hashed is not None:
            encoded = os.fsencode(relative)
            digest.update(b"%d:%b:%b\n" % (len(encoded), encoded, hashed))
            count += 1
    return digest.hexdigest(), count


def files_below(root: Path) -> Iterator[tuple[str, Path]]:
    """By relative path, in the order of its bytes folder by folder."""
    pending = [""]
    while pending:
        relative = pending.pop()
        if relative and not relative.endswith("/"):
            yield relative, root / relative
        elif (root / relative).is_dir():
            with os.scandir(str(root / relative)) as found:
                names = [entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "") for entry in found]
            pending += [relative + name for name in sorted(names, key=os.fsencode, reverse=True)]


def hashed_file(path: Path, root: Path) -> bytes | None:
    """None for what is no file of the output."""
    if path.is_symlink() and root.resolve() not in path.resolve().parents:
        return None
    if not path.exists() or not stat.S_ISREG(path.stat().st_mode):
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for data in iter(lambda: file.read(READ_BYTES), b""):
            digest.update(data)
    return digest.hexdigest().encode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
