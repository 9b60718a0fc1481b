"""Builds of environments without a node around them: machines are folders, and the one that builds is this process."""

import subprocess
import threading
from pathlib import Path
from typing import Any

from compute.environments.building import ready_environment
from compute.environments.places import BuiltEnvironment, EnvironmentsFolder
from compute.execution.handle import Handle
from compute.execution.reasons import StepFailure
from compute.execution.sandbox.detection import find_isolation
from compute.execution.sandbox.isolation import Isolation, IsolationKind
from compute.models import EnvironmentBuild
from compute.services.builds import Builder
from compute.spec import EnvironmentSpec
from tests.support.compute import Compute


class Machine:
    """One NODE_HOME, with a node's row and nothing behind it."""

    def __init__(
        self, compute: Compute, settings: Any, home: Path, name: str, isolation: Isolation | None = None
    ) -> None:
        self.settings, self.home = settings, home
        self.node = compute.node(name, hostname=name)
        self.builder = Builder(self.node.pk, name, name, compute.target.pk)
        self.said = b""
        self.isolation = isolation or Isolation(why="a test")

    @property
    def folder(self) -> EnvironmentsFolder:
        return EnvironmentsFolder(self.home / "environments")

    def build(self, *, wish: EnvironmentBuild | None = None, **spec: Any) -> BuiltEnvironment:
        """What a step would get; given up at once, so that it may be removed."""
        self.settings.NODE_HOME = self.home
        self.said = b""
        handle = Handle(f"test/{self.node.incarnation.hex}/")
        given = EnvironmentSpec(**spec)
        try:
            with ready_environment(
                given, builder=self.builder, handle=handle, say=self._hear, isolation=self.isolation, wish=wish
            ) as built:
                return built
        finally:
            handle.close()
            wait_for_trimmers()

    def failure(self, **spec: Any) -> str:
        """Why it can't be built."""
        try:
            self.build(**spec)
        except StepFailure as failure:
            return failure.reason
        raise AssertionError("it was built")

    def _hear(self, data: bytes) -> None:
        self.said += data


def isolation_of(kind: IsolationKind, settings: Any, home: Path) -> Isolation:
    """As a node finds it out; `home` is for its trials."""
    settings.NODE_HOME = home
    settings.ISOLATION = "require" if kind == "sandbox" else "off"
    return find_isolation()


def said_by(built: BuiltEnvironment, script: str) -> str:
    return subprocess.run([built.python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def wait_for_trimmers() -> None:
    for thread in threading.enumerate():
        if thread.name == "environment trimmer":
            thread.join(30)
