"""A process of its own: whatever happens there, the caller hears a sentence and nothing is left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest
from django.conf import settings
from pytest_django import Settings

from datastores.tabular import isolated
from studio.lib.problems import UserError
from tests.support.waiting import wait_for

WORK = "tests.unit.datastores.tabular.isolated_work"


@pytest.fixture(autouse=True)
def _work_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "_OWN_MODULES", ("datastores.", "tests."))


def call(name: str, returns: Any = object, **arguments: Any) -> Any:
    options = {key: arguments.pop(key) for key in ("deadline_s", "memory_bytes", "check", "progress", "secrets")
               if key in arguments}  # fmt: skip
    return isolated.call(f"{WORK}:{name}", arguments, returns=returns, **options)


def test_values_go_and_come_back() -> None:
    value = {"a": [1, 2.5, None, "ü\0"], "b": {"c": True}}
    assert call("echo", value=value) == value
    assert call("block", bytes) == b"\0" * 3_000_000
    assert call("pid", int) != os.getpid()


def test_a_warm_call_costs_milliseconds() -> None:
    call("pid", int)
    times = []
    for _ in range(15):
        began = time.perf_counter()
        call("pid", int)
        times.append(time.perf_counter() - began)
    assert median(times) < 0.25  # 10 to 30 ms where nothing else runs


def test_calls_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: call("echo", int, value=n), range(40))) == list(range(40))


def test_a_test_s_own_settings_count(settings: Settings, tmp_path: Path) -> None:
    settings.STUDIO_HOME = tmp_path
    assert call("settings_home", str) == str(tmp_path)


def test_what_opens_the_studio_s_secrets_is_not_there() -> None:
    key, engine = call("keys", list[str])
    assert key == "opens nothing"
    assert engine.endswith("sqlite3")


def test_only_the_studio_s_own_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "_OWN_MODULES", "datastores.")
    with pytest.raises(ValueError, match="not one of the studio's own"):
        isolated.call("os:system", {"command": "true"}, returns=int)


def test_a_sentence_comes_back_at_its_field() -> None:
    with pytest.raises(UserError) as refused:
        call("refuse")
    assert [(problem.loc, problem.message) for problem in refused.value.problems] == [
        (("a", 1), "First."),
        ((), "Second."),
    ]


def test_our_own_mistake_is_logged_without_secrets(capfd: pytest.CaptureFixture[str]) -> None:
    isolated._forget()  # the next one writes to where this test reads
    with pytest.raises(UserError, match="its log says why"):
        call("fail", password="hunter2-horse", secrets=["hunter2-horse"])
    logged = capfd.readouterr().err
    assert "could not sign in" in logged
    assert "hunter2" not in logged


@pytest.mark.parametrize(("work", "said"), [("crash", "broke its reader"), ("abort", "broke its reader")])
def test_a_crash_is_a_sentence(work: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        call(work)
    assert call("echo", int, value=1) == 1


def test_memory_has_an_end() -> None:
    with pytest.raises(UserError, match=r"more than the 0\.3 GB of memory"):
        call("eat", int, memory_bytes=300 * 1024**2)


def test_a_deadline_ends_the_process(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="took longer than 1 seconds"):
        call("hang", file=tmp_path / "pid", deadline_s=1.0)
    assert_gone(tmp_path / "pid")


def test_who_asks_may_stop_it_and_hears_how_far_it_is(tmp_path: Path) -> None:
    told: list[tuple[float | None, str]] = []

    def check() -> None:
        if told:
            raise UserError("Cancelled.")

    with pytest.raises(UserError, match="Cancelled"):
        call("hang", file=tmp_path / "pid", check=check, progress=lambda *said: told.append(said))
    assert told[0] == (0.5, "hanging")
    assert_gone(tmp_path / "pid")


def test_a_stream_goes_no_faster_than_it_is_taken(tmp_path: Path) -> None:
    stream = isolated.stream(f"{WORK}:count", {"most": 1000, "file": tmp_path / "pid"})
    assert next(stream).num_rows == 100_000
    process = psutil.Process(int((tmp_path / "pid").read_text()))
    wait_for(lambda: process.status() == psutil.STATUS_SLEEPING, what="it waits")
    assert int((tmp_path / "count").read_text()) < 20
    stream.close()
    assert_gone(tmp_path / "pid")


def test_a_stream_to_its_end_and_to_its_error(tmp_path: Path) -> None:
    stream = isolated.stream(f"{WORK}:count", {"most": 3, "file": tmp_path / "pid"})
    assert [batch.column(0)[0].as_py() for batch in stream] == [0, 1, 2]
    with pytest.raises(UserError, match=r"There is no more\."):
        list(isolated.stream(f"{WORK}:refuse_later", {}))


def test_the_one_that_forks_is_made_anew() -> None:
    call("pid", int)
    nursery = isolated._nursery
    assert nursery is not None
    nursery.process.kill()
    nursery.process.wait()
    assert call("echo", int, value=2) == 2


def test_one_is_ready_ahead_and_none_is_used_twice() -> None:
    used: list[int] = []

    def was_there_before() -> bool:
        there = [process.pid for process in nursery().children()]
        used.append(call("pid", int))
        return used[-1] in there

    call("pid", int)
    wait_for(was_there_before, what="a call has a process that was there before it")
    assert len(set(used)) == len(used)


def test_one_that_waited_and_died_is_not_missed() -> None:
    waiting = wait_for(one_that_waits, what="one waits")
    waiting.kill()
    assert call("pid", int) != waiting.pid
    assert call("settings_home", str) == str(settings.STUDIO_HOME), "not that of a rehearsal"


def test_one_that_waits_and_does_not_take_the_call_is_not_waited_for() -> None:
    """As one that is just dying, too: its line still holds, and nobody reads it."""

    def was_passed_over() -> bool:
        waiting = one_that_waits()
        if waiting is None:
            return False
        waiting.suspend()
        try:
            assert call("pid", int) != waiting.pid
            return not waiting.is_running()  # it still is where it wasn't ready to be given a call
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                waiting.resume()

    wait_for(was_passed_over, what="a call was offered to one that did not take it")


def one_that_waits() -> psutil.Process | None:
    used = call("pid", int)
    others = [process for process in nursery().children() if process.pid != used]
    return next((process for process in others if process.status() != psutil.STATUS_ZOMBIE), None)


def nursery() -> psutil.Process:
    assert isolated._nursery is not None
    return psutil.Process(isolated._nursery.process.pid)


PARENT = f"""
import os, sys, threading
import django
django.setup()
from datastores.tabular import isolated
isolated._OWN_MODULES = ("datastores.", "tests.")
from pathlib import Path
def told(fraction, text):
    sys.stdout.write("hanging\\n"); sys.stdout.flush()
isolated.call("{WORK}:hang", {{"file": Path(sys.argv[1])}}, returns=object, progress=told)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_who_asked(tmp_path: Path, how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "pid")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"hanging\n"
        left = psutil.Process(parent.pid).children(recursive=True)
        assert len(left) >= 2  # a third one may wait for a call
        parent.send_signal(how)
        parent.wait()
    psutil.wait_procs(left, timeout=10)
    assert not [process for process in left if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_who_goes_while_it_still_begins_takes_it_along() -> None:
    begin = "import django; django.setup(); from datastores.tabular import isolated; isolated.warm(); "
    begin += "print(isolated._nursery.process.pid, flush=True); import os; os._exit(0)"
    found = subprocess.run([sys.executable, "-c", begin], stdout=subprocess.PIPE, check=True)
    pid = int(found.stdout)
    wait_for(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE,
        what="it went along",
        timeout_s=10,
    )


def assert_gone(file: Path) -> None:
    pid = int(file.read_text())
    wait_for(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE,
        what="the process is gone",
    )
