"""What a node finds out about the sandboxes that it can make, what it says of it, and what it does without."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from compute.models import Node
from tests.support.compute import Compute, log_of, over
from tests.support.other_user import NOBODY, as_nobody, readable_by_nobody
from tests.support.spying import found_by, spy
from tests.support.stack import Stack

pytestmark = pytest.mark.django_db(transaction=True)

WITHOUT_MOUNTING = ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin")
# In a namespace of users whose own number of such namespaces is nought.
WITHOUT_NAMESPACES = (
    "unshare",
    "--user",
    "--map-root-user",
    "sh",
    "-c",
    f'echo 0 > /proc/sys/user/max_user_namespaces && exec {" ".join(WITHOUT_MOUNTING)} "$@"',
    "sh",
)


@pytest.fixture
def for_nobody(tmp_path: Path) -> Iterator[Path]:
    """A node's home that this user may write."""
    with readable_by_nobody(Path(settings.STUDIO_HOME)):
        home = Path(settings.STUDIO_HOME) / "nobodys-node"
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        yield home


def test_the_node_says_how_it_isolates(data_stack: Callable[..., Stack], compute: Compute) -> None:
    worker = data_stack().node(compute.target.pk)
    row = Node.objects.get(target=compute.target)
    assert (row.isolation, row.isolation_note) == ("sandbox", "")
    assert not [line for line in log_of(over(compute.script("print('hello')")), "s") if "isolated" in line]
    assert worker.log.read_text().count("Each step runs in a sandbox of its own") == 1


def test_without_bubblewrap_steps_run_and_it_is_said_once(
    data_stack: Callable[..., Stack], compute: Compute, tmp_path: Path
) -> None:
    worker = data_stack().node(compute.target.pk, PATH=str(tmp_path))
    row = Node.objects.get(target=compute.target)
    assert (row.isolation, row.isolation_note) == ("process", "bubblewrap is not installed")
    job = over(compute.script("import os; print(os.getpid() > 2)"))
    assert log_of(job, "o") == ["True"]
    assert [line.partition(" ")[2] for line in log_of(job, "s")[-1:]] == [
        "Steps are isolated by process only: bubblewrap is not installed."
    ]
    assert worker.log.read_text().count("isolated by process only") == 1


def test_what_a_node_is_told_about_isolation(
    data_stack: Callable[..., Stack], compute: Compute, tmp_path: Path
) -> None:
    stack = data_stack()
    refusal = re.escape("this node can't make one: bubblewrap is not installed. Install bubblewrap")
    with pytest.raises(AssertionError, match=refusal):
        stack.node(compute.target.pk, STUDIO_ISOLATION="require", PATH=str(tmp_path))
    with pytest.raises(AssertionError, match="STUDIO_ISOLATION is auto, require or off, and not 'ja'"):
        stack.node(compute.target.pk, STUDIO_ISOLATION="ja")
    assert not Node.objects.filter(target=compute.target).exists()
    stack.node(compute.target.pk, STUDIO_ISOLATION="off")
    assert Node.objects.get(target=compute.target).isolation_note == "STUDIO_ISOLATION=off"


@pytest.mark.skipif(os.geteuid() != 0, reason="takes rights away from root; others never had them")
def test_root_without_the_right_to_mount_makes_sandboxes_as_others_do(
    data_stack: Callable[..., Stack], compute: Compute
) -> None:
    data_stack().node(compute.target.pk, under=WITHOUT_MOUNTING)
    assert Node.objects.get(target=compute.target).isolation == "sandbox"
    tries = {"home": f"os.listdir({str(settings.STUDIO_HOME)!r})", "own": "write('mine')"}
    found = found_by(over(spy(compute, tries)))
    assert (found["home"][0], found["own"]) == ("refused", ("got", "written"))


@pytest.mark.skipif(os.geteuid() != 0, reason="takes rights away from root")
def test_where_namespaces_are_forbidden_it_says_so(data_stack: Callable[..., Stack], compute: Compute) -> None:
    data_stack().node(compute.target.pk, under=WITHOUT_NAMESPACES)
    row = Node.objects.get(target=compute.target)
    assert row.isolation == "process"
    assert row.isolation_note.startswith("this machine does not let bubblewrap make namespaces (bwrap: ")
    assert log_of(over(compute.script("print('hello')")), "o") == ["hello"]


def test_a_node_of_an_ordinary_user(data_stack: Callable[..., Stack], compute: Compute, for_nobody: Path) -> None:
    """Its sandboxes are as closed as root's: what it may read outside is not there inside."""
    stack = data_stack(STUDIO_STEP_WRITABLE="", STUDIO_NODE_HOME=str(for_nobody), STUDIO_ISOLATION="require")
    own_home = {"HOME": str(for_nobody), "UV_CACHE_DIR": str(for_nobody / "uv-cache")}
    worker = stack.node(compute.target.pk, under=as_nobody(), **own_home)
    tries = {
        "redis": f"os.stat({str(settings.EMBEDDED_REDIS_SOCKET)!r})",
        "code": f"read({str(settings.BASE_DIR / 'manage.py')!r})",
        "node's environment": f"read('/proc/{worker.pid}/environ')",
        "a signal to the node": f"os.kill({worker.pid}, 0)",
        "the root": "make('/mine')",
        "environment": "write(sys.prefix + '/pyvenv.cfg')",
        "unmounting": "call('umount2', b'/usr', 2)",
    }
    own = {"user": "os.getuid()", "file": "write('mine')", "temporary": "write('/tmp/mine')"}
    found = found_by(over(spy(compute, tries | own)))
    assert found["user"] == ("got", NOBODY if os.geteuid() == 0 else os.getuid())
    assert (found["file"], found["temporary"]) == (("got", "written"), ("got", "written"))
    assert {name: found[name] for name in tries if found[name][0] != "refused"} == {}
    killed = over(compute.script("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert killed.exit_code == -9
