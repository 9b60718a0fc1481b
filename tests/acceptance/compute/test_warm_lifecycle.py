"""Interpreters that are kept ready: when they are there, when they go, and what happens when they are killed."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from compute.models import Job
from compute.services import request_cancel
from compute.spec import Limits, WebAccess
from compute.states import JobStatus
from tests.support.compute import Compute, frozen, in_state, is_alive, log_of, over, says
from tests.support.stack import Stack, Worker
from tests.support.waiting import wait_for
from tests.support.warm import Scripts, nests_of, seen, spares_of, warm_jobs

pytestmark = pytest.mark.django_db(transaction=True)

NODE = {
    "STUDIO_ISOLATION": "off",
    "STUDIO_LOG_LEVEL": "DEBUG",
    "STUDIO_NODE_HEARTBEAT_S": "0.5",
    "STUDIO_CANCEL_GRACE_S": "0.3",
}
WAITS = (
    "import pathlib, time\nprint('here', flush=True)\nwhile not pathlib.Path({go!r}).exists():\n    time.sleep(0.02)\n"
)


@pytest.fixture
def scripts(compute: Compute) -> Scripts:
    return Scripts(compute)


@pytest.fixture
def start(worker_stack: Callable[..., Stack], compute: Compute, tmp_path: Path) -> Callable[..., Worker]:
    home = {"STUDIO_NODE_HOME": str(tmp_path / "node")}
    return lambda **variables: worker_stack(**{**NODE, **home, **variables}).node(compute.target.pk)


def run_warm(scripts: Scripts, worker: Worker, text: str = "print('hello')", **values: object) -> Job:
    """Run it again and again, until it was warm."""

    def look() -> Job | None:
        job = scripts.run(text, **values)
        return job if job.pk in warm_jobs(worker.log) else None

    job = wait_for(look, what="a step starts warm", timeout_s=90)
    assert job is not None
    return job


def site_packages(node_home: Path) -> Path:
    return next(node_home.glob("environments/*/lib/python*/site-packages"))


def test_nothing_is_kept_ready_where_the_setting_says_so(scripts: Scripts, start: Callable[..., Worker]) -> None:
    worker = start(STUDIO_WARM_STARTS="false")
    for _ in range(3):
        assert scripts.run("print('hello')").status == JobStatus.COMPLETED
    assert not nests_of(worker)
    assert not warm_jobs(worker.log)


def test_only_scripts_of_an_environment_start_warm(
    scripts: Scripts, start: Callable[..., Worker], compute: Compute
) -> None:
    worker = start()
    run_warm(scripts, worker)
    cold = [
        scripts.run("print(1)", warm=False),
        scripts.run("print(1)", variables={"PYTHONPATH": "lib"}),
        over(compute.job("python", "-c", "print(1)")),
        over(compute.job("sh", "-c", "echo 1")),
    ]
    for job in cold:
        assert seen(job).said == ["1"], job.reason
    assert not {job.pk for job in cold} & warm_jobs(worker.log)


def test_an_interpreter_that_nobody_uses_goes(scripts: Scripts, start: Callable[..., Worker]) -> None:
    worker = start(STUDIO_WARM_IDLE_S="1")
    run_warm(scripts, worker)
    wait_for(lambda: not nests_of(worker), what="the memory is given back")
    wait_for(lambda: not psutil.Process(worker.pid).children(recursive=True)[1:], what="only the guardian is left")
    run_warm(scripts, worker)


def test_a_node_that_starts_leaves_those_alone_that_live_on_its_machine(
    scripts: Scripts, worker_stack: Callable[..., Stack], compute: Compute, tmp_path: Path
) -> None:
    stack = worker_stack(**NODE, STUDIO_NODE_HOME=str(tmp_path / "node"))

    def node(name: str) -> Worker:
        worker = stack.node(compute.target.pk, name=name)
        wait_for(lambda: f"node {name} of" in worker.log.read_text(), what="it is ready")
        return worker

    first = node("first")
    run_warm(scripts, first)
    (nest,) = nests_of(first)
    home = Path(psutil.Process(nest).environ()["HOME"])
    node("killed").kill()
    node("second")
    assert home.is_dir()
    left = [entry for entry in (tmp_path / "node" / "warm").iterdir() if entry.is_dir()]
    assert len(left) == 2, "what the killed one left is removed"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="with one CPU there is nothing to hold back")
def test_limits_hold_before_the_first_line(scripts: Scripts, start: Callable[..., Worker]) -> None:
    worker = start()
    text = "import os\nprint(len(os.sched_getaffinity(0)))"
    run_warm(scripts, worker, text)
    held = [scripts.run(text, limits=Limits(cpus=0.5)) for _ in range(8)]
    assert [seen(job).said for job in held] == [["1"]] * len(held)
    assert {job.pk for job in held} & warm_jobs(worker.log)


def test_there_are_at_most_so_many(scripts: Scripts, start: Callable[..., Worker]) -> None:
    worker = start(STUDIO_WARM_NESTS="1")
    for word in ("one", "two"):
        run_warm(scripts, worker, "import os\nprint(os.environ['WORD'])", variables={"WORD": word})
    wait_for(lambda: len(nests_of(worker)) == 1, what="one is left")


def test_a_killed_nest_takes_no_step_with_it(scripts: Scripts, start: Callable[..., Worker], tmp_path: Path) -> None:
    worker = start()
    run_warm(scripts, worker)
    go = tmp_path / "go"
    job = scripts.start(WAITS.format(go=str(go)))
    says(job, "here")
    assert job.pk in warm_jobs(worker.log)
    for nest in nests_of(worker):
        os.kill(nest, signal.SIGKILL)
    go.touch()
    assert over(job).status == JobStatus.COMPLETED
    for _ in range(4):
        assert scripts.run("print('on')").status == JobStatus.COMPLETED
    run_warm(scripts, worker)


def test_killed_spares_cost_no_step(scripts: Scripts, start: Callable[..., Worker]) -> None:
    worker = start()
    run_warm(scripts, worker)

    for pid in wait_for(lambda: spares_of(worker), what="there are spares"):
        os.kill(pid, signal.SIGKILL)
    assert scripts.run("print('on')").status == JobStatus.COMPLETED
    run_warm(scripts, worker)


def test_a_node_that_was_cut_off_starts_warm_again_however_often(
    scripts: Scripts, start: Callable[..., Worker]
) -> None:
    """What the guardian ended says nothing of the environment; three that died by themselves would."""
    worker = start(STUDIO_NODE_LEASE_S="4")
    run_warm(scripts, worker)
    for _ in range(3):
        wait_for(lambda: nests_of(worker), what="an interpreter is kept ready")
        with frozen(worker.pid):
            wait_for(lambda: not nests_of(worker), what="the guardian ends them")
        # One that began while the guardian still ended all of them is replaced as well.
        wait_for(lambda: nests_of(worker) and spares_of(worker), what="there are new ones without a step that asks")
    run_warm(scripts, worker)
    assert "start cold from now on" not in worker.log.read_text()


def test_a_killed_node_leaves_neither_nest_nor_step(
    scripts: Scripts, start: Callable[..., Worker], tmp_path: Path
) -> None:
    worker = start(STUDIO_NODE_LEASE_S="600", STUDIO_NODE_HEARTBEAT_S="5")
    run_warm(scripts, worker)
    says(scripts.start(WAITS.format(go=str(tmp_path / "never"))), "here")
    family = [child.pid for child in psutil.Process(worker.pid).children(recursive=True)]
    assert len(family) > 3
    worker.kill()
    wait_for(lambda: not [pid for pid in family if is_alive(pid)], what="nothing outlives the node")


def test_a_stopped_node_leaves_nothing(scripts: Scripts, start: Callable[..., Worker]) -> None:
    worker = start()
    run_warm(scripts, worker)
    family = [child.pid for child in psutil.Process(worker.pid).children(recursive=True)]
    began = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    worker.process.wait(30)
    assert time.monotonic() - began < 10
    wait_for(lambda: not [pid for pid in family if is_alive(pid)], what="nothing outlives the node")


STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        os.write(1, b"pid %d\\n" % os.getpid())
        time.sleep(600)
    os._exit(0)
os.write(1, b"pid %d\\n" % os.getpid())
time.sleep({seconds})
"""


def _pids(job: Job) -> list[int]:
    return [int(line.split()[1]) for line in log_of(job, "o") if line.startswith("pid ")]


def test_cancelling_a_warm_step_ends_all_that_it_forked(scripts: Scripts, start: Callable[..., Worker]) -> None:
    worker = start()
    run_warm(scripts, worker)
    job = in_state(scripts.start(STUBBORN.format(seconds=600)), JobStatus.RUNNING)
    pids = wait_for(lambda: found if len(found := _pids(job)) == 2 else [], what="both are there")
    request_cancel([job.pk])
    assert over(job).status == JobStatus.CANCELLED
    assert job.pk in warm_jobs(worker.log)
    assert not [pid for pid in pids if is_alive(pid)]


def test_what_a_warm_step_leaves_behind_is_ended(scripts: Scripts, start: Callable[..., Worker]) -> None:
    worker = start()
    run_warm(scripts, worker)
    job = scripts.run(STUBBORN.format(seconds=0.5))
    assert job.pk in warm_jobs(worker.log)
    assert job.status == JobStatus.COMPLETED
    assert "left 1 process behind" in log_of(job, "s")[-1]
    assert not [pid for pid in _pids(job) if is_alive(pid)]


def test_a_warm_step_ends_at_its_time_limit(scripts: Scripts, start: Callable[..., Worker]) -> None:
    worker = start()
    run_warm(scripts, worker)
    job = scripts.run("import time\ntime.sleep(600)", timeout_s=0.5)
    assert job.pk in warm_jobs(worker.log)
    assert (job.status, job.exit_code) == (JobStatus.FAILED, -15)
    assert "time limit of 0.5 s" in job.reason


IS_NEST = "import os, sys\nAHEAD = sys.argv == ['']\n"


@pytest.mark.parametrize("what", ["os.abort()", "time.sleep(600)", "os.kill(os.getpid(), 9)"])
def test_an_environment_whose_modules_crash_or_hang_ahead_goes_cold_and_says_so_once(
    scripts: Scripts, start: Callable[..., Worker], tmp_path: Path, what: str
) -> None:
    worker = start(STUDIO_WARM_IMPORT_S="3")
    run_warm(scripts, worker)
    module = site_packages(tmp_path / "node") / "unfriendly.py"
    module.write_text(f"{IS_NEST}import time\nif AHEAD:\n    {what}\n")

    def is_cold() -> bool:
        job = scripts.run("import unfriendly\nprint('fine')")
        assert seen(job).said == ["fine"]
        return job.pk not in warm_jobs(worker.log)

    wait_for(is_cold, what="its steps start cold")
    for _ in range(2):
        assert is_cold()
    assert worker.log.read_text().count("start cold from now on") == 1
    wait_for(lambda: not nests_of(worker), what="no interpreter is kept for it")


UNFIT = {
    "looks_at_home": "import os\nHOME = os.path.expanduser('~')\n",
    "prints": "print('imported')\n",
    "keeps_a_file": "FILE = open(__file__)\n",
    "has_a_thread": "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n",
    "draws": "import uuid\nWHO = uuid.uuid4()\n",
    "needs_one": "import looks_at_home\n",
    "raises": "import os\nif '/warm/' in os.getcwd():\n    raise OSError\n",
}


def test_modules_that_differ_from_step_to_step_are_not_imported_ahead(
    scripts: Scripts, start: Callable[..., Worker], tmp_path: Path
) -> None:
    worker = start()
    run_warm(scripts, worker)
    folder = site_packages(tmp_path / "node")
    for name, text in {**UNFIT, "fine": "import colorsys\n"}.items():
        (folder / f"{name}.py").write_text(text)
    text = "import os, sys\nahead = [f.modules.keys() for f in sys.meta_path if type(f).__name__ == 'Stash']\n"
    text += f"print([name for name in {[*UNFIT, 'fine', 'colorsys']!r} if any(name in names for names in ahead)])\n"
    text += "".join(f"import {name}\n" for name in [*UNFIT, "fine"])
    text += "print(looks_at_home.HOME == os.environ['HOME'])\n"

    def look() -> bool:
        job = scripts.run(text)
        said = seen(job).said
        assert said[1:] == ["imported", "True"], (said, job.reason)
        return said[0] == "['fine', 'colorsys']"

    wait_for(look, what="the fit ones, and no others, are imported ahead", timeout_s=60)
    assert "looks at HOME" in worker.log.read_text()


def test_random_numbers_differ_from_step_to_step(scripts: Scripts, start: Callable[..., Worker]) -> None:
    worker = start()
    text = "import random, multiprocessing, tempfile, uuid\n"
    text += "print(random.random(), uuid.uuid4(), tempfile.mkdtemp()[-8:],\n"
    text += "    bytes(multiprocessing.current_process().authkey))"
    run_warm(scripts, worker, text)
    run_warm(scripts, worker, text)
    said = [seen(run_warm(scripts, worker, text)).said[0].split(maxsplit=3) for _ in range(3)]
    for column in zip(*said, strict=True):
        assert len(set(column)) == len(column), column


def test_a_variable_that_was_read_early_calls_for_a_fresh_interpreter(
    scripts: Scripts, start: Callable[..., Worker], tmp_path: Path
) -> None:
    worker = start()
    run_warm(scripts, worker)
    (site_packages(tmp_path / "node") / "reads.py").write_text("import os\nLEVEL = os.environ.get('LEVEL', 'none')\n")
    run_warm(scripts, worker, "import reads")
    wait_for(
        lambda: seen(scripts.run(
            "import sys\nprint(any('reads' in getattr(finder, 'modules', ()) for finder in sys.meta_path))"
        )).said == ["True"],
        what="it is imported ahead",
    )  # fmt: skip
    late = scripts.run("import os\nos.environ['LEVEL'] = 'high'\nimport reads\nprint(reads.LEVEL)")
    other = scripts.run("import os\nos.environ['OTHER'] = 'high'\nimport reads\nprint(reads.LEVEL)")
    early = scripts.run("import reads\nprint(reads.LEVEL)", variables={"LEVEL": "early"})
    assert [seen(job).said for job in (late, other, early)] == [["high"], ["none"], ["early"]]
    warm = warm_jobs(worker.log)
    assert late.pk not in warm
    assert other.pk in warm


def test_the_token_of_a_step_is_no_reason_to_start_cold(
    scripts: Scripts, start: Callable[..., Worker], tmp_path: Path
) -> None:
    """Each step has another one, and its own: also where a module looked at the variable when it was imported."""
    worker = start(STUDIO_PUBLIC_URL="http://127.0.0.1:9")

    def told(number: int) -> WebAccess:
        return WebAccess(path="/api", address_in="PLACE", token_in="TOKEN", variables={"NUMBER": str(number)})

    text = "import os\nprint(os.environ['NUMBER'], os.environ['PLACE'], os.environ['TOKEN'])"
    run_warm(scripts, worker, text, web=told(0))
    nests = nests_of(worker)
    jobs = [scripts.run(text, web=told(number)) for number in range(1, 6)]
    lines = [log_of(job, "o")[0].split() for job in jobs]
    assert [line[:2] for line in lines] == [[str(number), "http://127.0.0.1:9/api"] for number in range(1, 6)]
    assert len({token for *_, token in lines}) == 5
    assert {job.pk for job in jobs} <= warm_jobs(worker.log)
    assert nests_of(worker) == nests, "one interpreter does for all of them"
    (site_packages(tmp_path / "node") / "looks.py").write_text("import os\nNUMBER = os.environ.get('NUMBER')\n")
    text = "import looks\nprint(looks.NUMBER)"
    for number in range(8):
        assert seen(scripts.run(text, web=told(number))).said == [str(number)]
