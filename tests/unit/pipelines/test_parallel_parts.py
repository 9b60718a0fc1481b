"""A parallel run in parts, and what puts them together: the same bytes as of one node, or a sentence."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.pipelines.parallel_program import PROGRAM, run, use_parts

use_parts()

from studio_parallel.planning import Batch  # type: ignore[import-not-found]  # noqa: E402
from studio_parallel.sharing import Part, part_of, plan_of  # type: ignore[import-not-found]  # noqa: E402

SCRIPT = """
import pathlib
def run(mini_batch):
    names = [pathlib.Path(path).name for path in mini_batch]
    return [f"{name} of {len(names)}" for name in names if "bad" not in name]
"""
FRAME = """
import pathlib
class Frame(list):
    columns = ["a,b", "c"]
    def to_csv(self, path, **how):
        pathlib.Path(path).write_text("".join(f"{pathlib.Path(each).stem},x\\n" for each in self))
run = Frame
"""
WRITING = """
import pathlib, sys
def run(mini_batch):
    for path in map(pathlib.Path, mini_batch):
        target = pathlib.Path(sys.argv[1]) / (NAME)
        target.parent.mkdir(exist_ok=True)
        target.write_text(path.read_text())
"""


def work(folder: Path, number: int, count: int, *words: str) -> subprocess.CompletedProcess[str]:
    out = folder / f"out{number}"
    return run(folder, f"--part={number}/{count}", f"--parts={folder / f'parts{number}'}", f"--output={out}", *words)


def unite(folder: Path, count: int, *words: str) -> subprocess.CompletedProcess[str]:
    numbers = range(1, count + 1)
    parts = [str(folder / f"parts{number}") for number in numbers]
    outputs = ["out", str(folder / "united"), *(str(folder / f"out{number}") for number in numbers)]
    command = [sys.executable, str(PROGRAM), "--unite", f"--nodes={count}", *words, "--", *parts, *outputs]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(11):
        (tmp_path / "in" / f"{number:02}.txt").write_text(str(number))
    (tmp_path / "entry.py").write_text(SCRIPT)
    return tmp_path


def test_parts_have_each_batch_once_and_neighbours_apart() -> None:
    batches = [Batch(number, 1, [f"/in/{number}"], "") for number in range(1, 12)]
    parts = [Part(number, 3).mine(batches) for number in (1, 2, 3)]
    assert [[batch.number for batch in part] for part in parts] == [[1, 4, 7, 10], [2, 5, 8, 11], [3, 6, 9]]
    assert Part(5, 5).mine(batches[:4]) == []
    assert part_of("") is None
    assert part_of("2/3") == (2, 3)
    for wrong in ("0/3", "4/3", "x/3"):
        with pytest.raises(ValueError):  # noqa: PT011 (as argparse wants it)
            part_of(wrong)


def test_a_plan_is_the_same_wherever_the_input_lies_and_another_for_other_files() -> None:
    def plan(top: str, *names: str) -> str:
        digest: str = plan_of([Batch(1, len(names), [f"{top}/{name}" for name in names], "a and 1 more")], top)
        return digest

    assert plan("/one", "a", "b") == plan("/two/three", "a", "b")
    assert plan("/one", "a", "b") != plan("/one", "a", "c")
    rows = [Batch(1, 5, {"slices": []}, "rows 1 to 5")]
    assert plan_of(rows, "/one") == plan_of(rows, "/two") != plan_of([rows[0]._replace(items=4)], "/one")


@pytest.mark.parametrize("count", [1, 3, 20])
def test_parts_together_are_byte_for_byte_what_one_node_writes(folder: Path, count: int) -> None:
    (folder / "in" / "07.txt").rename(folder / "in" / "bad7.txt")  # without a result: its place stays empty
    assert run(folder, "--batch=1", "--threshold=1").returncode == 0
    for number in range(1, count + 1):
        done = work(folder, number, count, "--batch=1", "--threshold=1", "--processes=2")
        assert done.returncode == 0, done.stderr
        assert f"of 11, part {number} of {count}, for" in done.stdout
    united = unite(folder, count, "--threshold=1")
    assert united.returncode == 0, united.stderr
    assert united.stdout == f"11 of 11 batches done, 0 failed, by {count} parts.\n"
    file = "parallel_run_step.txt"
    assert (folder / "united" / file).read_bytes() == (folder / "out" / file).read_bytes()
    assert len((folder / "united" / file).read_text().splitlines()) == 10


def test_frames_have_their_columns_once(folder: Path) -> None:
    (folder / "entry.py").write_text(FRAME)
    assert run(folder, "--batch=2").returncode == 0
    for number in (1, 2):
        assert work(folder, number, 2, "--batch=2").returncode == 0
    assert unite(folder, 2).returncode == 0
    file = "parallel_run_step.txt"
    assert (folder / "united" / file).read_bytes() == (folder / "out" / file).read_bytes()
    assert (folder / "united" / file).read_text().startswith('"a,b",c\n')


def test_failures_count_together(folder: Path) -> None:
    for name in ("00", "01", "05"):
        (folder / "in" / f"{name}.txt").rename(folder / "in" / f"{name}bad.txt")
    for number in (1, 2):
        assert work(folder, number, 2, "--batch=1", "--threshold=2").returncode == 0, "for itself it may"
    united = unite(folder, 2, "--threshold=2")
    assert united.returncode == 1
    said = "3 files failed or gave no result, and 2 may. The script returned fewer results than it was given.\n"
    assert united.stderr == said
    assert not (folder / "united" / "parallel_run_step.txt").exists()
    for passed in ("3", "-1"):
        assert unite(folder, 2, f"--threshold={passed}").returncode == 0
    assert work(folder, 1, 2, "--batch=1", "--threshold=0").returncode == 1, "and alone it is too many"


def test_an_empty_input_has_an_empty_result(folder: Path) -> None:
    shutil.rmtree(folder / "in")
    (folder / "in").mkdir()
    for number in (1, 2):
        assert work(folder, number, 2).returncode == 0
    assert unite(folder, 2).returncode == 0
    assert (folder / "united" / "parallel_run_step.txt").read_bytes() == b""


def test_what_scripts_write_comes_together(folder: Path) -> None:
    (folder / "entry.py").write_text(WRITING.replace("NAME", "('of1/' if path.stem > '09' else '') + path.name"))
    for number in (1, 2):
        done = run_writing(folder, number)
        assert done.returncode == 0, done.stderr
    assert unite(folder, 2, "--action=summary_only").returncode == 0
    united = folder / "united"
    written = {str(path.relative_to(united)): path.read_text() for path in united.rglob("*") if path.is_file()}
    assert written == {**{f"{number:02}.txt": str(number) for number in range(10)}, "of1/10.txt": "10"}


def run_writing(folder: Path, number: int) -> subprocess.CompletedProcess[str]:
    """Its script is told where its output lies."""
    out = folder / f"out{number}"
    places = [f"--input={folder / 'in'}", f"--output={out}", f"--parts={folder / f'parts{number}'}"]
    words = [f"--part={number}/2", "--batch=1", "--action=summary_only", "--processes=1", "--", "entry.py", str(out)]
    return subprocess.run(
        [sys.executable, str(PROGRAM), *places, *words], capture_output=True, text=True, check=False, cwd=folder
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("'all.txt'", "Part 1 and part 2 both wrote “all.txt” to the output “out”. Let the script give its files"),
        (
            "('x' if int(path.stem) % 2 else 'x/' + path.name)",
            "One part wrote a file to the output “out”, and another one a folder of the same name, “x”.",
        ),
    ],
)
def test_two_parts_that_write_one_file_are_told_of_it(folder: Path, name: str, sentence: str) -> None:
    (folder / "entry.py").write_text(WRITING.replace("NAME", name))
    for number in (1, 2):
        done = run_writing(folder, number)
        assert done.returncode == 0, done.stderr
    united = unite(folder, 2, "--action=summary_only")
    assert united.returncode == 1
    assert sentence in united.stderr


def test_links_that_lead_out_of_a_part_and_what_is_no_file_are_left_out(folder: Path) -> None:
    (folder / "entry.py").write_text(WRITING.replace("NAME", "path.name"))
    for number in (1, 2):
        assert run_writing(folder, number).returncode == 0
    out, secret = folder / "out1", folder / "secret"
    secret.mkdir()
    (secret / "key.txt").write_text("of somebody else")
    (out / "within.txt").symlink_to(out / "00.txt")
    (out / "gone.txt").symlink_to(folder / "nowhere")
    (out / "round").symlink_to("round")
    (out / "key.txt").symlink_to(secret / "key.txt")
    (out / "beside.txt").symlink_to("../out2/01.txt")
    (out / "all").symlink_to(secret, target_is_directory=True)
    os.mkfifo(out / "pipe")
    united = unite(folder, 2, "--action=summary_only")
    assert united.returncode == 0, united.stderr
    found = sorted(path.name for path in (folder / "united").iterdir())
    assert found == [*(f"{number:02}.txt" for number in range(11)), "within.txt"]
    assert (folder / "united" / "within.txt").read_text() == "0"
    assert not (folder / "united" / "within.txt").is_symlink()
    for name in ("gone.txt", "round", "key.txt", "beside.txt", "all", "pipe"):
        said = f"Output “out”: “{name}” of part 1 is no file of its folder and is not part of the output."
        assert said in united.stdout.splitlines()


def test_of_many_that_are_left_out_some_are_named(folder: Path) -> None:
    for number in (1, 2):
        assert work(folder, number, 2).returncode == 0
    for number in range(25):
        (folder / "out2" / f"gone{number}").symlink_to("nowhere")
    said = unite(folder, 2).stdout.splitlines()
    assert len([line for line in said if "gone" in line]) == 20
    assert "Output “out”: 5 more are not part of the output." in said


def without(name: str) -> Callable[[Any], Any]:
    return lambda about: {key: value for key, value in about.items() if key != name}


def changed(**how: Any) -> Callable[[Any], Any]:
    return lambda about: {**about, **how}


@pytest.mark.parametrize(
    "change",
    [
        lambda _about: [],
        lambda _about: None,
        changed(version=99),
        changed(part=1),
        changed(of=7),
        changed(batches=-3),
        changed(batches=12),
        changed(done=True),
        changed(failed=1e300),
        without("items_failed"),
        without("bytes"),
        changed(bytes={"2": 3}),
        changed(bytes=[[2]]),
        changed(bytes=[[2, -1]]),
        changed(bytes=[[1, 5]]),
        changed(bytes=[[5, 5], [2, 5]]),
        changed(bytes=[[2, 10**12]]),
        changed(bytes=[[2**63, 1]]),
        changed(columns="abc"),
        changed(columns=[1]),
    ],
)
def test_a_list_that_is_not_what_a_part_leaves_is_refused(folder: Path, change: Callable[[Any], Any]) -> None:
    for number in (1, 2):
        assert work(folder, number, 2, "--batch=2").returncode == 0
    path = folder / "parts2" / "batches.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    united = unite(folder, 2)
    assert united.returncode == 1
    assert united.stderr.startswith("What part 2 of 2 handed on can't be used: ")
    assert united.stderr.endswith(". Run it again.\n")
    assert united.stderr.count("\n") == 1
    assert not (folder / "united").exists()


def test_a_part_that_is_missing_or_cut_is_refused(folder: Path) -> None:
    for number in (1, 2):
        assert work(folder, number, 2, "--batch=2").returncode == 0
    (folder / "parts1" / "lines").write_bytes(b"00")
    assert "What part 1 of 2 handed on can't be used: its lines are not those of its batches" in unite(folder, 2).stderr
    (folder / "parts1" / "batches.json").write_text("[" * 100_000)
    assert "What part 1 of 2 handed on can't be used: " in unite(folder, 2).stderr
    (folder / "parts1" / "batches.json").unlink()
    assert "can't be used: No such file or directory. Run it again." in unite(folder, 2).stderr


def test_parts_that_found_different_batches_make_no_whole(folder: Path) -> None:
    assert work(folder, 1, 2, "--batch=2").returncode == 0
    (folder / "in" / "00.txt").rename(folder / "in" / "0x.txt")
    assert work(folder, 2, 2, "--batch=2").returncode == 0
    united = unite(folder, 2)
    assert united.returncode == 1
    assert united.stderr.startswith("Part 2 found other batches than part 1: the input was changed meanwhile")
