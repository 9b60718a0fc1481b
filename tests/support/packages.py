"""A package index of our own: small packages are made here, so that a build needs nobody else and takes a moment."""

import hashlib
import tarfile
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path


class PackageIndex:
    """A folder with the layout of the simple repository API (PEP 503), for `file://` or any web server."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.simple = root / "simple"
        self.simple.mkdir(parents=True)

    @property
    def url(self) -> str:
        return self.simple.as_uri()

    @property
    def variables(self) -> dict[str, str]:
        """What a node is started with to take its packages from here, and from nowhere else."""
        return {"UV_DEFAULT_INDEX": self.url, "PIP_FIND_LINKS": "", "UV_CACHE_DIR": str(self.root / "cache")}

    def wheel(
        self, name: str, version: str, *, requires: Sequence[str] = (), files: Mapping[str, bytes] | None = None
    ) -> Path:
        """A module `name` with `__version__`."""
        info = f"{name}-{version}.dist-info"
        content = {
            f"{name}.py": f'__version__ = "{version}"\n'.encode(),
            **(files or {}),
            f"{info}/METADATA": _metadata(name, version, requires),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},{_record_hash(data)},{len(data)}\n" for path, data in content.items())
        content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
        packed = BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path, data in content.items():
                archive.writestr(path, data)
        return self._publish(name, f"{name}-{version}-py3-none-any.whl", packed.getvalue())

    def sdist(self, name: str, version: str, *, files: Mapping[str, bytes]) -> Path:
        """Sources alone: to be built where they are installed."""
        packed = BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for path, data in {"PKG-INFO": _metadata(name, version, ()), **files}.items():
                member = tarfile.TarInfo(f"{name}-{version}/{path}")
                member.size = len(data)
                archive.addfile(member, BytesIO(data))
        return self._publish(name, f"{name}-{version}.tar.gz", packed.getvalue())

    def withdraw(self, name: str) -> None:
        """Nothing of that name is there any more."""
        for file in (self.simple / name).iterdir():
            file.unlink()
        (self.simple / name).rmdir()

    def _publish(self, name: str, file_name: str, data: bytes) -> Path:
        folder = self.simple / name
        folder.mkdir(exist_ok=True)
        file = folder / file_name
        file.write_bytes(data)
        links = (
            f'<a href="{each.name}#sha256={hashlib.sha256(each.read_bytes()).hexdigest()}">{each.name}</a><br>\n'
            for each in sorted(folder.iterdir())
            if each.suffix != ".html"
        )
        (folder / "index.html").write_text(f"<!doctype html><html><body>\n{''.join(links)}</body></html>\n")
        return file


def _metadata(name: str, version: str, requires: Sequence[str]) -> bytes:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _record_hash(data: bytes) -> str:
    return f"sha256={urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()}"
