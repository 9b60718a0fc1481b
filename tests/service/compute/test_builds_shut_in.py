"""What a build runs for its author, in the sandbox and without one: what it can reach, and what is left of it."""

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as studio

from compute.environments.building import ready_environment
from compute.execution.handle import Handle, InterruptedByWish
from compute.execution.processes import members
from compute.models import EnvironmentBuild, SpecificationLock
from compute.spec import EnvironmentSpec
from tests.support.compute import Compute
from tests.support.environments import Machine, isolation_of, said_by
from tests.support.packages import PackageIndex
from tests.support.servers.web import web
from tests.support.spying import SPY
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

PROJECT = b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
# Makes a wheel of what `found` gives.
BACKEND = """
import json, os, subprocess, sys, zipfile

def found():
    {found}

def build_wheel(folder, *args, **kwargs):
    name = "{name}-1.0-py3-none-any.whl"
    info = "{name}-1.0.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("{name}.py", "FOUND = " + repr(found()) + "\\n")
        wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n")
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "/RECORD", "")
    return name
"""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageIndex:
    index = PackageIndex(tmp_path / "index")
    index.wheel("toy", "1.0")
    for name, value in index.variables.items():
        monkeypatch.setenv(name, value)
    return index


@pytest.fixture
def machine(index: PackageIndex, settings: Any, tmp_path: Path) -> Callable[[str], Machine]:
    """One that isolates as is said."""
    return lambda kind: Machine(
        Compute(), settings, tmp_path / "node", "one", isolation_of(kind, settings, tmp_path / "trial")
    )


@pytest.fixture
def closed(machine: Callable[[str], Machine]) -> Machine:
    return machine("sandbox")


def publish_source(index: PackageIndex, name: str, found: str) -> None:
    """A package that has to be built; `found` is the body of a function."""
    backend = BACKEND.format(name=name, found=found).encode()
    index.sdist(name, "1.0", files={"pyproject.toml": PROJECT, "backend.py": backend})


def _tries(one: Machine, tmp_path: Path) -> dict[str, str]:
    """What belongs to others, and lies there."""
    home = Path(studio.STUDIO_HOME)
    other = one.build(pip=["toy"])
    theirs = {
        "key": home / "secret-key",
        "other workspace": home / "workspaces/9/store/secret.txt",
        "other attempt": one.home / "attempts/0123/secret.txt",
        "cache of data": one.home / "cache/data/secret.txt",
        "user's keys": tmp_path / "home/.ssh/id_ed25519",
    }
    for file in theirs.values():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("secret")
    theirs["database"] = home / "test.sqlite3"
    theirs["database"].touch()
    theirs["other environment"] = other.folder / "pyvenv.cfg"
    theirs["code"] = studio.BASE_DIR / "manage.py"
    (cached,) = Path(os.environ["UV_CACHE_DIR"]).rglob("toy.py")
    return {
        **{name: f"read({str(file)!r})" for name, file in theirs.items()},
        "node's environment": f"read('/proc/{os.getpid()}/environ')",
        "a signal to the node": f"os.kill({os.getpid()}, 0)",
        "cache of packages": f"os.listdir({os.environ['UV_CACHE_DIR']!r})",
        "what others install": f"open({str(cached)!r}, 'ab').close()",
    }


@pytest.fixture
def users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.usefixtures("users_home")
@pytest.mark.parametrize("kind", ["sandbox", "process"])
def test_what_a_build_can_reach(
    kind: str, machine: Callable[[str], Machine], index: PackageIndex, tmp_path: Path
) -> None:
    one = machine(kind)
    tries = _tries(one, tmp_path)
    spying = [sys.executable, "-c", SPY, json.dumps(tries)]
    publish_source(index, "spy", f"return subprocess.run([sys.executable, *{spying[1:]!r}], stdout=-1).stdout.decode()")
    script = (
        "cat > tries.json <<'END'\n" + json.dumps(tries) + "\nEND\ncat > spy.py <<'END'\n" + SPY + "\nEND\n"
        'python spy.py "$(cat tries.json)" > "$STUDIO_ENVIRONMENT/found"\n'
    )
    built = one.build(pip=["spy", "toy"], setup_script=script)
    by_source = said_by(built, "import spy; print(spy.FOUND)")
    assert said_by(built, "import toy; print(toy.__version__)") == "1.0"
    for said in (by_source, (built.folder / "found").read_text()):
        found = {name: (how, what) for name, how, what in map(json.loads, said.strip().splitlines())}
        assert set(found) == set(tries)
        expected = "refused" if kind == "sandbox" else "got"
        assert {name: told for name, told in found.items() if told[0] != expected} == {}
    notice = b"It is built without a sandbox: STUDIO_ISOLATION=off."
    assert (notice in one.said) == (kind == "process")
    assert not list(one.folder.root.glob("*.build"))


def test_what_was_built_from_sources_is_as_locked(closed: Machine, index: PackageIndex) -> None:
    """The lock has the hash of the sources, and the rest still comes from the cache of all as links."""
    publish_source(index, "made", "return 'here'")
    built = closed.build(pip=["made", "toy"])
    assert said_by(built, "import made, toy; print(made.FOUND, toy.__version__)") == "here 1.0"

    assert b"Building from sources, in a sandbox: made." in closed.said
    lock = SpecificationLock.objects.get().document
    assert {(each.name, each.version) for each in lock.packages} == {("made", "1.0"), ("toy", "1.0")}
    site = next(built.folder.glob("lib/python3.*/site-packages"))
    assert (site / "toy.py").stat().st_nlink > 1
    assert list(site.glob("__pycache__/toy.*.pyc"))
    assert not [file for file in Path(os.environ["UV_CACHE_DIR"]).glob("sdists-*/**/*") if "made" in file.name]
    # From the lock, and after the index has other sources under that name.
    closed.folder.remove(EnvironmentSpec(pip=["made", "toy"]).digest)
    assert said_by(closed.build(pip=["made", "toy"]), "import made; print(made.FOUND)") == "here"
    closed.folder.remove(EnvironmentSpec(pip=["made", "toy"]).digest)
    publish_source(index, "made", "return 'exchanged'")
    assert "another file for made==1.0" in closed.failure(pip=["made", "toy"])


@pytest.mark.parametrize("kind", ["sandbox", "process"])
def test_lines_that_a_package_adds_to_each_start_of_python_run_inside(
    kind: str, machine: Callable[[str], Machine], index: PackageIndex, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    index.wheel(
        "sly",
        "1.0",
        files={"sly.pth": f"import os; os.path.isdir({str(tmp_path)!r}) and open({str(mark)!r}, 'w')\n".encode()},
    )
    index.wheel("matplotlib", "1.0", files={"matplotlib/__init__.py": b"", "matplotlib/font_manager.py": b""})
    machine(kind).build(pip=["sly", "matplotlib"])
    assert mark.exists() == (kind == "process")


def test_a_setup_script_changes_its_own_environment_alone(closed: Machine) -> None:
    script = "echo \"__version__ = 'evil'\" > \"$(python -c 'import toy; print(toy.__file__)')\"\n"
    show = "import toy; print(toy.__version__)"
    assert said_by(closed.build(pip=["toy"], setup_script=script), show) == "evil"
    assert said_by(closed.build(pip=["toy"]), show) == "1.0"


def test_links_that_a_setup_script_leaves_lead_nobody_anywhere(closed: Machine, tmp_path: Path) -> None:
    secret = Path(studio.STUDIO_HOME) / "secret-key"
    secret.write_text("secret")
    victim = tmp_path / "victim"
    victim.mkdir()
    for lead in (f"ln -sf {secret} bin/python", f"echo 'home = {victim}/bin' > pyvenv.cfg"):
        (victim / "bin").mkdir(exist_ok=True)
        (victim / "lib/python3.11").mkdir(parents=True, exist_ok=True)
        (victim / "lib/python3.11/os.py").touch()
        assert "Leave bin/python and pyvenv.cfg" in closed.failure(setup_script=f'cd "$STUDIO_ENVIRONMENT"\n{lead}\n')
    script = f'cd "$STUDIO_ENVIRONMENT"\nrm -r .studio\nln -s {victim} .studio\nln -s {victim}/stamp .complete.part\n'
    assert closed.build(pip=["toy"], setup_script=script).is_ready
    assert sorted(each.name for each in victim.iterdir()) == ["bin", "lib"]


def test_what_administrators_set_for_indexes_is_found_inside_and_no_more(
    closed: Machine, users_home: Path, settings: Any
) -> None:
    with web(user="olga", password="tell-tale") as server:
        further = PackageIndex(server.folder / "further")
        publish_source(further, "made", "return sorted(os.listdir(os.environ['HOME']))")
        (users_home / ".netrc").write_text("machine 127.0.0.1 login olga password tell-tale\n")
        (users_home / ".ssh").mkdir()
        settings.PACKAGE_INDEXES = {"ours": f"{server.url}/further/simple"}
        built = closed.build(pip=["made"], indexes=["ours"])
    assert ".netrc" in (found := said_by(built, "import made; print(made.FOUND)"))
    assert ".ssh" not in found


@pytest.mark.parametrize("kind", ["sandbox", "process"])
def test_a_build_that_takes_too_long_leaves_no_process(
    kind: str, machine: Callable[[str], Machine], index: PackageIndex
) -> None:
    publish_source(
        index, "slow", "subprocess.Popen(['sleep', '600'], start_new_session=True); import time; time.sleep(600)"
    )
    one = machine(kind)
    one.settings.BUILD_TIMEOUT_S = 4.0
    assert "was not built within 4 s" in one.failure(pip=["slow"])
    assert members(marker=f"test/{one.node.incarnation.hex}/") == set()
    assert EnvironmentBuild.objects.get().status == "failed"
    assert not list(one.folder.root.glob("*.build"))


@pytest.mark.parametrize("kind", ["sandbox", "process"])
def test_a_build_that_is_cancelled_leaves_no_process(kind: str, machine: Callable[[str], Machine]) -> None:
    one = machine(kind)
    one.settings.NODE_HOME = one.home
    handle = Handle(f"test/{one.node.incarnation.hex}/")
    heard: list[bytes] = []

    def cancel_once_begun() -> None:
        wait_for(lambda: b"begun" in b"".join(heard), what="it builds")
        handle.ask("cancel")

    helper = threading.Thread(target=cancel_once_begun)
    helper.start()
    spec = EnvironmentSpec(setup_script="setsid sleep 600 &\n(sleep 600 &)\necho begun\nsleep 600\n")
    with (
        pytest.raises(InterruptedByWish),
        ready_environment(spec, builder=one.builder, handle=handle, say=heard.append, isolation=one.isolation),
    ):
        raise AssertionError("it was built")
    helper.join()
    assert members(marker=handle.marker) == set()
    handle.close()
    assert not (one.folder.root / spec.digest).exists()


def test_a_setup_script_that_ends_leaves_no_process(closed: Machine) -> None:
    closed.build(setup_script="setsid sleep 600 &\n(sleep 600 &)\n")
    assert members(marker=f"test/{closed.node.incarnation.hex}/") == set()


def test_an_interpreter_that_a_step_has_written_is_not_started(closed: Machine, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    theirs = Path(studio.STUDIO_HOME) / "workspaces/9/store/out/python"
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_text(f"#!/bin/sh\ntouch {mark}\n")
    theirs.chmod(0o755)
    link = tmp_path / "python"
    link.symlink_to(theirs)
    for place in (theirs, link):
        assert "lies where steps may write on node one" in closed.failure(interpreter=str(place))
    assert not mark.exists()
    assert closed.build(interpreter=sys.executable).python == Path(sys.executable)


def test_a_program_that_is_not_there_is_named_as_before(closed: Machine) -> None:
    assert "no-such-program: not found" in closed.failure(setup_script="no-such-program\n")
