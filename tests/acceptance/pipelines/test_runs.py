"""Pipelines on real nodes: scripts as people write them, from the submission to the last event."""

import re
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from compute.models import Job
from datastores import snapshots
from datastores.backends import get_backend
from pipelines import queries, services
from pipelines.models import Run, StepRun
from tests.service.pipelines.world import World, assert_no_gap
from tests.support.compute import pid_outside
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPTS = {
    "write.py": """
import pathlib, sys
out, text = sys.argv[1:]
pathlib.Path(out, "number.txt").write_text(text)
print("wrote", repr(text))
""",
    "add.py": """
import pathlib, sys
*ins, out = sys.argv[1:]
total = sum(int(pathlib.Path(each, "number.txt").read_text()) for each in ins)
pathlib.Path(out, "number.txt").write_text(str(total))
print("total", total)
""",
    "fail.py": """
import sys
print("about to fail")
print("no such column: \x1b[31mprice\x1b[0m <b>", file=sys.stderr)
sys.exit(3)
""",
    "second_time.py": """
import sys
sys.exit(0 if "/2/" in sys.argv[1] else 1)
""",
    "sleep.py": """
import os, time
print("pid", os.getpid(), flush=True)
time.sleep(600)
""",
}


@pytest.fixture
def source(world: World) -> str:
    return snapshots.edit(world.workspace, None, put=SCRIPTS).digest


@pytest.fixture
def studio(world: World, worker_stack: Callable[..., Stack]) -> Stack:
    stack = worker_stack(STUDIO_CANCEL_GRACE_S="0.3", STUDIO_NODE_HEARTBEAT_S="0.5", STUDIO_NODE_LEASE_S="2")
    stack.node(world.node.target_id)
    return stack


def over(run: Run, *, timeout_s: float = 40) -> Run:
    def look() -> bool:
        run.refresh_from_db()
        return run.finished_at is not None

    wait_for(look, what=f"run {run.pk} ends", timeout_s=timeout_s)
    return run


def log_of(run: Run, step: str) -> list[str]:
    found = StepRun.objects.get(run=run, name=step)
    return [line["t"] for line in queries.log_page(found, attempt=None, start=0, count=2000)["lines"]]


def text_of(world: World, run: Run, step: str) -> str:
    folder = queries.OutputFolder(world.workspace, StepRun.objects.get(run=run, name=step), "out")
    _entry, stream = folder.open("number.txt")
    with stream:
        return stream.read().decode()


def test_numbers_flow_along_the_edges_and_a_second_run_takes_them_again(
    world: World, source: str, studio: Stack
) -> None:
    def step(name: str, entry: str, arguments: str, *reads: str, **more: Any) -> dict[str, Any]:
        return world.step(name, *reads, **more) | {"source": source, "entry": entry, "arguments": arguments}

    pipeline = world.pipeline(
        step("two", "write.py", "${{outputs.out}} ${{parameters.number}}"),
        step("forty", "write.py", '"${{ outputs.out }}" 40'),
        step("sum", "add.py", "${{inputs.from_two}} ${{inputs.from_forty}}\n${{outputs.out}}", "two", "forty"),
        parameters=[{"name": "number", "type": "integer", "default": 2}],
    )
    run = over(world.submit(pipeline))
    assert (run.status, run.reason) == ("completed", "")
    assert text_of(world, run, "sum") == "42"
    assert log_of(run, "sum")[-1] == "total 42"
    assert_no_gap(run)

    again = over(world.submit(pipeline))
    assert again.status == "completed"
    assert not StepRun.objects.filter(run=again).exclude(job=None).exists()
    assert text_of(world, again, "sum") == "42"

    other = over(world.submit(pipeline, parameters={"number": 0}))
    assert text_of(world, other, "sum") == "40"
    ran = StepRun.objects.filter(run=other).exclude(job=None).values_list("name", flat=True)
    assert sorted(ran) == ["sum", "two"]


def test_commands_of_a_shell_with_and_without_files(world: World, source: str, studio: Stack) -> None:
    def command(name: str, *lines: str, reads: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
        plain = world.step(name, *reads)
        for field in ("source", "entry", "arguments"):
            del plain[field]
        return {**plain, "kind": "command", "command": "\n".join(lines), **more}

    def total(sign: str) -> dict[str, Any]:
        joined = f"$(paste -sd'{sign}' ${{{{inputs.from_numbers}}}}/number.txt)"
        return command("sum", f"echo $(( {joined} )) > ${{{{outputs.out}}}}/number.txt", reads=("numbers",))

    numbers = command(
        "numbers", "for n in 1 2 3; do echo $n; done > ${{outputs.out}}/number.txt", 'echo "${{parameters.say}}"'
    )
    say = {"name": "say", "default": '$(id) it\'s `id` "so"'}
    python = 'python write.py ${{outputs.out}} "$(cat ${{inputs.from_numbers}}/number.txt)"'
    pipeline = world.pipeline(
        numbers,
        total("+"),
        command("python", "ls", python, reads=("numbers",), source=source),
        command("fails", "false | cat", "echo never"),
        parameters=[say],
    )
    run = over(world.submit(pipeline))
    assert run.status == "failed"
    assert world.statuses(run) == {"numbers": "completed", "sum": "completed", "python": "completed", "fails": "failed"}
    assert log_of(run, "numbers")[-1] == '$(id) it\'s `id` "so"'
    assert text_of(world, run, "sum") == "6\n"
    assert "add.py" in log_of(run, "python")
    assert text_of(world, run, "python") == "1\n2\n3"
    assert "never" not in log_of(run, "fails")
    world.save(pipeline, numbers, total("*"), parameters=[say])
    again = over(world.submit(pipeline))
    ran = {step.name: step.reuse_note for step in StepRun.objects.filter(run=again).exclude(job=None)}
    assert ran == {"sum": f"Ran: the arguments changed since run {run.pk}."}


def test_a_failure_says_which_step_its_exit_code_and_its_last_lines(world: World, source: str, studio: Stack) -> None:
    pipeline = world.pipeline(
        world.step("bad") | {"source": source, "entry": "fail.py"},
        world.step("after", "bad") | {"source": source, "entry": "add.py"},
    )
    run = over(world.submit(pipeline))
    assert run.status == "failed"
    assert re.match("“bad” failed.*3", run.reason)
    state = queries.run_state(run)
    bad, after = state["steps"]
    assert (bad["status"], bad["exit_code"], after["status"]) == ("failed", 3, "skipped")
    assert "about to fail" in bad["log_tail"]
    assert any("no such column" in line for line in bad["log_tail"])


def test_a_retry_gets_a_folder_of_its_own(world: World, source: str, studio: Stack) -> None:
    step = world.step("a", retries=1) | {"source": source, "entry": "second_time.py", "arguments": "${{outputs.out}}/"}
    run = over(world.submit(world.pipeline(step)))
    assert run.status == "completed"
    row = StepRun.objects.get(run=run)
    assert row.attempt == 2
    assert [attempt.exit_code for attempt in queries.attempts_of(row)] == [1, 0]


def test_cancelling_ends_the_process_and_the_run(world: World, source: str, studio: Stack) -> None:
    pipeline = world.pipeline(
        world.step("long") | {"source": source, "entry": "sleep.py"},
        world.step("after", "long") | {"source": source, "entry": "add.py"},
    )
    run = world.submit(pipeline)

    def pid() -> int:
        said = re.search(r"pid (\d+)", "\n".join(log_of(run, "long")))
        job = Job.objects.get(owner=f"step:{StepRun.objects.get(run=run, name='long').pk}")
        return pid_outside(job, int(said[1])) if said else 0

    process = wait_for(pid, what="the script says its number")
    services.cancel_run(world.access, run)
    over(run)
    assert run.status == "cancelled"
    assert world.statuses(run) == {"long": "cancelled", "after": "cancelled"}
    assert not psutil.pid_exists(process)
    assert_no_gap(run)


def test_a_node_killed_in_the_middle_costs_an_attempt_and_not_the_run(world: World, source: str, studio: Stack) -> None:
    studio.control()
    studio.scheduler()
    marker = snapshots.edit(
        world.workspace,
        source,
        put={
            "once.py": "import os, sys, time\n"
            "print('pid', os.getpid(), flush=True)\n"
            "time.sleep(0 if '/a/2/' in sys.argv[1] else 600)\n"
        },
    )
    step = world.step("a") | {"source": marker.digest, "entry": "once.py", "arguments": "${{outputs.out}}/"}
    run = world.submit(world.pipeline(step, world.step("b", "a")))
    wait_for(lambda: any("pid" in line for line in log_of(run, "a")), what="the script runs")
    studio.workers[0].kill()
    studio.node(world.node.target_id)
    over(run, timeout_s=60)
    assert run.status == "completed"
    row = StepRun.objects.get(run=run, name="a")
    assert row.attempt == 2
    first, second = queries.attempts_of(row)
    assert "lost" in first.reason
    assert second.exit_code == 0
    assert_no_gap(run)


def test_outputs_lie_where_their_run_says(world: World, source: str, studio: Stack) -> None:
    step = world.step("a") | {"source": source, "entry": "write.py", "arguments": "${{outputs.out}} ''"}
    run = over(world.submit(world.pipeline(step)))
    entry = get_backend(world.datastore).stat(f"runs/{run.pk}/a/1/out/number.txt")
    assert entry.size_bytes == 0, "an empty text is a value"
