"""Environments that conda builds: solved once from a channel, installed from the exact list everywhere else.

A channel can be a folder. The conda is py-rattler behind `conda_program`, which is called as micromamba is.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compute.environments.conda_tools import find_conda
from compute.models import EnvironmentBuild, SpecificationLock
from tests.support.compute import Compute
from tests.support.conda_channel import VERSION, CondaChannel
from tests.support.environments import Machine, isolation_of, said_by
from tests.support.packages import PackageIndex

pytestmark = pytest.mark.django_db(transaction=True)

SHOW = "import lake; print(lake.__version__)"
PYTHON = ".".join(VERSION.split(".")[:2])


@pytest.fixture(params=["sandbox", "process"])
def machine(
    request: pytest.FixtureRequest, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Machine]:
    index = PackageIndex(tmp_path / "index")
    index.wheel("toy", "1.0")
    for name, value in index.variables.items():
        monkeypatch.setenv(name, value)
    for name in ("MAMBA_EXE", "CONDA_EXE"):
        monkeypatch.delenv(name, raising=False)
    compute = Compute()
    (tmp_path / "channel").mkdir()
    settings.STEP_READABLE = [str(tmp_path / "channel")]  # others reach theirs by the network
    isolation = isolation_of(request.param, settings, tmp_path / "trial")
    return lambda name: Machine(compute, settings, tmp_path / name, name, isolation)


@pytest.fixture
def channel(tmp_path: Path) -> CondaChannel:
    channel = CondaChannel(tmp_path / "channel")
    channel.module("lake", "2.0", requires=["water >=1"])
    channel.module("water", "1.5")
    return channel


def test_conda_and_pip_packages_come_together_and_are_locked(
    machine: Callable[[str], Machine], channel: CondaChannel
) -> None:
    tool = find_conda()
    assert tool is not None
    one = machine("one")
    spec = {"python_version": PYTHON, "conda": ["lake>=1"], "channels": [channel.url], "pip": ["toy"]}
    built = one.build(**spec)
    assert said_by(built, SHOW) == "2.0"
    assert said_by(built, "import sys, toy; print(toy.__version__, sys.prefix)") == f"1.0 {built.folder}"
    lock = SpecificationLock.objects.get().document
    assert lock.tool == "conda"
    packages = {(each.name, each.version, each.source) for each in lock.packages}
    assert packages == {
        ("lake", "2.0", "conda"),
        ("python", VERSION, "conda"),
        ("toy", "1.0", "pip"),
        ("water", "1.5", "conda"),
    }
    assert lock.conda.splitlines()[0] == "@EXPLICIT"
    assert f"{channel.url}/noarch/lake-2.0-0.tar.bz2#" in lock.conda
    assert lock.requirements == "toy==1.0\n"

    channel.module("lake", "2.1")
    two = machine("two")
    assert said_by(two.build(**spec), SHOW) == "2.0"
    assert said_by(two.build(**spec, generation=1), SHOW) == "2.1"
    assert set(EnvironmentBuild.objects.values_list("status", flat=True)) == {"ready"}


def test_what_the_channel_does_not_have_is_said(machine: Callable[[str], Machine], channel: CondaChannel) -> None:
    reason = machine("one").failure(conda=["libnowhere"], channels=[channel.url], python_version=PYTHON)
    assert "Conda found no way to install what it asks for" in reason
    assert "libnowhere" in reason
    assert not SpecificationLock.objects.exists()


def test_a_channel_that_is_away_is_not_a_name_to_look_at(machine: Callable[[str], Machine]) -> None:
    reason = machine("one").failure(conda=["lake"], channels=["http://127.0.0.1:9/channel"], python_version=PYTHON)
    assert "A conda channel could not be reached from the node" in reason
    assert "http://127.0.0.1:9/channel" in reason
    assert "Look at the names" not in reason


def test_what_conda_locked_needs_conda_everywhere(
    machine: Callable[[str], Machine], channel: CondaChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"python_version": PYTHON, "conda": ["lake"], "channels": [channel.url]}
    machine("one").build(**spec)
    monkeypatch.setattr("compute.environments.conda_build.find_conda", lambda: None)
    assert "was first built by conda, and node two has no micromamba" in machine("two").failure(**spec)


def test_without_a_conda_the_package_index_serves(
    machine: Callable[[str], Machine], channel: CondaChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"python_version": PYTHON, "conda": ["toy=1"], "channels": [channel.url]}
    with monkeypatch.context() as without:
        without.setattr("compute.environments.conda_build.find_conda", lambda: None)
        one = machine("one")
        assert said_by(one.build(**spec), "import toy; print(toy.__version__)") == "1.0"
    assert b"This node has no conda" in one.said
    # Where there is a conda, the lock counts all the same: it is the same version.
    assert said_by(machine("two").build(**spec), "import toy; print(toy.__version__)") == "1.0"
