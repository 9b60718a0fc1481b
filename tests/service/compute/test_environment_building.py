"""Environments as they are built: locked by the first build, the same everywhere, whole or not there."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compute.environments import trimming
from compute.environments.trimming import make_room, trim
from compute.execution.sandbox.isolation import Isolation
from compute.models import EnvironmentBuild, SpecificationLock
from compute.spec import EnvironmentSpec
from compute.states import BuildStatus
from tests.support.compute import Compute
from tests.support.environments import Machine, isolation_of, said_by
from tests.support.packages import PackageIndex
from tests.support.servers.web import web
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SHOW = "import toy; print(toy.__version__)"
Machines = Callable[[str], Machine]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageIndex:
    index = PackageIndex(tmp_path / "index")
    index.wheel("toy", "1.0")
    for name, value in index.variables.items():
        monkeypatch.setenv(name, value)
    return index


@pytest.fixture(params=["sandbox", "process"])
def isolation(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> Isolation:
    """How the machines isolate: all of this holds either way."""
    return isolation_of(request.param, settings, tmp_path / "trial")


@pytest.fixture
def machine(index: PackageIndex, settings: Any, tmp_path: Path, isolation: Isolation) -> Machines:
    compute = Compute()
    return lambda name: Machine(compute, settings, tmp_path / name, name, isolation)


def statuses() -> list[str]:
    return list(EnvironmentBuild.objects.order_by("id").values_list("status", flat=True))


def test_the_first_build_locks_it_for_all_others(machine: Machines, index: PackageIndex) -> None:
    assert said_by(machine("one").build(pip=["toy"]), SHOW) == "1.0"
    lock = SpecificationLock.objects.get().document
    assert [(each.name, each.version) for each in lock.packages] == [("toy", "1.0")]
    assert lock.requirements.startswith("toy==1.0 ")
    assert "--hash=sha256:" in lock.requirements
    assert lock.python == ".".join(map(str, sys.version_info[:3]))
    index.wheel("toy", "1.1")
    two = machine("two")
    assert said_by(two.build(pip=["toy"]), SHOW) == "1.0"  # a year later, elsewhere
    assert said_by(two.build(pip=["toy"], generation=1), SHOW) == "1.1"
    built = EnvironmentBuild.objects.values_list("node_name", "status", "lock_digest").order_by("id")
    newest = SpecificationLock.objects.latest("id").document
    assert list(built) == [
        ("one", "ready", lock.digest),
        ("two", "ready", lock.digest),
        ("two", "ready", newest.digest),
    ]


def test_a_build_tells_what_it_did(machine: Machines) -> None:
    one = machine("one")
    one.build(pip=["toy"])
    build = EnvironmentBuild.objects.get()
    assert (build.status, build.node, build.hostname) == (BuildStatus.READY, one.node, "one")
    assert build.size_bytes > 0
    assert build.started_at is not None
    assert build.finished_at is not None
    assert build.finished_at > build.started_at
    assert "toy==1.0" in build.log
    assert "ready after" in build.log
    assert one.said.decode() == build.log
    one.build(pip=["toy"])
    assert one.said == b""
    assert EnvironmentBuild.objects.count() == 1


def _as_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compute.environments.building._settled", set())


def test_what_another_database_knew_is_taken_as_it_is(
    machine: Machines, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = machine("one")
    one.build(pip=["toy"])
    SpecificationLock.objects.all().delete()
    EnvironmentBuild.objects.all().delete()
    index.wheel("toy", "1.1")
    _as_a_new_process(monkeypatch)
    assert said_by(one.build(pip=["toy"]), SHOW) == "1.0"
    assert one.said == b""
    assert SpecificationLock.objects.get().document.requirements.startswith("toy==1.0 ")
    assert statuses() == ["ready"]


def test_what_was_built_before_there_were_locks_becomes_one(
    machine: Machines, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = machine("one")
    built = one.build(pip=["toy"])
    SpecificationLock.objects.all().delete()
    EnvironmentBuild.objects.all().delete()
    built.stamp_file.write_text("1767225600.0\n")
    for file in built.about.iterdir():
        file.unlink()
    index.wheel("toy", "1.1")
    _as_a_new_process(monkeypatch)
    assert said_by(one.build(pip=["toy"]), SHOW) == "1.0"
    assert SpecificationLock.objects.get().document.requirements == "toy==1.0\n"
    assert EnvironmentBuild.objects.get().size_bytes > 0
    assert said_by(machine("two").build(pip=["toy"]), SHOW) == "1.0"


def test_a_build_that_the_lock_contradicts_is_made_anew(
    machine: Machines, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = machine("one"), machine("two")
    one.build(pip=["toy"])
    index.wheel("toy", "1.1")
    SpecificationLock.objects.all().delete()
    assert said_by(two.build(pip=["toy"]), SHOW) == "1.1"
    _as_a_new_process(monkeypatch)
    assert said_by(one.build(pip=["toy"]), SHOW) == "1.1"
    assert statuses() == ["removed", "ready", "ready"]


def test_whoever_locks_second_installs_what_the_first_one_found(
    machine: Machines, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines build a specification for the first time, and the index changes between the two."""
    from compute.environments import building

    one, two = machine("one"), machine("two")
    record = building.record_lock

    def while_another_builds(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(building, "record_lock", record)
        index.withdraw("toy")
        index.wheel("toy", "1.1")
        two.build(pip=["toy"])
        one.settings.NODE_HOME = one.home
        return record(*args, **kwargs)

    monkeypatch.setattr(building, "record_lock", while_another_builds)
    built = one.build(pip=["toy"])
    assert said_by(built, SHOW) == "1.1"
    assert b"Another node built it first" in one.said
    assert len(set(EnvironmentBuild.objects.values_list("lock_digest", flat=True))) == 1


@pytest.fixture
def no_conda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compute.environments.conda_build.find_conda", lambda: None)


@pytest.mark.usefixtures("no_conda")
def test_what_is_missing_or_wrong_is_a_sentence(machine: Machines, index: PackageIndex) -> None:
    index.wheel("asks", "1.0", requires=["toy<1.0"])
    index.sdist("broken", "1.0", files={"setup.py": b"raise SystemExit('no good')\n"})
    one = machine("one")
    wanted: dict[str, dict[str, Any]] = {
        "There is no package “no-such-thing” on the package index": {"pip": ["no-such-thing"]},
        "The package index has no version toy==9": {"pip": ["toy==9"]},
        "The requirements contradict each other": {"pip": ["asks", "toy==1.0"]},
        "Python 3.99 is not installed on this node": {"python_version": "3.99"},
        "Python 3.2 is not installed on this node": {"python_version": "3.2"},
        "broken==1.0 has no ready-made file": {"pip": ["broken"]},
        "whose address this node does not know": {"pip": ["toy"], "indexes": ["nowhere"]},
        "“cudatoolkit” is not on the package index; “libgdal” is not": {"conda": ["toy", "cudatoolkit", "libgdal"]},
        "“blas=1.0=mkl” names a build": {"conda": ["toy=1", "blas=1.0=mkl"]},
    }
    for said, spec in wanted.items():
        assert said in one.failure(**spec)
    assert not SpecificationLock.objects.exists()
    assert set(statuses()) == {"failed"}
    assert not list(one.folder.ready())


def test_an_index_that_is_away_is_worth_another_try(machine: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    assert "The package index could not be reached from the node" in machine("one").failure(pip=["toy"])


def test_a_compiler_that_is_not_there_is_named(machine: Machines, index: PackageIndex) -> None:
    backend = (
        b"import subprocess\n"
        b"def build_wheel(*args, **kwargs):\n"
        b"    subprocess.run(['no-such-gcc', '-c', 'needy.c'], check=True)\n"
    )
    project = b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    index.sdist("needy", "1.0", files={"pyproject.toml": project, "backend.py": backend})
    reason = machine("one").failure(pip=["needy"])
    assert "needy==1.0 has no ready-made file for Python 3.11, and the node lacks what it takes to compile it" in reason
    assert "no-such-gcc" in reason


def test_a_file_that_was_exchanged_is_refused(
    machine: Machines, index: PackageIndex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine("one").build(pip=["toy"])
    index.wheel("toy", "1.0", files={"toy.py": b"__version__ = 'evil'\n"})
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another cache"))
    assert "another file for toy==1.0 than the one that this version was locked with" in machine("two").failure(
        pip=["toy"]
    )


def test_setup_script_and_variables_are_part_of_it(machine: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_SECRET_KEY", "tell-tale")
    script = 'echo "key: [$STUDIO_SECRET_KEY]"\necho "$TONE" > "$STUDIO_ENVIRONMENT/tone"\npython -c "import toy"\n'
    one = machine("one")
    built = one.build(pip=["toy"], setup_script=script, variables={"TONE": "blue"})
    assert (built.folder / "tone").read_text() == "blue\n"
    assert b"key: []" in one.said
    assert not list(built.folder.glob("setup-*"))


def test_a_setup_script_that_fails_or_hangs_is_a_sentence(machine: Machines, settings: Any) -> None:
    settings.SETUP_SCRIPT_TIMEOUT_S = 1.0
    one = machine("one")
    reason = one.failure(setup_script="echo wrong\nexit 3\n")
    assert "setup script ended with exit code 3. Correct it in a new version" in reason
    assert reason.endswith("wrong")
    assert "setup script ran longer than 1 s" in one.failure(setup_script="sleep 600\n")
    settings.SETUP_SCRIPT_TIMEOUT_S = 60.0
    assert "said more than 8 MB" in one.failure(setup_script="exec yes\n")
    assert statuses() == ["failed", "failed", "failed"]


def test_an_interpreter_of_the_machine_is_used_as_it_is(machine: Machines, tmp_path: Path) -> None:
    one = machine("one")
    built = one.build(interpreter=sys.executable)
    assert (built.python, built.bin) == (Path(sys.executable), Path(sys.executable).parent)
    assert str(built.folder) == sys.prefix
    assert not EnvironmentBuild.objects.exists()
    assert "has no such file" in one.failure(interpreter=str(tmp_path / "python"))
    assert "is no Python that node one can run" in one.failure(interpreter="/bin/false")


def test_unused_ones_make_room_and_those_in_use_stay(machine: Machines, index: PackageIndex) -> None:
    for name in ("big", "bigger"):
        index.wheel(name, "1.0", files={f"{name}.bin": os.urandom(3_000_000)})
    one = machine("one")
    first, second, third = ({"pip": [name]} for name in ("big", "bigger", "toy"))
    for spec in (first, second, third):
        one.build(**spec)
    digest = EnvironmentSpec(**first).digest
    with one.folder.in_use(digest):
        assert trim(one.folder, 5_000_000) == [EnvironmentSpec(**second).digest]
    assert statuses() == ["ready", "removed", "ready"]
    assert "not used for longest" in EnvironmentBuild.objects.get(status=BuildStatus.REMOVED).reason
    assert trim(one.folder, 5_000_000) == []
    os.utime(one.folder.root / f"{digest}.use", (1, 1))
    assert trim(one.folder, 1_000_000) == [digest]
    one.build(**first)
    assert statuses() == ["removed", "removed", "ready", "ready"]


def test_what_is_asked_while_one_trims_is_not_lost(
    machine: Machines, index: PackageIndex, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removing takes its time, and further builds end meanwhile: theirs has to be looked at as well."""
    for name in ("big", "bigger"):
        index.wheel(name, "1.0", files={f"{name}.bin": os.urandom(3_000_000)})
    one = machine("one")
    for name in ("big", "bigger", "toy"):
        one.build(pip=[name])
    in_use = contextlib.ExitStack()
    in_use.enter_context(one.folder.in_use(EnvironmentSpec(pip=["bigger"]).digest))

    def another_build_ends() -> None:
        in_use.close()
        trimming.trim_soon(one.folder)

    monkeypatch.setattr(trimming, "prune_cache", another_build_ends)
    settings.ENVIRONMENTS_BYTES = 1_000_000
    trimming.trim_soon(one.folder)
    wait_for(lambda: statuses()[:2] == ["removed", "removed"], what="both are gone")


def test_no_other_one_goes_after_one_that_gave_nothing_back(machine: Machines, index: PackageIndex) -> None:
    """Its files may be shared with a cache, so that removing it frees no byte."""
    one = machine("one")
    for name in ("big", "bigger"):
        index.wheel(name, "1.0", files={f"{name}.bin": os.urandom(100_000)})
        one.build(pip=[name])
    make_room(one.folder, lambda: 1000)
    assert statuses().count("removed") == 1
    make_room(one.folder, lambda: 10**12)
    assert statuses().count("removed") == 1, "all of them would not do"


def test_packages_of_a_further_index_come_by_its_name_and_its_password_stays_hidden(
    machine: Machines, settings: Any
) -> None:
    with web(user="olga", password="tell-tale") as server:
        further = PackageIndex(server.folder / "further")
        further.wheel("toy", "7.0")
        leaky = b"import os\ndef build_wheel(folder, *args, **kwargs):\n    raise SystemExit(os.environ['UV_INDEX'])\n"
        project = b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        further.sdist("leaky", "1.0", files={"pyproject.toml": project, "backend.py": leaky})
        address = server.url.replace("://", "://olga:tell-tale@")
        settings.PACKAGE_INDEXES = {"ours": f"{address}/further/simple"}
        one = machine("one")
        assert said_by(one.build(pip=["toy"], indexes=["ours"]), SHOW) == "7.0"
        reason = one.failure(pip=["leaky"], indexes=["ours"])
    said = " ".join([reason, *EnvironmentBuild.objects.values_list("log", flat=True)])
    assert "ours=http" in said
    assert "tell-tale" not in said
    assert "tell-tale" not in SpecificationLock.objects.get().document.requirements


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_during_a_build_is_said_and_gets_its_room_back(
    machine: Machines, index: PackageIndex, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compute.execution.room.MIN_FREE_BYTES", 1024**2)
    monkeypatch.setenv("UV_CACHE_DIR", str(small_disk / "cache"))
    index.wheel("huge", "1.0", files={f"huge-{number}.bin": os.urandom(8_000_000) for number in range(5)})
    one = machine("one")
    one.home = small_disk / "node"
    reason = one.failure(pip=["huge"])
    assert "The disk is full" in reason
    assert "Make room" in reason
    assert not (one.folder.root / EnvironmentSpec(pip=["huge"]).digest).exists()
    assert statuses() == ["failed"]
    assert said_by(one.build(pip=["toy"]), SHOW) == "1.0"
    monkeypatch.setattr("compute.execution.room.MIN_FREE_BYTES", 1024**4)
    assert "are free where the node's files lie" in one.failure(pip=["toy"], generation=1)


def test_what_is_not_in_use_goes_before_a_nearly_full_disk_stops_a_build(
    machine: Machines, index: PackageIndex, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compute.execution.room.MIN_FREE_BYTES", 1024**2)
    monkeypatch.delenv("UV_CACHE_DIR")  # the node's own one
    index.wheel("large", "1.0", files={"large.bin": os.urandom(7_000_000)})
    one = machine("one")
    one.home = small_disk / "node"
    one.build(pip=["large"])
    monkeypatch.setattr("compute.execution.room.MIN_FREE_BYTES", 20_000_000)
    assert said_by(one.build(pip=["toy"]), SHOW) == "1.0"
    assert statuses() == ["removed", "ready"]
    assert "the disk was nearly full" in EnvironmentBuild.objects.get(status=BuildStatus.REMOVED).reason
    monkeypatch.setattr("compute.execution.room.MIN_FREE_BYTES", 1024**4)
    assert "are free where the node's files lie" in one.failure(pip=["toy"], generation=1)
    assert statuses() == ["removed", "ready", "failed"], "where all would not do, what is there stays"
