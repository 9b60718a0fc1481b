"""Which steps may start warm, and which variables a script sets by itself."""

from pathlib import Path

import pytest

from compute.execution.warm.eligible import (
    fixed_variables,
    is_read_early,
    names_written_in,
    script_of,
    written_variables,
)
from compute.execution.warm.learning import Learned

NOTHING: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("command", "script"),
    [
        (["python", "train.py"], "train.py"),
        (["python", "src/train.py", "--trees", "3"], "src/train.py"),
        (["python"], None),
        (["python", "-c", "print(1)"], None),
        (["python", "-u", "train.py"], None),
        (["python", "-m", "package"], None),
        (["python", "folder"], None),
        (["python", "-"], None),
    ],
)
def test_only_a_plain_script_is(command: list[str], script: str | None) -> None:
    assert script_of(command) == script


def test_variables_that_vary_from_step_to_step_do_not_count() -> None:
    variables = {"PATH": "/bin", "HOME": "/a", "TMPDIR": "/b", "STUDIO_JOB": "c", "STUDIO_RUN": "7", "SEED": "1"}
    assert fixed_variables(variables) == {"PATH": "/bin", "SEED": "1"}


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONPATH": "lib"}, {"PYTHONINSPECT": "1"}, {"STUDIO_WARM_STARTS": "False"}, {"STUDIO_WARM_STARTS": "0"}],
)
def test_some_variables_call_for_a_fresh_interpreter(variables: dict[str, str]) -> None:
    assert fixed_variables({"PATH": "/bin", **variables}) is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("print(os.environ['A'], os.environ.get('B'), os.getenv('C'), 'D' in os.environ)", set()),
        ("subprocess.run(['x'], env={**os.environ, 'A': '1'})\nsubprocess.run(['x'], env=os.environ)", set()),
        (
            "for name in os.environ: print(name)\ndict(os.environ), set(os.environ)\n[n for n in os.environ.items()]",
            set(),
        ),
        ("os.environ['A'] = '1'\ndel os.environ['B']", {"A", "B"}),
        ("os.environ.setdefault('A', '1'); os.environ.pop('B', None); os.putenv('C', '1')", {"A", "B", "C"}),
        ("os.environ.update(A='1'); os.environ.update({'B': '1'}, C='2')", {"A", "B", "C"}),
        ("from os import environ\nenviron['A'] = '1'", {"A"}),
        ("os.environb[b'A'] = b'1'", {"A"}),
        ("os.environ['A'] += 'x'", {"A"}),
        ("os.environ[name] = '1'", None),
        ("os.environ.update(settings)", None),
        ("os.environ |= {'A': '1'}", None),
        ("variables = os.environ", None),
        ("change(os.environ)", None),
        ("from os import environ as variables", None),
        ("from dotenv import load_dotenv", None),
        ("import dotenv", None),
        ("os.environ.clear()", None),
        ("x = = 1", set()),
    ],
)
def test_variables_that_a_script_sets(text: str, names: set[str] | None) -> None:
    assert names_written_in(text.encode()) == names


def test_what_a_module_read_before_the_script_set_it() -> None:
    read = frozenset({"LEVEL"})
    assert not is_read_early(NOTHING, read)
    assert not is_read_early(frozenset({"OTHER"}), read)
    assert is_read_early(frozenset({"LEVEL"}), read)
    assert is_read_early(frozenset({"OMP_NUM_THREADS"}), NOTHING), "native libraries are not seen reading"
    assert is_read_early(None, NOTHING), "whatever it sets may have been read"


def test_all_files_of_a_folder_are_looked_at_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "main.py").write_text("import os\nos.environ['A'] = '1'\n")
    (tmp_path / "sub" / "other.py").write_text("import os\nos.environ['B'] = '1'\n")
    (tmp_path / "notes.txt").write_text("os.environ['C'] = '1'\n")
    assert written_variables(tmp_path, "digest of one") == {"A", "B"}
    assert written_variables(tmp_path / "nowhere", "digest of one") == {"A", "B"}
    assert written_variables(tmp_path, None) == {"A", "B"}
    (tmp_path / "big.py").write_text("#" * 5_000_000)
    assert written_variables(tmp_path, None) is None


def test_the_last_steps_say_what_is_imported_ahead() -> None:
    learned = Learned()
    learned.add(["json", "numpy", "numpy.linalg"])
    learned.add(["json", "pandas"])
    assert learned.wanted() == ["json", "numpy", "numpy.linalg", "pandas"]
    learned.add(["no module", "x" * 500, 7, None, "a..b", "csv"])
    assert learned.wanted()[-1] == "csv"
    assert len(learned.wanted()) == 5
    for _ in range(20):
        learned.add(["csv"])
    assert learned.wanted() == ["csv"]
