"""What becomes of a package that turns against us while its interpreter becomes a step, with all rights that it has."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from compute.execution.processes import MARKER, members
from compute.execution.sandbox.detection import find_isolation
from compute.execution.sandbox.interpreter import interpreter_places
from compute.execution.sandbox.isolation import Sandbox
from compute.execution.sandbox.plan import Kind, SandboxPlan
from compute.execution.sandbox.process import SandboxedProcess, launch
from compute.execution.sandbox.roots import RootMaker, introduced, said_by
from compute.execution.sandbox.system import own_interpreter
from compute.execution.supervision import awaited
from compute.execution.warm.kept import KeptProcess, Place, Shelters
from compute.execution.warm.nests import Nest, Spare, StepOrder
from tests.support.compute import is_alive
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's nodes make such roots")

# As `enter_sandbox` does it, but for giving up what rights it has.
HOSTILE = """
import array, ctypes, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "done"
node = socket.socket(fileno=int(sys.argv[1]))
looking, looks = os.pipe()
if "outside" not in sys.argv:
    call("unshare", 0x10000000 | 0x08000000 | 0x20000000)
    if os.fork():
        if "looks" in sys.argv:
            exec(sys.argv[sys.argv.index("looks") + 1])
        os.wait()
        os._exit(0)
if "looks" in sys.argv:
    os.read(looking, 1)  # it is at it already when somebody comes to work for us
node.sendall(b"m")
found = array.array("i")
for _, kind, data in node.recvmsg(1, socket.CMSG_SPACE(4))[1]:
    found.frombytes(data)
if not found:
    node.sendall(b"[]\\n")
    os._exit(0)
call("setns", found[0], 0x00020000)
if "looks" in sys.argv:
    os._exit(0)
told = []
for name, expression in json.loads(sys.argv[2]).items():
    try:
        told.append([name, "got", str(eval(expression))])
    except Exception as error:
        told.append([name, "refused", str(error)])
node.sendall(json.dumps(told).encode() + b"\\n")
"""

# What one of the same user takes of who works for it, whom it stops again and again meanwhile.
LOOKS = """
import signal, time
until, taken, met = time.monotonic() + 1, "", 0
os.write(looks, b"x")
while time.monotonic() < until and not taken:
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"make_roots.py\\0" not in file.read():
                    continue
            os.kill(int(pid), signal.SIGSTOP)
            met += 1
            try:
                taken = os.readlink(f"/proc/{pid}/fd/0")
            finally:
                os.kill(int(pid), signal.SIGCONT)
        except OSError:
            pass
node.sendall(json.dumps([["who works for it", "met", str(met > 0)], ["its files", "taken", taken]]).encode() + b"\\n")
"""


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    found = find_isolation().sandbox
    assert found is not None
    assert found.can_be_entered
    return found


@pytest.fixture
def roots() -> Iterator[RootMaker]:
    with closing(RootMaker("test-of-roots")) as maker:
        yield maker


def turned(sandbox: Sandbox, roots: RootMaker, plan: SandboxPlan, tries: dict[str, str], *how: str) -> list[list[str]]:
    ours, theirs = introduced()
    ours.settimeout(30)
    with ours:
        with theirs:
            sight = sandbox.sight()
            sight.show(*interpreter_places(own_interpreter()))
            command = [str(own_interpreter()), "-I", "-S", "-c", HOSTILE, str(theirs.fileno()), json.dumps(tries), *how]
            fds = (theirs.fileno(),)
            around = SandboxPlan(sight.mounts(), "/")
            process = launch(command, {MARKER: "test-of-roots"}, sandbox=sandbox, plan=around, pass_fds=fds)
        try:
            _, asker = said_by(ours)
            roots.let_in(ours, asker, plan.as_json()["mounts"])
            said = b""
            while not said.endswith(b"\n"):
                piece = ours.recv(65536)
                assert piece, process.said()
                said += piece
            return list(json.loads(said))
        finally:
            _end(process)


def _end(process: SandboxedProcess) -> None:
    process.kill()
    process.wait()
    awaited.discard(process.pid)
    process.close()
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()


def test_with_all_rights_of_its_namespace_it_sees_and_writes_no_more_than_its_step(
    sandbox: Sandbox, roots: RootMaker, tmp_path: Path
) -> None:
    own, others = tmp_path / "own", tmp_path / "others"
    for folder in (own, others):
        folder.mkdir()
        (folder / "file").write_text("text")
    sight = sandbox.sight()
    sight.show(tmp_path)
    sight.show(own, kind=Kind.WRITABLE)
    sight.hide(others)
    tries = {
        "its own": f"open({str(own / 'new')!r}, 'w').write('x')",
        "rights": "os.geteuid() == 0 and os.chown('%s', 1000, 1000)" % (own / "file"),
        "hidden": f"open({str(others / 'file')!r}).read()",
        "beneath": f"call('umount2', {str(others).encode()!r}, 2)",
        "writing again": f"call('mount', None, {str(tmp_path).encode()!r}, None, 32 | 4096, None)",
        "read only": f"open({str(tmp_path / 'new')!r}, 'w')",
        "kernel's settings": "open('/proc/sys/kernel/core_pattern', 'w').write('x')",
        "beneath them": "call('umount2', b'/proc/sys', 2)",
        "other settings": "call('mount', b'proc', b'/proc', b'proc', 0, None)",
        "system": "call('mount', None, b'/usr', None, 32 | 4096, None)",
        "around it": "call('umount2', b'/', 2) and os.listdir('/home')",
        "a device": "os.mknod('/dev/shm/disk', 0o60600, os.makedev(254, 0))",
        "the machine's namespaces": "call('setns', os.open('/proc/1/ns/user', 0), 0)",
        "the machine's name": "call('sethostname', b'mine', 4)",
    }
    told = turned(sandbox, roots, SandboxPlan(sight.mounts(), "/"), tries)
    assert [name for name, how, _ in told if how == "got"] == ["its own", "rights"], told
    assert len(told) == len(tries)
    assert (own / "file").stat().st_uid == 1000
    assert not (tmp_path / "new").exists()


def test_no_root_is_made_for_a_process_without_namespaces_of_its_own(
    sandbox: Sandbox, roots: RootMaker, tmp_path: Path
) -> None:
    sight = sandbox.sight()
    sight.show(tmp_path, kind=Kind.WRITABLE)
    with pytest.raises(OSError, match="no namespaces of its own"):
        turned(sandbox, roots, SandboxPlan(sight.mounts(), "/"), {"any": "1"}, "outside")
    ours, theirs = introduced()
    with ours, theirs, pytest.raises(OSError, match="no namespaces of its own"):
        roots.let_in(ours, os.getpid(), [])


def test_nothing_is_taken_from_who_works_for_it(sandbox: Sandbox, roots: RootMaker) -> None:
    sight = sandbox.sight()
    sight.show(*interpreter_places(own_interpreter()))
    plan = SandboxPlan(sight.mounts(), "/")
    for _ in range(30):  # it is there for some thousandths of a second
        met, taken = turned(sandbox, roots, plan, {}, "looks", LOOKS)
        assert taken == ["its files", "taken", ""]
        if met == ["who works for it", "met", "True"]:
            return
    raise AssertionError("it was never met")


def test_folders_on_the_way_are_open_to_all_whatever_the_node_keeps_to_itself(
    sandbox: Sandbox, roots: RootMaker, tmp_path: Path
) -> None:
    sight = sandbox.sight()
    sight.show(tmp_path)
    sight.show(*interpreter_places(own_interpreter()))
    tries = {name: f"oct(os.stat({name!r}).st_mode & 0o777)" for name in (str(tmp_path.parent), "/dev/shm", "/dev/pts")}
    before = os.umask(0o077)
    try:
        told = turned(sandbox, roots, SandboxPlan(sight.mounts(), "/"), tries)
    finally:
        os.umask(before)
    assert told == [[name, "got", "0o755"] for name in tries]


# Gives birth to a process that would be a step, and that leaves another one behind when it ends.
LEAVES = """
import os, socket, sys, time
control = socket.socket(fileno=int(sys.argv[1]))
control.sendall(b"h")
if not os.fork():
    control.sendall(b"b")
    while not os.path.exists("go"):
        time.sleep(0.02)
    if not os.fork():
        os.setsid()
        time.sleep(600)
    os._exit(0)
time.sleep(600)
"""


def test_what_a_step_leaves_beside_its_own_sandbox_is_ended_with_it(
    sandbox: Sandbox, roots: RootMaker, tmp_path: Path
) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "leaves.py").write_text(LEAVES)
    python = own_interpreter()
    shelter = Shelters(sandbox, roots).one(python, folder, folder)
    place = Place(python, {}, folder, "test-of-leaving", shelter)
    process = KeptProcess(str(folder / "leaves.py"), place, output=subprocess.DEVNULL, patience_s=20)
    said, birth = said_by(process.control)
    assert said == b"b"
    process.gave_birth(birth)
    process.end()
    assert is_alive(birth)
    assert folder.exists()
    (folder / "go").touch()
    wait_for(lambda: not members(marker="test-of-leaving"), what="nothing is left of it", timeout_s=20)
    wait_for(lambda: not folder.exists(), what="its folder is gone, too")


def test_a_step_that_is_over_before_anybody_looks_has_its_exit_code(
    sandbox: Sandbox, roots: RootMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "main.py").write_text("print('short')\nraise SystemExit(3)")
    python = own_interpreter()
    shelter = Shelters(sandbox, roots).one(python, folder, folder)
    place = Place(python, {"LANG": "C.UTF-8"}, folder, "test-of-haste", shelter)
    nest = Nest(place, [])
    prepare = Spare._prepare

    def slowly(self: Spare, order: StepOrder, fds: list[int]) -> int:
        first = prepare(self, order, fds)
        wait_for(lambda: not Path(f"/proc/{self.pid}").exists(), what="the step is over, and nobody's child")
        return first

    monkeypatch.setattr(Spare, "_prepare", slowly)
    try:
        order = StepOrder([str(python), "main.py"], str(folder), place.environment, sandbox=shelter.plan.as_json())
        process = nest.hatch().become(order)
        assert process.has_ended()
        with process.stdout, process.stderr:
            assert (process.stdout.read(), process.wait()[0]) == (b"short\n", 3)
        process.close()
    finally:
        nest.end()
