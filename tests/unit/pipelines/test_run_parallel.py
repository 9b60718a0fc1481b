"""The program that runs batches, as a process: what goes well, what fails, and what is left when it is ended."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.waiting import wait_for
from tests.unit.pipelines.parallel_program import PROGRAM, command, run

GOOD = """
import os, sys
def init():
    print("init", *sys.argv[1:])
def run(mini_batch):
    print("batch of", len(mini_batch))
    print("to stderr", file=sys.stderr)
    return [os.path.basename(path) for path in mini_batch]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(10):
        file = tmp_path / "in" / f"{number}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(str(number))
    return tmp_path


def entry(folder: Path, text: str) -> None:
    (folder / "entry.py").write_text(text)


def told(folder: Path) -> dict[str, Any]:
    """The last number of each name, and the table."""
    lines = [json.loads(line) for line in (folder / "spool").read_text().splitlines()]
    return {line[1].removeprefix("studio.batches."): line[2] for line in lines}


def last_line(text: str) -> str:
    return text.splitlines()[-1]


def rows(folder: Path, name: str = "parallel_run_step.txt") -> list[str]:
    return (folder / "out" / name).read_text().splitlines()


def test_all_goes_well(folder: Path) -> None:
    entry(folder, GOOD)
    ended = run(folder, "--batch=3", "--processes=2", "--file=names.txt")
    assert ended.returncode == 0, ended.stderr
    assert rows(folder, "names.txt") == [f"{number}.txt" for number in range(10)]
    lines = ended.stdout.splitlines()
    assert lines[0] == "4 batches for 2 processes."
    assert lines[-1].startswith("4 of 4 batches done, 0 failed, 0 tried again")
    assert sum(line.endswith("] batch of 3") for line in lines) == 3
    assert all(line.startswith("[worker ") for line in lines[1:-1])
    assert ended.stderr.count("to stderr") == 4
    assert "init" in (folder / "logs" / "worker-1.txt").read_text()
    said = told(folder)
    assert (said["total"], said["done"], said["failed"], said["items_failed"]) == (4, 4, 0, 0)
    assert sorted(said["looked_at"]["batch"]) == [1, 2, 3, 4]
    assert list((folder / "out").iterdir()) == [folder / "out" / "names.txt"]


def test_an_empty_input_has_no_batches_and_an_empty_file(folder: Path) -> None:
    entry(folder, GOOD)
    for file in (folder / "in").iterdir():
        file.unlink()
    ended = run(folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert rows(folder) == []


def test_arguments_neighbours_and_a_script_in_a_folder(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "helper.py").write_text("word = 'helped'\n")
    (folder / "deep" / "work.py").write_text(
        "import helper, sys\ndef run(b): return [helper.word + sys.argv[1]] * len(b)"
    )
    given = [*command(folder, "--batch=100", script="deep/work.py"), "--processes=9"]
    ended = subprocess.run(given, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert rows(folder) == ["helped--processes=9"] * 10


def test_a_batch_that_raises_fails_the_step_by_a_sentence(folder: Path) -> None:
    entry(folder, "def run(batch):\n    raise KeyError('price')")
    ended = run(folder, "--processes=1", "--tries=2")
    assert ended.returncode == 1
    assert ended.stderr.count("Traceback") == 2
    assert last_line(ended.stderr) == (
        "10 files failed or gave no result, and none may. The last that failed: KeyError: 'price'"
    )
    assert told(folder)["looked_at"]["why"] == ["KeyError: 'price'"]
    assert not (folder / "out" / "parallel_run_step.txt").exists()


@pytest.mark.parametrize("how", ["raise ValueError('first')", "os._exit(3)", "os.kill(os.getpid(), 9)", "sys.exit(4)"])
def test_a_batch_is_tried_again_also_when_its_process_is_gone(folder: Path, how: str) -> None:
    entry(
        folder,
        f"""
import os, sys
def run(batch):
    if batch[0].endswith("3.txt") and not os.path.exists("tried"):
        open("tried", "w").close()
        {how}
    return [os.path.basename(path) for path in batch]
""",
    )
    ended = run(folder, "--batch=1", "--processes=2", "--tries=2")
    assert ended.returncode == 0, ended.stderr
    assert rows(folder) == [f"{number}.txt" for number in range(10)]
    assert "Batch 4 (3.txt) failed, try 1 of 2: " in ended.stderr
    assert told(folder)["retried"] == 1


def test_a_batch_that_takes_too_long_is_ended_with_all_that_it_started(folder: Path) -> None:
    entry(
        folder,
        """
import os, subprocess, time
def run(batch):
    if batch[0].endswith("0.txt") and not os.path.exists("tried"):
        child = subprocess.Popen(["sleep", "600"])
        with open("tried", "w") as file:
            file.write(str(child.pid))
        time.sleep(600)
    return batch
""",
    )
    ended = run(folder, "--batch=5", "--processes=1", "--tries=5", "--timeout-s=1")
    assert ended.returncode == 0, ended.stderr
    assert "It took longer than 1 s, and its process was ended." in ended.stderr
    assert len(rows(folder)) == 10
    child = int((folder / "tried").read_text())
    wait_for(lambda: is_gone(child), what="the child of the batch is gone", timeout_s=10)


def test_so_many_may_fail_and_no_more(folder: Path) -> None:
    entry(folder, "def run(batch):\n    return [path for path in batch if path[-5] not in '37']")
    ended = run(folder, "--batch=2", "--processes=1", "--threshold=2")
    assert ended.returncode == 0, ended.stderr
    assert len(rows(folder)) == 8
    assert told(folder)["items_failed"] == 2

    ended = run(folder, "--batch=2", "--processes=1", "--threshold=1")
    assert ended.returncode == 1
    assert last_line(ended.stderr) == (
        "2 files failed or gave no result, and 1 may. The script returned fewer results than it was given."
    )
    entry(folder, "def run(batch):\n    raise ValueError('no')")
    assert run(folder, "--threshold=-1").returncode == 0
    assert rows(folder) == []


def test_a_script_that_writes_by_itself_is_counted_only(folder: Path) -> None:
    entry(folder, "def run(batch):\n    print('wrote', len(batch))")
    ended = run(folder, "--action=summary_only")
    assert ended.returncode == 0, ended.stderr
    assert list((folder / "out").iterdir()) == []
    assert told(folder)["done"] == 1


def test_a_process_that_still_starts_when_all_is_done_changes_nothing(folder: Path) -> None:
    entry(
        folder,
        """
import os, time
def init():
    try:
        os.close(os.open("first", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        time.sleep(600)
        raise ValueError("never")
def run(batch):
    return batch
""",
    )
    ended = run(folder, "--batch=5", "--processes=2")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(rows(folder)) == 10


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "def init():\n    raise OSError('no model')\ndef run(b): ...",
            "“entry.py” can't be started: OSError: no model",
        ),
        ("import nothing_of_this_name", "“entry.py” can't be started: ModuleNotFoundError: "),
        ("x = 1", "“entry.py” can't be started: it has no function run(mini_batch)"),
        ("import os\nos._exit(5)", "“entry.py” ended its process with exit code 5 before its first batch."),
    ],
)
def test_a_script_that_does_not_start_fails_at_once(folder: Path, text: str, sentence: str) -> None:
    entry(folder, text)
    ended = run(folder, "--tries=5")
    assert ended.returncode == 1
    assert last_line(ended.stderr).startswith(sentence)


def test_a_hundred_thousand_rows_come_whole_and_in_order_from_any_number_of_processes(folder: Path) -> None:
    entry(folder, "def run(batch):\n    return [f'{path[-5]},{row}' for path in batch for row in range(10_000)]")
    made = []
    for processes in (1, 3):
        ended = run(folder, "--batch=1", f"--processes={processes}")
        assert ended.returncode == 0, ended.stderr
        made.append((folder / "out" / "parallel_run_step.txt").read_bytes())
    assert made[0] == made[1]
    assert rows(folder) == [f"{file},{row}" for file in range(10) for row in range(10_000)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_whoever_ends_it_leaves_no_worker(folder: Path, number: signal.Signals) -> None:
    entry(folder, "import os, time\ndef run(batch):\n    open(f'pid-{os.getpid()}', 'w')\n    time.sleep(600)")
    process = subprocess.Popen(
        command(folder, "--batch=1", "--processes=2"), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: len(list(folder.glob("pid-*"))) == 2, what="both work", timeout_s=30)
    process.send_signal(number)
    code = process.wait(timeout=20)
    assert code == (128 + signal.SIGTERM if number == signal.SIGTERM else -signal.SIGKILL)
    for file in folder.glob("pid-*"):
        pid = int(file.name.removeprefix("pid-"))
        wait_for(lambda pid=pid: is_gone(pid), what=f"worker {pid} is gone", timeout_s=10)


def test_a_long_line_without_an_end_and_bytes_that_are_no_text_come_through(folder: Path) -> None:
    entry(folder, "import os\ndef run(batch):\n    os.write(1, b'x' * 200_000 + b'\\xff end')\n    return batch")
    ended = subprocess.run(command(folder, "--batch=10"), cwd=folder, capture_output=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count(b"x") == 200_000
    assert b"\xff end\n" in ended.stdout


def test_a_worker_that_dies_is_noticed_though_what_it_forked_holds_its_pipes(folder: Path) -> None:
    entry(
        folder,
        """
import os, time
def run(batch):
    if os.path.exists("once"):
        return batch
    open("once", "w").close()
    if os.fork() == 0:
        time.sleep(600)
    os.kill(os.getpid(), 9)
""",
    )
    ended = run(folder, "--batch=100", "--processes=1", "--tries=2")
    assert ended.returncode == 0, ended.stderr
    assert "try 1 of 2: Its process ended by signal 9." in ended.stderr
    assert len(rows(folder)) == 10


def test_what_an_error_says_at_length_is_cut_short_but_in_the_log(folder: Path) -> None:
    entry(folder, "def run(batch):\n    raise ValueError('x' * 300_000)")
    ended = run(folder, "--batch=100", "--processes=1", "--tries=1")
    assert ended.returncode == 1
    assert len(last_line(ended.stderr)) < 3000
    assert "x" * 60_000 in ended.stderr


def test_results_that_can_not_be_written_are_told_in_a_sentence(folder: Path) -> None:
    entry(folder, "def run(batch):\n    return batch")
    (folder / "out" / "rows.txt").mkdir(parents=True)
    ended = run(folder, "--file=rows.txt")
    assert (ended.returncode, last_line(ended.stderr)) == (1, "What the step writes can't be written: Is a directory.")


def test_rows_need_packages(folder: Path) -> None:
    entry(folder, GOOD)
    (folder / "pandas.py").write_text("raise ModuleNotFoundError(\"No module named 'pandas'\", name='pandas')")
    given = command(folder, "--split=rows")
    ended = subprocess.run(
        given, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    assert last_line(ended.stderr).startswith("The step's environment has no pandas")


def test_it_is_read_by_old_pythons() -> None:
    import ast

    for file in PROGRAM.rglob("*.py"):
        ast.parse(file.read_text(), feature_version=(3, 8))


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
