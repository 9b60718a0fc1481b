"""Names in a source folder: which may be, and a sentence for each that may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastores.source_paths import file_below_a_file, problem_of


@pytest.mark.parametrize(
    "path",
    ["a.py", "a b/c d.txt", "🐍.py", "👩‍🔬/x", "ünï/çödé", "a" * 255, "é" * 127, ".amlignore", "a..b", "...", "a'\"b$"],
)
def test_fine_names(path: str) -> None:
    assert problem_of(path) is None


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "no name"),
        ("/etc/passwd", "absolute"),
        ("C:/x", "absolute"),
        ("~/x", "absolute"),
        ("../x", "leads out"),
        ("a/../../x", "leads out"),
        ("a/..", "leads out"),
        ("..\\x", "backslash"),
        ("a//b", "empty part"),
        ("./a", "empty part"),
        ("a/", "folder"),
        ("a\nb", "line break"),
        ("a\rb", "line break"),
        ("a\x00b", "control character"),
        ("a\x1b[31m", "control character"),
        ("a\u2028b", "line break"),
        ("a\udcffb", "control character"),
        ("a" * 256, "too long"),
        ("é" * 128, "too long"),
        ("/".join(["a" * 250] * 5), "too long"),
    ],
)
def test_unfit_names(path: str, says: str) -> None:
    problem = problem_of(path)
    assert problem is not None
    assert says in problem
    assert problem.replace("“", "").replace("”", "").isprintable() or "\u200d" in problem
    problem.encode()


@given(st.text(max_size=300))
def test_a_name_is_fine_or_has_a_sentence(path: str) -> None:
    problem = problem_of(path)
    if problem is None:
        assert ".." not in path.split("/")
        assert not path.startswith("/")
    else:
        problem.encode()


def test_a_file_where_a_folder_must_be() -> None:
    assert file_below_a_file(["a", "b/c"]) is None
    assert file_below_a_file(["a/b/c", "a/b", "a.b"]) == ("a/b", "a/b/c")
