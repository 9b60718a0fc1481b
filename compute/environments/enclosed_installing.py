"""Installing by `uv` where the node has a sandbox: nothing that a package brings along runs outside of it.

Three things run foreign code: finding versions (a source distribution may have to be built to tell what it needs),
building from sources, and any start of the environment's Python once packages are in it (`.pth` files). The first two
are done by a uv in the sandbox, with a cache of its own that goes with the build. Ready-made files are fetched and put
into place by a uv outside that is forbidden to build, from the cache of all environments and, as hard links, in no
time; what was built inside comes to it as a file. It looks at the environment's Python once, before anything is there.
"""

import hashlib
import os
import re
import shutil
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from compute.environments import uv
from compute.environments.commands import Commands, Ended
from compute.environments.enclosure import Enclosure
from compute.environments.explaining import NOT_BUILT
from compute.environments.installed import canonical
from compute.environments.installing import UvInstaller
from compute.environments.lock_lines import lock_lines, name_of, without
from compute.environments.places import BuiltEnvironment
from compute.execution.reasons import StepFailure
from compute.execution.sandbox.plan import Kind
from compute.spec import EnvironmentSpec

_NEEDS_BUILDING = re.compile(
    r"(?:Wheels are required for|Building source distributions for) `([^`@ ]+)[^`]*` (?:because building|is disabled)"
)


class EnclosedUvInstaller(UvInstaller):
    def __init__(
        self, built: BuiltEnvironment, spec: EnvironmentSpec, commands: Commands, enclosure: Enclosure
    ) -> None:
        super().__init__(built, spec, commands)
        self.enclosure = enclosure

    def _make_environment(self) -> None:
        super()._make_environment()
        self.enclosure.trust_interpreter()

    def _try_to_resolve(self, requirements: list[str], lock_file: Path) -> Ended:
        enclosed = self.enclosure.shut_in(self.enclosure.uv_variables(self.env), environment=Kind.READ_ONLY)
        command = self._resolver(requirements, enclosed.home, enclosed.home / "lock.txt")
        ended = self.commands.run(command, cwd=enclosed.home, env=enclosed.variables, is_quiet=True, within=enclosed)
        if ended.is_good:
            lock_file.write_text(self.enclosure.read(enclosed, "lock.txt"))
        return ended

    def _fill(self, lock_file: Path) -> None:
        try:
            lines = lock_lines(lock_file.read_text())
        except ValueError as problem:
            raise StepFailure(f"{NOT_BUILT}Its lock can't be used. {problem}") from problem
        sources = self._to_be_built(lines)
        wanted = without(lines, map(name_of, sources))
        if sources:
            wanted += self._build(sources)
        file = self.built.about / "wanted.txt"
        file.write_text("".join(f"{line}\n" for line in wanted))
        command = uv.install_ready_made(
            file,
            python=self.built.python,
            # A setup script may write to what is there: what others use must be none of it.
            link_mode="copy" if self.spec.setup_script else "hardlink",
            beside=self.enclosure.wheels,
        )
        self._require(self.commands.run(command, cwd=self.built.about, env=self.env))
        self._compile()

    def _to_be_built(self, lines: list[str]) -> list[str]:
        """Those that have no ready-made file for this machine. uv names one at a time."""
        sources = [line for line in lines if "@git+" in line.replace(" ", "")]
        file = self.built.about / "asked.txt"
        while left := without(lines, map(name_of, sources)):
            file.write_text("".join(f"{line}\n" for line in left))
            command = [*uv.install_ready_made(file, python=self.built.python), "--dry-run"]
            ended = self.commands.run(command, cwd=self.built.about, env=self.env, is_silent=True)
            found = None if ended.is_good else _NEEDS_BUILDING.search(ended.last_words)
            named = [line for line in left if found and name_of(line) == canonical(found[1])]
            if not named:
                break  # what else is wrong is said where they are installed
            sources += named
        return sources

    def _build(self, sources: list[str]) -> list[str]:
        """Lines for what was built, which lies in the enclosure's `wheels` then."""
        self.commands.tell("Building from sources, in a sandbox: " + ", ".join(map(name_of, sources)) + ".")
        enclosed = self.enclosure.shut_in(self.enclosure.uv_variables(self.env), environment=Kind.READ_ONLY)
        file = enclosed.home / "sources.txt"
        file.write_text("".join(f"{line}\n" for line in sources))
        command = uv.install_into(enclosed.home / "built", file, python=self.built.python)
        self._require(self.commands.run(command, cwd=enclosed.home, env=enclosed.variables, within=enclosed))
        return [self._bring_out(name_of(line)) for line in sources]

    def _bring_out(self, name: str) -> str:
        """The newest file for a package in the enclosure's own cache, where uv keeps what it has built."""
        found: list[tuple[float, str, Path]] = []
        for folder, _, names in os.walk(self.enclosure.uv_cache):
            for each in names:
                file = Path(folder, each)
                if (version := _version_in(each, name)) and file.is_file() and not file.is_symlink():
                    found.append((file.stat().st_mtime, version, file))
        if not found:
            raise StepFailure(f"{NOT_BUILT}{name} was built from its sources, and there is no file of it.")
        _, version, file = max(found)
        brought = self.enclosure.wheels / file.name
        shutil.copyfile(file, brought, follow_symlinks=False)
        with brought.open("rb") as opened:
            return f"{name}=={version} --hash=sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"

    def _compile(self) -> None:
        """Without `site`, so that no line of what is compiled runs: packages may be links into the cache of all."""
        sites = [str(each) for each in self.built.folder.glob("lib/python3.*/site-packages")]
        enclosed = self.enclosure.shut_in({"LANG": "C.UTF-8"}, environment=Kind.WRITABLE)
        command = [str(self.built.python), "-I", "-S", "-m", "compileall", "-qq", "-j", "0", *sites]
        # Files that are of another version of Python are no reason to fail.
        self.commands.run(command, cwd=enclosed.home, env=enclosed.variables, is_silent=True, within=enclosed)


def _version_in(file: str, name: str) -> str:
    """The version that a wheel's name tells; empty where it is none of this package."""
    try:
        found, version, _, _ = parse_wheel_filename(file)
    except InvalidWheelFilename:
        return ""
    return str(version) if canonical(found) == name else ""
