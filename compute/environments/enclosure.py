"""The sandbox of a build: whatever of a build its author brings along runs in it, as a step does in its own.

It sees the system's programs, the environment that is built, the interpreter that this is made from, what reaches the
package index, and folders that are thrown away with it. What other builds use, the node's cache of packages first of
all, is neither shown nor linked to what it may write: only uv itself fills that, outside, where nothing is built.

    NODE_HOME/environments/DIGEST.build/<number>/{home,tmp}   of one command
                                        {uv,conda}-cache/     of this build
                                        prefix/DIGEST/        where conda makes the environment
                                        wheels/               what was built from sources
"""

import itertools
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from compute.environments.places import BuiltEnvironment
from compute.environments.uv import uv_executable
from compute.execution.reasons import StepFailure
from compute.execution.sandbox.interpreter import interpreter_places
from compute.execution.sandbox.isolation import Sandbox
from compute.execution.sandbox.plan import Kind, SandboxPlan, Sight, trail
from compute.execution.sandbox.system import PROGRAMS, own_interpreter

MAX_READ_BYTES = 16 * 1024**2
# Settings of uv, git and conda that say how indexes and channels are reached. No keys of SSH, nothing else of a home.
_OF_HOME = (".netrc", ".config/uv", ".local/share/uv/credentials", ".condarc", ".mambarc")
# Variables that may name files of this machine.
_NAMES_FILES = re.compile(
    r"\A(UV_(INDEX\w*|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|CONFIG_FILE|OVERRIDE|(BUILD_)?CONSTRAINT)"
    r"|SSL_\w+|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|GIT_SSL_\w+|PIP_CERT|NETRC|CONDARC|CONDA_SSL_VERIFY)\Z"
)


@dataclass(frozen=True, slots=True)
class Enclosed:
    """What one command of a build runs in."""

    sandbox: Sandbox
    plan: SandboxPlan
    home: Path  # it may write there; its working folder too
    variables: Mapping[str, str]


class Enclosure:
    """Of one build."""

    def __init__(self, sandbox: Sandbox, folder: Path, built: BuiltEnvironment) -> None:
        self.sandbox, self.folder, self.built = sandbox, folder, built
        self.uv_cache, self.conda_cache = folder / "uv-cache", folder / "conda-cache"
        self.prefix, self.wheels = folder / "prefix", folder / "wheels"
        self._numbers = itertools.count(1)
        self._interpreter: tuple[str, ...] = ()
        self._trusted = {_real(place) for place in PROGRAMS if os.path.lexists(place)}
        self._trusted |= {_real(place) for place in interpreter_places(own_interpreter())}

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Its folders, for as long as the build lasts."""
        shutil.rmtree(self.folder, ignore_errors=True)  # of a build that was killed
        for folder in (self.uv_cache, self.conda_cache, self.prefix, self.wheels):
            folder.mkdir(parents=True)
        try:
            yield
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def trust_interpreter(self) -> None:
        """The environment's Python was put there by uv, and nobody else has written there yet."""
        self._interpreter = interpreter_places.__wrapped__(self.built.python)
        self._trusted |= {_real(place) for place in self._interpreter}

    def check_interpreter(self) -> None:
        """Somebody has written there. Raises StepFailure where its Python leads to files that are not for everybody.

        Steps are shown what an environment's Python is made from, wherever that lies.
        """
        found = interpreter_places.__wrapped__(self.built.python)
        trusted = {*self._trusted, _real(str(self.built.folder))}
        for place in found:
            if not any(Path(_real(place)).is_relative_to(home) for home in trusted):
                raise StepFailure(
                    f"The environment's Python was replaced by one that leads to {place}, which steps may not see. "
                    "Leave bin/python and pyvenv.cfg of the environment as they are."
                )
        self._interpreter = found

    def shut_in(
        self, variables: Mapping[str, str], *, environment: Kind | None, programs: Iterable[str | Path] = ()
    ) -> Enclosed:
        """For one command, which gets `variables` and a home that nobody has written to.

        `environment` says how it sees the environment; with None it makes one at its place.
        """
        own = self.folder / str(next(self._numbers))
        home, tmp = own / "home", own / "tmp"
        home.mkdir(parents=True)
        tmp.mkdir()
        sight = self.sandbox.sight()
        sight.show(uv_executable(), *programs)
        sight.show(home, self.uv_cache, self.conda_cache, kind=Kind.WRITABLE)
        sight.show_as("/tmp", tmp, kind=Kind.WRITABLE)  # noqa: S108 (the sandbox's own)
        sight.link("/var/tmp", "/tmp")  # noqa: S108
        if environment is None:
            sight.show_as(str(self.built.folder.parent), self.prefix, kind=Kind.WRITABLE)
        else:
            sight.show(*self._interpreter)
            sight.show(self.built.folder, kind=environment)
        told = {**variables, "HOME": str(home), "TMPDIR": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}  # noqa: S108
        told |= self._show_settings(sight, home, variables)
        return Enclosed(self.sandbox, SandboxPlan(sight.mounts(), str(home)), home, told)

    def uv_variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        return {**variables, "UV_CACHE_DIR": str(self.uv_cache), "UV_LINK_MODE": "copy"}

    def take_out(self) -> None:
        """What conda made becomes the environment."""
        made = self.prefix / self.built.folder.name
        if made.is_symlink() or not made.is_dir():
            raise StepFailure("Conda made no environment where it was told to.")
        made.rename(self.built.folder)

    @staticmethod
    def read(enclosed: Enclosed, name: str) -> str:
        """A file that a command has written in its home: never what a link there leads to. Raises StepFailure."""
        file = enclosed.home / name
        if file.is_symlink() or not file.is_file() or file.stat().st_size > MAX_READ_BYTES:
            raise StepFailure(f"The build was to write the file {name} and wrote something else.")
        return file.read_text()

    def _show_settings(self, sight: Sight, home: Path, variables: Mapping[str, str]) -> dict[str, str]:
        """What reaches indexes and channels. Returns the variables that are to say something else than outside."""
        theirs = Path(variables.get("HOME") or "/nonexistent")
        for name in _OF_HOME:
            if (theirs / name).exists():
                sight.show_as(str(home / name), _real(str(theirs / name)))
        if Path("/etc/uv").is_dir():
            sight.show_as(str(home / ".settings/uv"), "/etc/uv")
        told = {"XDG_CONFIG_DIRS": str(home / ".settings")}
        for name, text in variables.items():
            if not _NAMES_FILES.match(name):
                continue
            for place in _places_in(text):
                if place.startswith("/etc/"):  # there is a copy of some of it inside, where nothing can be added
                    elsewhere = f"{home}/.settings{place}"
                    sight.show_as(elsewhere, _real(place))
                    told[name] = told.get(name, text).replace(place, elsewhere)
                else:
                    sight.show(place)
        return told


def _places_in(text: str) -> Iterator[str]:
    """The files and folders of this machine that a variable names: by path, or by an address."""
    for word in re.split(r"[\s,]+", text):
        said = re.sub(r"\A[\w.-]+=", "", word)
        if said.startswith("file://"):
            said = unquote(urlsplit(said).path)
        if said.startswith("/") and said.strip("/") and os.path.lexists(said):
            yield said


def _real(place: str) -> str:
    return trail(place)[1]
