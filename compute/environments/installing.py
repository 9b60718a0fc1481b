"""Installing what an environment asks for, by `uv`: from its requirements the first time, from the lock afterwards."""

import os
import platform
import sys
from pathlib import Path
from typing import Protocol

from django.conf import settings

from compute.environments import uv
from compute.environments.commands import Commands, Ended
from compute.environments.conda_specs import NotInPipsWords, in_pips_words, parse
from compute.environments.explaining import NOT_BUILT, explain, missing_package
from compute.environments.installed import packages_in
from compute.environments.places import BuiltEnvironment
from compute.execution.reasons import StepFailure
from compute.spec import EnvironmentLock, EnvironmentSpec

_MAX_MISSING = 20  # packages that are named at once


class Installer(Protocol):
    """Fills an environment's folder, which is not there yet."""

    def install(self, locked: EnvironmentLock | None) -> EnvironmentLock:
        """Returns what was installed. Raises StepFailure with a sentence that says what to do."""


class UvInstaller:
    """A virtual environment of a Python that the machine has, and packages of the package index."""

    def __init__(self, built: BuiltEnvironment, spec: EnvironmentSpec, commands: Commands) -> None:
        self.built, self.spec, self.commands = built, spec, commands
        self.env = uv.variables_of_uv(os.environ, known_indexes(spec))

    def install(self, locked: EnvironmentLock | None) -> EnvironmentLock:
        self._make_environment()
        lock_file = self.built.about / "lock.txt"
        if locked is None:
            self._resolve(lock_file)
        else:
            lock_file.write_text(locked.requirements)
        if lock_file.read_text().strip():
            self._fill(lock_file)
        return locked or EnvironmentLock(
            python=python_of(self.built),
            platform=platform_of_this_machine(),
            requirements=lock_file.read_text(),
            packages=packages_in(self.built.folder),
        )

    def _make_environment(self) -> None:
        command = uv.make_environment(self.built.folder, self._interpreter())
        self._require(self.commands.run(command, cwd=self.built.folder.parent, env=self.env))
        self.built.about.mkdir()

    def _fill(self, lock_file: Path) -> None:
        command = uv.install(lock_file, python=self.built.python)
        self._require(self.commands.run(command, cwd=self.built.about, env=self.env))

    def _resolve(self, lock_file: Path) -> None:
        requirements = [*self.spec.pip, *self._conda_in_pips_words()]
        if not requirements:
            lock_file.write_text("")
            return
        self.commands.tell("Finding the versions of its packages.")
        missing: list[str] = []
        while True:
            ended = self._try_to_resolve(requirements, lock_file)
            if ended.is_good and not missing:
                return
            name = missing_package(ended.last_words)
            left = [line for line in requirements if name is None or not _is_about(line, name)]
            if not self.spec.conda or name is None or len(left) == len(requirements) or len(missing) >= _MAX_MISSING:
                break
            # One at a time is what uv names; whoever moves from conda wants to know all of them.
            missing.append(name)
            requirements = left
        if missing:
            raise StepFailure(_of_conda_alone([f"“{name}” is not on the package index" for name in missing]))
        self._require(ended)

    def _try_to_resolve(self, requirements: list[str], lock_file: Path) -> Ended:
        command = self._resolver(requirements, self.built.about, lock_file)
        return self.commands.run(command, cwd=self.built.about, env=self.env, is_quiet=True)

    def _resolver(self, requirements: list[str], folder: Path, lock_file: Path) -> list[str]:
        """To be run in `folder`."""
        wanted = folder / "requirements.in"
        wanted.write_text("".join(f"{line}\n" for line in requirements))
        version = ".".join(python_of(self.built).split(".")[:2])
        (folder / "pyproject.toml").write_text(uv.project_for_resolving(version))
        return uv.resolve(wanted, lock_file, python=self.built.python, version=version)

    def _conda_in_pips_words(self) -> list[str]:
        lines, not_possible = [], []
        for text in self.spec.conda:
            try:
                lines.append(in_pips_words(parse(text)))
            except NotInPipsWords as problem:
                not_possible.append(str(problem))
        if not_possible:
            raise StepFailure(_of_conda_alone(not_possible))
        if lines:
            self.commands.tell("This node has no conda: its packages are taken from the package index.")
        return lines

    def _interpreter(self) -> str:
        """The running interpreter where its version is asked for, else the version, for uv to find on this machine."""
        own = sys.version_info
        fits = {f"{own.major}.{own.minor}", f"{own.major}.{own.minor}.{own.micro}"}
        return sys.executable if self.spec.python_version in fits else self.spec.python_version

    def _require(self, ended: Ended) -> None:
        if not ended.is_good:
            why = explain(ended.last_words, python_version=self.spec.python_version, exit_code=ended.exit_code)
            raise StepFailure(f"{NOT_BUILT}{why.reason}", may_retry=why.may_retry)


def known_indexes(spec: EnvironmentSpec) -> list[str]:
    """The further package indexes of a specification. Raises StepFailure for one that this node does not know."""
    for name in spec.indexes:
        if name not in settings.PACKAGE_INDEXES:
            raise StepFailure(
                f"The environment takes packages from the index “{name}”, whose address this node does not know. "
                "The administrator adds it to STUDIO_PACKAGE_INDEXES of the node."
            )
    return spec.indexes


def python_of(built: BuiltEnvironment) -> str:
    """The version of an environment's interpreter, as in "3.11.7"; of a virtual one it stands in a file."""
    for line in _lines(built.folder / "pyvenv.cfg"):
        name, _, value = line.partition("=")
        if name.strip() in {"version_info", "version"}:
            return ".".join(value.strip().split(".")[:3])
    return ""


def platform_of_this_machine() -> str:
    """As conda calls it, as in "linux-64"."""
    return {"x86_64": "linux-64", "aarch64": "linux-aarch64"}.get(platform.machine(), f"linux-{platform.machine()}")


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def _is_about(line: str, name: str) -> bool:
    from compute.environments.installed import canonical

    found = line.replace(";", " ")
    for sign in "[<>=!~ @":
        found = found.split(sign, 1)[0]
    return canonical(found) == canonical(name)


def _of_conda_alone(problems: list[str]) -> str:
    return (
        f"{NOT_BUILT}It asks for conda packages, and this node has no micromamba, mamba "
        f"or conda: {'; '.join(problems)}. Have one of them installed on the node, or change these lines."
    )
