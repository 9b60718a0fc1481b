"""Which files of a step count as its code."""

import pytest

from pipelines.hash_paths import MAX_PATHS, counted, hash_path_problems
from pipelines.kinds.interface import SourceFiles
from pipelines.kinds.python_script import PythonScriptStep

FILES = frozenset({"train.py", "src/model.py", "src/deep/net.py", "src/notes.md", "docs/train.py", "[odd]!#.py"})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("train.py", {"train.py"}),
        ("./train.py", {"train.py"}),
        ("src", {"src/model.py", "src/deep/net.py", "src/notes.md"}),
        ("src/", {"src/model.py", "src/deep/net.py", "src/notes.md"}),
        ("src/*.py", {"src/model.py"}),
        ("src/**/*.py", {"src/model.py", "src/deep/net.py"}),
        ("**/train.py", {"train.py", "docs/train.py"}),
        ("*", set(FILES)),
        ("!train.py", set()),
        ("#train.py", set()),
        ("rc", set()),
    ],
)
def test_a_path_counts_a_file_a_folder_or_what_matches(path: str, expected: set[str]) -> None:
    assert counted([path], FILES) == expected


def test_several_paths_count_together() -> None:
    assert counted(["train.py", "src/*.md"], FILES) == {"train.py", "src/notes.md"}


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("", "Write a file"),
        ("/etc/passwd", "from the step's folder on"),
        ("~/x", "from the step's folder on"),
        ("C:\\x", "from the step's folder on"),
        ("src/../../x", "leads out"),
        ("..", "leads out"),
        ("x" * 401, "more than 400 characters"),
        ("sources", "No file of the step is “sources”"),
        ("src/[z-a].py", "This is no pattern"),
        ("src\\", "from the step's folder on"),
    ],
)
def test_what_is_no_path_of_the_step_is_told_at_its_line(path: str, sentence: str) -> None:
    ((index, said),) = hash_path_problems(["train.py", path], FILES)
    assert index == 1
    assert sentence in said


def test_doubles_too_many_and_no_files_are_told() -> None:
    assert [index for index, _ in hash_path_problems(["src", "src"], FILES)] == [1]
    assert [index for index, _ in hash_path_problems(["src"] * (MAX_PATHS + 1), FILES)] == [MAX_PATHS]
    assert next(hash_path_problems(["src"], None)) == (0, "The step has no files. Add some, or remove this path.")
    assert not list(hash_path_problems([], None))


@pytest.mark.parametrize("path", ["src\\", "src/[z-a].py", "x" * 401])
def test_while_a_path_is_wrong_nothing_is_said_of_the_script(path: str) -> None:
    step = PythonScriptStep(name="train", entry="train.py", hash_paths=[path])
    assert list(step.warnings(SourceFiles(FILES))) == []
    assert list(step.problems(SourceFiles(FILES)))
