"""What packages an environment has: by pip and by conda.

```python
from studio_sdk.core.conda_dependencies import CondaDependencies

packages = CondaDependencies.create(pip_packages=["scikit-learn==1.5.2"], python_version="3.11")
packages.add_pip_package("pandas<3")
```
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from studio_sdk.core._conda_yaml import CondaFile, read, written
from studio_sdk.exceptions import NotSupportedException, UserErrorException

__all__ = ["CondaDependencies"]

_NAME = re.compile(r"\A(?:[^:\s]+::)?([A-Za-z0-9][A-Za-z0-9._-]*)")
_INDEXES = (
    "Package indexes are set up by the studio's administrator, who gives them names: "
    "choose them where the environment is made in the browser."
)


class CondaDependencies:
    """A list of packages, as a conda file has it."""

    def __init__(
        self,
        conda_dependencies_file_path: str | os.PathLike[str] | None = None,
        _underlying_structure: Mapping[str, Any] | None = None,
    ) -> None:
        """Of a conda file, or without any packages."""
        if _underlying_structure is not None:
            self._file = CondaFile.of(_underlying_structure)
        elif conda_dependencies_file_path is not None:
            with open(conda_dependencies_file_path, encoding="utf-8") as file:
                self._file = read(file.read(), os.fspath(conda_dependencies_file_path))
        else:
            self._file = CondaFile()

    @staticmethod
    def create(
        pip_indexurl: str | None = None,
        pip_packages: Iterable[str] | None = None,
        conda_packages: Iterable[str] | None = None,
        python_version: str | None = None,
        pin_sdk_version: bool = True,
    ) -> CondaDependencies:
        """Without `python_version`, the studio's own default. `pin_sdk_version` means nothing: a step finds the SDK."""
        if pip_indexurl is not None:
            raise NotSupportedException(_INDEXES)
        made = CondaDependencies()
        if python_version is not None:
            made.set_python_version(python_version)
        for package in conda_packages or ():
            made.add_conda_package(package)
        for package in pip_packages or ():
            made.add_pip_package(package)
        return made

    @staticmethod
    def merge_requirements(requirements: Iterable[str]) -> list[str]:
        """Each package once: what was said last of it counts."""
        return list({_name(each): each for each in requirements}.values())

    @staticmethod
    def sdk_origin_url() -> str:
        raise NotSupportedException("A step finds the SDK by itself: leave it out.")

    @property
    def conda_channels(self) -> list[str]:
        return list(self._file.channels)

    @property
    def conda_packages(self) -> list[str]:
        """With `python` itself, where its version was said."""
        python = [f"python={self._file.python}"] if self._file.python else []
        return [*python, *self._file.conda]

    @property
    def pip_packages(self) -> list[str]:
        return list(self._file.pip)

    @property
    def pip_options(self) -> list[str]:
        return []

    def get_default_number_of_packages(self) -> tuple[int, int]:
        return 0, 0

    def get_python_version(self) -> str | None:
        return self._file.python or None

    def set_python_version(self, version: str) -> None:
        """As in `3.11`; of `3.11.7` the first two parts count."""
        if not re.fullmatch(r"\d+\.\d+(\.\d+)?", str(version)):
            raise UserErrorException(f"“{version}” is no version of Python: say it as in 3.11.")
        self._file.python = ".".join(str(version).split(".")[:2])

    def add_channel(self, channel: str) -> None:
        if channel not in self._file.channels:
            self._file.channels.append(channel)

    def remove_channel(self, channel: str) -> None:
        self._file.channels = [each for each in self._file.channels if each != channel]

    def add_conda_package(self, conda_package: str) -> None:
        if _name(conda_package) == "python":
            self.set_python_version(re.sub(r"\Apython\s*[=~>]*", "", conda_package).strip())
            return
        self.remove_conda_package(_name(conda_package))
        self._file.conda.append(conda_package)

    def remove_conda_package(self, conda_package: str) -> None:
        wanted = _name(conda_package)
        self._file.conda = [each for each in self._file.conda if _name(each) != wanted]

    def add_pip_package(self, pip_package: str) -> None:
        if pip_package.startswith("-"):
            self.set_pip_option(pip_package)
        self.remove_pip_package(pip_package)
        self._file.pip.append(pip_package)

    def remove_pip_package(self, pip_package: str) -> None:
        wanted = _name(pip_package)
        self._file.pip = [each for each in self._file.pip if _name(each) != wanted]

    def set_pip_requirements(self, pip_requirements: Iterable[str]) -> None:
        """These packages, and no others."""
        self._file.pip = []
        for each in pip_requirements:
            self.add_pip_package(each)

    def set_pip_index_url(self, index_url: str) -> None:
        raise NotSupportedException(_INDEXES)

    def set_pip_option(self, pip_option: str) -> None:
        raise NotSupportedException(f"Options of pip are not taken. {_INDEXES}")

    def remove_pip_option(self, pip_option: str) -> None:
        """There are none."""

    def add_tensorflow_pip_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        self.add_pip_package(f"tensorflow=={version}" if version else "tensorflow")

    def add_tensorflow_conda_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        self.add_conda_package(f"tensorflow={version}" if version else "tensorflow")

    def add_cntk_package(self, core_type: str = "cpu") -> None:
        raise NotSupportedException("CNTK is no longer made: use PyTorch or TensorFlow.")

    def save(self, path: str | os.PathLike[str] | None = None) -> str:
        """Write a conda file; the text that it has."""
        text = self.serialize_to_string()
        with open(path or "conda_dependencies.yml", "w", encoding="utf-8") as file:
            file.write(text)
        return text

    def save_to_file(self, base_directory: str | os.PathLike[str], conda_file_path: str | None = None) -> str:
        """Write a conda file in a folder; its name there."""
        name = conda_file_path or "conda_dependencies.yml"
        self.save(os.path.join(base_directory, name))
        return name

    def serialize_to_string(self) -> str:
        return written(self._file)

    def as_dict(self) -> dict[str, Any]:
        return self._file.as_dict()

    def __repr__(self) -> str:
        return f"CondaDependencies(conda={self.conda_packages}, pip={self.pip_packages})"


def _name(package: str) -> str:
    match = _NAME.match(str(package).strip())
    if match is None:
        return str(package).strip()
    return re.sub(r"[-_.]+", "-", match.group(1)).lower()
