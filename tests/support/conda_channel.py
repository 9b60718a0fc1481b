"""A conda channel in a folder: a Python that is really this machine's, and small packages beside it."""

import asyncio
import json
import os
import sys
import tarfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import rattler.index

VERSION = ".".join(map(str, sys.version_info[:3]))
SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


class CondaChannel:
    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "noarch").mkdir(parents=True)
        (root / "linux-64").mkdir()
        config = f"home = {Path(os.path.realpath(sys.executable)).parent}\nversion = {VERSION}\n".encode()
        self.package("python", VERSION, {"pyvenv.cfg": config}, links={"bin/python": os.path.realpath(sys.executable)})

    @property
    def url(self) -> str:
        return self.root.as_uri()

    def module(self, name: str, version: str, *, requires: Sequence[str] = ()) -> None:
        """A Python package that has `__version__`, as conda-forge has them."""
        info = f"{SITE}/{name}-{version}.dist-info"
        files = {
            f"{SITE}/{name}.py": f'__version__ = "{version}"\n'.encode(),
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
            f"{info}/INSTALLER": b"conda\n",
        }
        self.package(name, version, files, requires=["python", *requires])

    def package(
        self,
        name: str,
        version: str,
        files: Mapping[str, bytes],
        *,
        requires: Sequence[str] = (),
        links: Mapping[str, str] | None = None,
    ) -> None:
        index = {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "depends": list(requires),
            "subdir": "noarch",
            "noarch": "generic",
        }
        packed = BytesIO()
        with tarfile.open(fileobj=packed, mode="w:bz2") as archive:
            for path, data in {"info/index.json": json.dumps(index).encode(), **files}.items():
                member = tarfile.TarInfo(path)
                member.size = len(data)
                archive.addfile(member, BytesIO(data))
            for path, target in (links or {}).items():
                member = tarfile.TarInfo(path)
                member.type, member.linkname = tarfile.SYMTYPE, target
                archive.addfile(member)
            listed = "".join(f"{path}\n" for path in [*files, *(links or {})]).encode()
            member = tarfile.TarInfo("info/files")
            member.size = len(listed)
            archive.addfile(member, BytesIO(listed))
        (self.root / "noarch" / f"{name}-{version}-0.tar.bz2").write_bytes(packed.getvalue())
        asyncio.run(rattler.index.index_fs(self.root, write_zst=False, write_shards=False, force=True))
