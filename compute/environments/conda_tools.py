"""Which conda a node has, and the commands that it is given. They differ in their name alone.

Where none is installed, py-rattler does if it is: `conda_program` speaks for it.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compute.environments.installed import conda_records
from compute.execution.sandbox.interpreter import interpreter_places

_NAMES = ("micromamba", "mamba", "conda")
_VARIABLES = ("MAMBA_EXE", "CONDA_EXE")
_PASSED_ON = ("CONDA_", "MAMBA_", "SSL_")
_PASSED_ON_NAMES = frozenset({"PATH", "LANG", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC", "HOME"})
DEFAULT_CHANNELS = ["conda-forge"]
_PROGRAM = Path(__file__).with_name("conda_program.py")


@dataclass(frozen=True, slots=True)
class CondaTool:
    """A program that makes conda environments."""

    name: str
    command: tuple[str, ...]

    @property
    def places(self) -> list[str]:
        """What has to be seen for it to start."""
        return [place for part in self.command for place in interpreter_places(Path(part))]

    def create(self, folder: Path, *, specs: Sequence[str], channels: Sequence[str]) -> list[str]:
        """Solve and install."""
        among = [word for channel in channels or DEFAULT_CHANNELS for word in ("--channel", channel)]
        return [*self.command, "create", "--yes", "--prefix", str(folder), "--override-channels", *among, *specs]

    def create_from(self, folder: Path, explicit: Path) -> list[str]:
        """Install exactly what a list names."""
        return [*self.command, "create", "--yes", "--prefix", str(folder), "--file", str(explicit)]


def find_conda() -> CondaTool | None:
    """The first that is there."""
    for variable in _VARIABLES:
        path = os.environ.get(variable, "")
        if path and os.access(path, os.X_OK):
            return CondaTool(Path(path).name, (path,))
    for name in _NAMES:
        if found := shutil.which(name):
            return CondaTool(name, (found,))
    if importlib.util.find_spec("rattler") is not None:
        return CondaTool("py-rattler", (sys.executable, str(_PROGRAM)))
    return None


def variables_of_conda(own: Mapping[str, str], cache: Path) -> dict[str, str]:
    """What of this process's own variables a conda tool is started with."""
    env = {
        name: value
        for name, value in own.items()
        if name in _PASSED_ON_NAMES or name.startswith(_PASSED_ON) or name.lower().endswith("_proxy")
    }
    for name in ("CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_SHLVL"):
        env.pop(name, None)
    env.setdefault("CONDA_PKGS_DIRS", str(cache))
    # micromamba wants a root of its own, and writes nothing there but its cache.
    env.setdefault("MAMBA_ROOT_PREFIX", str(cache.parent / "mamba-root"))
    return {**env, "CONDA_ALWAYS_YES": "true", "CI": "1", "NO_COLOR": "1"}


def explicit_list(folder: Path) -> str:
    """What is installed, as a list that every conda tool installs again: an address with its checksum a line."""
    records = sorted(conda_records(folder), key=lambda record: record["name"])
    lines = [f"{record['url']}#{record.get('md5') or ''}".rstrip("#") for record in records]
    return "".join(f"{line}\n" for line in ["@EXPLICIT", *lines])


def platform_of(folder: Path) -> str:
    """As in "linux-64"."""
    names = {record["subdir"] for record in conda_records(folder)} - {"noarch"}
    return next(iter(sorted(names)), "noarch")
