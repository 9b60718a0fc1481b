"""Makes the archives of the SDK that pip installs: PEP 517, with the standard library alone.

So `pip install` of the SDK asks no package index for anything, on a closed network too. Equal files, equal archives.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import re
import tarfile
import zipfile
from collections.abc import Iterator

_NAME = "studio_sdk"
_BESIDE = ("pyproject.toml", "README.md", "building/studio_sdk_building.py")
_TIME = (1980, 1, 1, 0, 0, 0)
_TAG = "py3-none-any"
_SCRIPTS = ("studio-sdk = studio_sdk._command:main", "studio = studio_sdk._studio:main")


def get_requires_for_build_wheel(config_settings: object = None) -> list[str]:  # noqa: ARG001 (PEP 517)
    return []


def get_requires_for_build_sdist(config_settings: object = None) -> list[str]:  # noqa: ARG001
    return []


def build_wheel(wheel_directory: str, config_settings: object = None, metadata_directory: object = None) -> str:  # noqa: ARG001
    name, content = wheel_of(os.getcwd())
    with open(os.path.join(wheel_directory, name), "wb") as file:
        file.write(content)
    return name


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:  # noqa: ARG001
    name, content = sdist_of(os.getcwd())
    with open(os.path.join(sdist_directory, name), "wb") as file:
        file.write(content)
    return name


def wheel_of(folder: str) -> tuple[str, bytes]:
    """The wheel of the project in `folder`: its file name and its bytes."""
    version = _said(folder, "version")
    info = f"{_NAME}-{version}.dist-info"
    files = dict(_modules(folder))
    files[f"{info}/METADATA"] = _metadata(folder)
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: studio-sdk\nRoot-Is-Purelib: true\nTag: {_TAG}\n".encode()
    files[f"{info}/entry_points.txt"] = "\n".join(["[console_scripts]", *_SCRIPTS, ""]).encode()
    record = [f"{path},sha256={_digest(content)},{len(content)}" for path, content in files.items()]
    files[f"{info}/RECORD"] = ("\n".join([*record, f"{info}/RECORD,,"]) + "\n").encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return f"{_NAME}-{version}-{_TAG}.whl", made.getvalue()


def sdist_of(folder: str) -> tuple[str, bytes]:
    """The source archive of the project in `folder`: its file name and its bytes."""
    root = f"{_NAME}-{_said(folder, 'version')}"
    files = {**dict(_modules(folder)), "PKG-INFO": _metadata(folder)}
    for path in _BESIDE:
        with open(os.path.join(folder, *path.split("/")), "rb") as file:
            files[path] = file.read()
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(files):
            entry = tarfile.TarInfo(f"{root}/{path}")
            entry.size, entry.mode = len(files[path]), 0o644
            archive.addfile(entry, io.BytesIO(files[path]))
    return f"{root}.tar.gz", made.getvalue()


def _modules(folder: str) -> Iterator[tuple[str, bytes]]:
    found = []
    for place, folders, names in os.walk(os.path.join(folder, _NAME)):
        folders[:] = [each for each in folders if each != "__pycache__"]
        found += [os.path.join(place, name) for name in names if name.endswith(".py") or name == "py.typed"]
    for path in sorted(found):
        with open(path, "rb") as file:
            yield os.path.relpath(path, folder).replace(os.sep, "/"), file.read()


def _metadata(folder: str) -> bytes:
    with open(os.path.join(folder, "README.md"), encoding="utf-8") as file:
        readme = file.read()
    lines = [
        "Metadata-Version: 2.1",
        "Name: studio-sdk",
        f"Version: {_said(folder, 'version')}",
        f"Summary: {_said(folder, 'description')}",
        f"Requires-Python: {_said(folder, 'requires-python')}",
        "License: MIT",
        "Provides-Extra: cli",
        'Requires-Dist: click>=8.1; extra == "cli"',
        "Description-Content-Type: text/markdown",
    ]
    return ("\n".join(lines) + "\n\n" + readme).encode()


def _said(folder: str, key: str) -> str:
    """Of pyproject.toml, which Python reads by itself from 3.11 on alone."""
    with open(os.path.join(folder, "pyproject.toml"), encoding="utf-8") as file:
        match = re.search(rf'^{key} = "(.*)"$', file.read(), re.MULTILINE)
    assert match is not None, f"pyproject.toml says no {key}"
    return match.group(1)


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
