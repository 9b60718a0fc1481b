"""What an environment's packages do while they are imported ahead is done in a sandbox, and so is what comes of it."""

import json
import os
import signal
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from compute.models import Job, Metric
from compute.states import JobStatus
from tests.support.compute import Compute, is_alive, over, says
from tests.support.spying import SPY
from tests.support.stack import Stack, Worker
from tests.support.waiting import wait_for
from tests.support.warm import Scripts, nests_of, seen, warm_jobs

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root's nodes have warm steps in a sandbox"),
]

NODE = {"STUDIO_ISOLATION": "require", "STUDIO_LOG_LEVEL": "DEBUG", "STUDIO_NODE_HEARTBEAT_S": "0.5"}
WAITS = "import os, time\nprint('here', flush=True)\nwhile not os.path.exists('{go}'):\n    time.sleep(0.02)\n"


@pytest.fixture
def scripts(compute: Compute) -> Scripts:
    return Scripts(compute)


@pytest.fixture
def start(worker_stack: Callable[..., Stack], compute: Compute, tmp_path: Path) -> Callable[..., Worker]:
    """A node whose steps see of the test's folder what they are shown: `shown`."""
    (tmp_path / "shown").mkdir()
    home = {"STUDIO_NODE_HOME": str(tmp_path / "node"), "STUDIO_STEP_WRITABLE": str(tmp_path / "shown")}
    return lambda **variables: worker_stack(**{**NODE, **home, **variables}).node(compute.target.pk)


def run_warm(scripts: Scripts, worker: Worker, text: str = "print('hello')") -> Job:
    def look() -> Job | None:
        job = scripts.run(text)
        return job if job.pk in warm_jobs(worker.log) else None

    job = wait_for(look, what="a step starts warm", timeout_s=90)
    assert job is not None
    return job


def install(tmp_path: Path, name: str, text: str) -> None:
    (folder,) = tmp_path.glob("node/environments/*/lib/python*/site-packages")
    (folder / f"{name}.py").write_text(textwrap.dedent(text))


def said_ahead(scripts: Scripts, worker: Worker, module: str) -> dict[str, list[str]]:
    """What a module noted when it was imported ahead, by its name `FOUND`."""
    text = f"import json, {module}\nprint(json.dumps([{module}.AHEAD, {module}.FOUND]))"

    def look() -> dict[str, list[str]] | None:
        job = scripts.run(text)
        assert job.status == JobStatus.COMPLETED, (job.reason, seen(job))
        ahead, found = json.loads(seen(job).said[-1])
        return found if ahead and job.pk in warm_jobs(worker.log) else None

    found = wait_for(look, what="it is imported ahead", timeout_s=90)
    assert found is not None
    return found


def test_a_warm_step_measures_with_the_sdk_that_was_imported_ahead(
    scripts: Scripts, start: Callable[..., Worker]
) -> None:
    text = """
        import sys
        from studio_sdk.core import Run
        Run.get_context().log("loss", 0.5)
        print([each for each in sys.path if each.endswith("sdk")], sys.modules["studio_sdk"].__file__)
    """
    worker = start()
    job = run_warm(scripts, worker, textwrap.dedent(text))
    cold = scripts.run(textwrap.dedent(text), warm=False)
    assert cold.pk not in warm_jobs(worker.log)
    assert seen(job).said == seen(cold).said
    found = Metric.objects.filter(attempt__job__in=[job.pk, cold.pk])
    assert [(metric.name, metric.last) for metric in found] == [("loss", "0.5")] * 2


def test_what_is_imported_ahead_reaches_nothing_of_the_studio_nor_of_other_environments(
    scripts: Scripts, start: Callable[..., Worker], tmp_path: Path
) -> None:
    key = Path(settings.STUDIO_HOME) / "secret-key"
    key.write_text("a key")
    worker = start()
    run_warm(scripts, worker)
    tries = {
        "key": f"read({str(key)!r})",
        "home": f"os.listdir({str(settings.STUDIO_HOME)!r})",
        "database": f"read({str(Path(settings.STUDIO_HOME) / 'test.sqlite3')!r})",
        "redis": f"os.lstat({str(settings.EMBEDDED_REDIS_SOCKET)!r})",
        "code": f"read({str(settings.BASE_DIR / 'manage.py')!r})",
        "node's environment": f"read('/proc/{worker.pid}/environ')",
        "a signal to the node": f"os.kill({worker.pid}, 0)",
        "other interpreters": f"len(os.listdir({str(tmp_path / 'node' / 'warm')!r})) == 1 or read('/none')",
        "attempts": f"os.listdir({str(tmp_path / 'node' / 'attempts')!r})",
        "cache": f"os.listdir({str(tmp_path / 'node' / 'cache')!r})",
        "passwords": "read('/etc/shadow')",
        "its packages": "write(sys.prefix + '/pyvenv.cfg')",
        "kernel's settings": "write('/proc/sys/kernel/core_pattern')",
        "mounting": "call('mount', b'none', b'/usr', b'tmpfs', 0, None)",
    }
    helpers = SPY[: SPY.index("for name, expression")]
    install(
        tmp_path,
        "spying",
        helpers
        + textwrap.dedent(f"""
        AHEAD = sys.argv == [""]
        FOUND = {{}}
        for name, expression in {tries!r}.items():
            try:
                FOUND[name] = ["got", str(eval(expression))]
            except Exception as error:
                FOUND[name] = ["refused", str(error)]
        """),
    )
    found = said_ahead(scripts, worker, "spying")
    assert found.pop("other interpreters") == ["got", "True"]  # its own folder
    assert {name: said for name, said in found.items() if said[0] != "refused"} == {}
    assert len(found) == len(tries) - 1


def test_a_step_lives_on_when_the_interpreter_it_came_from_ends(
    scripts: Scripts, start: Callable[..., Worker], tmp_path: Path
) -> None:
    worker = start(STUDIO_WARM_IDLE_S="1")
    run_warm(scripts, worker)
    go = tmp_path / "shown" / "go"
    job = scripts.start(WAITS.format(go=go))
    says(job, "here")
    assert job.pk in warm_jobs(worker.log)
    wait_for(lambda: not nests_of(worker), what="the interpreter is ended, for nobody uses it")
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING
    go.touch()
    assert (over(job).status, job.exit_code) == (JobStatus.COMPLETED, 0)
    wait_for(lambda: not list((tmp_path / "node" / "warm").glob("*/*")), what="its folder is gone, too")
    # The guardian, and who puts roots together.
    wait_for(lambda: len(psutil.Process(worker.pid).children(recursive=True)) <= 2, what="nothing is left of it")


def test_a_killed_interpreter_takes_no_step_with_it(
    scripts: Scripts, start: Callable[..., Worker], tmp_path: Path
) -> None:
    worker = start()
    run_warm(scripts, worker)
    go = tmp_path / "shown" / "go"
    job = scripts.start(WAITS.format(go=go) + "raise SystemExit(7)")
    says(job, "here")
    assert job.pk in warm_jobs(worker.log)
    for nest in nests_of(worker):
        os.kill(nest, signal.SIGKILL)
    go.touch()
    assert (over(job).status, job.exit_code) == (JobStatus.FAILED, 7)
    run_warm(scripts, worker)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_node_that_ends_leaves_neither_interpreter_nor_step(
    scripts: Scripts, start: Callable[..., Worker], tmp_path: Path, number: signal.Signals
) -> None:
    worker = start(STUDIO_CANCEL_GRACE_S="0.3")
    run_warm(scripts, worker)
    job = scripts.start(WAITS.format(go=tmp_path / "shown" / "never"))
    says(job, "here")
    assert job.pk in warm_jobs(worker.log)
    family = [child.pid for child in psutil.Process(worker.pid).children(recursive=True)]
    assert len(family) > 5
    worker.process.send_signal(number)
    worker.process.wait(30)
    wait_for(lambda: not [pid for pid in family if is_alive(pid)], what="nothing outlives the node")


def test_who_puts_roots_together_may_be_killed(scripts: Scripts, start: Callable[..., Worker]) -> None:
    worker = start()
    run_warm(scripts, worker)
    (maker,) = [
        child
        for child in psutil.Process(worker.pid).children()
        if any(part.endswith("make_roots.py") for part in child.cmdline())
    ]
    maker.kill()
    assert scripts.run("print('on')").status == JobStatus.COMPLETED
    assert run_warm(scripts, worker).exit_code == 0
