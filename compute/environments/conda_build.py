"""Building with a conda tool that the node has: conda's packages first, then the pip part into the same folder."""

import os
from collections.abc import Mapping
from pathlib import Path

from compute.environments import uv
from compute.environments.commands import Commands, Ended
from compute.environments.conda_tools import CondaTool, explicit_list, find_conda, platform_of, variables_of_conda
from compute.environments.enclosure import Enclosure
from compute.environments.explaining import NOT_BUILT, explain, says_unreachable
from compute.environments.installed import conda_records, packages_in, pinned
from compute.environments.installing import known_indexes, platform_of_this_machine
from compute.environments.places import BuiltEnvironment
from compute.execution.reasons import StepFailure, by_signal, of_full_disk
from compute.execution.sandbox.plan import Kind
from compute.spec import EnvironmentLock, EnvironmentSpec


class CondaInstaller:
    """A folder that conda made, Python included."""

    def __init__(
        self, built: BuiltEnvironment, spec: EnvironmentSpec, commands: Commands, enclosure: Enclosure | None
    ) -> None:
        self.built, self.spec, self.commands, self.enclosure = built, spec, commands, enclosure
        tool = find_conda()
        assert tool is not None, "`is_for` found one"
        self.tool: CondaTool = tool

    @staticmethod
    def is_for(spec: EnvironmentSpec, locked: EnvironmentLock | None, *, node: str) -> bool:
        """Whether it is conda's to build. What was locked by one tool is not built by the other.

        Raises StepFailure where it must be, and the node has none.
        """
        if locked is None:
            return bool(spec.conda) and find_conda() is not None
        if locked.tool != "conda":
            return False
        if find_conda() is None:
            raise StepFailure(
                f"The environment was first built by conda, and node {node} has no micromamba, mamba or conda. "
                "Have one installed there, or rebuild the environment against the newest packages on a node without."
            )
        if locked.platform not in {platform_of_this_machine(), "noarch"}:
            raise StepFailure(
                f"The environment was locked with conda packages for {locked.platform}, and node {node} is "
                f"{platform_of_this_machine()}. Make an environment of its own for this kind of machine."
            )
        return True

    def install(self, locked: EnvironmentLock | None) -> EnvironmentLock:
        self.commands.tell(f"Its conda packages are installed by {self.tool.name}.")
        if self.enclosure is None:
            self._create(locked)
        else:
            self._create_inside(locked, self.enclosure)
        self.built.about.mkdir(exist_ok=True)
        self._install_pip(locked)
        if locked is not None:
            return locked
        return EnvironmentLock(
            tool="conda",
            python=self._python_version(),
            platform=platform_of(self.built.folder),
            conda=explicit_list(self.built.folder),
            requirements=pinned(self.built.folder),
            packages=packages_in(self.built.folder),
        )

    def _create(self, locked: EnvironmentLock | None) -> None:
        about = self.built.folder.with_name(f"{self.built.folder.name}.explicit")
        env = variables_of_conda(os.environ, self.built.folder.parent.parent / "conda-cache")
        try:
            command = self._command(locked, about)
            self._require(self.commands.run(command, cwd=self.built.folder.parent, env=env))
        finally:
            about.unlink(missing_ok=True)

    def _create_inside(self, locked: EnvironmentLock | None, enclosure: Enclosure) -> None:
        """Packages may bring scripts that run when they are linked: the cache is this build's alone."""
        env = variables_of_conda(os.environ, enclosure.conda_cache) | {
            "CONDA_PKGS_DIRS": str(enclosure.conda_cache),
            "MAMBA_ROOT_PREFIX": str(enclosure.conda_cache / "root"),
        }
        enclosed = enclosure.shut_in(env, environment=None, programs=self.tool.places)
        command = self._command(locked, enclosed.home / "explicit.txt")
        self._require(self.commands.run(command, cwd=enclosed.home, env=enclosed.variables, within=enclosed))
        enclosure.take_out()
        enclosure.check_interpreter()

    def _command(self, locked: EnvironmentLock | None, about: Path) -> list[str]:
        if locked is None:
            specs = [f"python={self.spec.python_version}", *self.spec.conda]
            return self.tool.create(self.built.folder, specs=specs, channels=self.spec.channels)
        about.write_text(locked.conda)
        return self.tool.create_from(self.built.folder, about)

    def _install_pip(self, locked: EnvironmentLock | None) -> None:
        """Beside conda's packages, which stay as they are where they will do."""
        text = "".join(f"{line}\n" for line in self.spec.pip) if locked is None else locked.requirements
        if not text.strip():
            return
        env: Mapping[str, str] = uv.variables_of_uv(os.environ, known_indexes(self.spec))
        folder, within, link_mode = self.built.about, None, "hardlink"
        if self.enclosure is not None:  # the environment's Python is foreign itself
            within = self.enclosure.shut_in(self.enclosure.uv_variables(env), environment=Kind.WRITABLE)
            folder, env, link_mode = within.home, within.variables, "copy"
        file = folder / ("requirements.in" if locked is None else "lock.txt")
        file.write_text(text)
        command = uv.install(file, python=self.built.python, link_mode=link_mode)
        if locked is None:
            command.remove("--no-deps")
        ended = self.commands.run(command, cwd=folder, env=env, within=within)
        if self.enclosure is not None:
            self.enclosure.check_interpreter()
        if not ended.is_good:
            why = explain(ended.last_words, python_version=self.spec.python_version, exit_code=ended.exit_code)
            raise StepFailure(f"{NOT_BUILT}{why.reason}", may_retry=why.may_retry)

    def _python_version(self) -> str:
        return next((each["version"] for each in conda_records(self.built.folder) if each["name"] == "python"), "")

    def _require(self, ended: Ended) -> None:
        if ended.is_good:
            return
        if "No space left on device" in ended.last_words:
            raise StepFailure(of_full_disk("the environment could not be built on the node"))
        if ended.exit_code is not None and ended.exit_code < 0:
            raise StepFailure(f"{NOT_BUILT}{self.tool.name} was {by_signal(-ended.exit_code)}.", may_retry=True)
        words = "\n".join(ended.last_words.strip().splitlines()[-25:]) or f"It ended with exit code {ended.exit_code}."
        raise StepFailure(f"{NOT_BUILT}{_what_to_do(words)}\n{words}", may_retry=True)


def _what_to_do(words: str) -> str:
    if says_unreachable(words):
        return "A conda channel could not be reached from the node. Try again, or ask the administrator."
    return "Conda found no way to install what it asks for. Look at the names, the versions and the channels."
