"""What an environment may ask for, and the sentence that says what is wrong with it."""

import pytest

from compute.environments.checking import checked
from compute.environments.requirements import MAX_LINES, problem_of
from compute.spec import EnvironmentSpec
from studio.lib.problems import UserError


@pytest.mark.parametrize(
    "line",
    [
        "pandas",
        "pandas>=2.2,<4",
        "scikit-learn[plots] ~= 1.5",
        'tomli; python_version < "3.11"',
        "mine @ https://files.example.org/mine-1.0-py3-none-any.whl",
        "mine @ git+https://example.org/mine.git@v1",
    ],
)
def test_requirements_are_taken_as_they_are(line: str) -> None:
    assert problem_of(line) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-e .", "editable"),
        ("--editable=./x", "editable"),
        (
            "--editable=git+https://me:secret@example.org/mine",
            "“--editable=git+https://…@example.org/mine” is an editable",
        ),
        (f"https://me:secret{'x' * 80}@example.org/mine.whl", "“https://…@example.org/mine.whl” is an address"),
        ("-r https://me:secret@example.org/more.txt", "reads another file"),
        ("--constraint c.txt", "reads another file"),
        ("--index-url https://evil.example.org", "“--index-url” is an option of pip"),
        ("--extra-index-url=https://u:secret@example.org", "“--extra-index-url” is an option of pip"),
        ("./wheels/mine.whl", "is a path"),
        ("/etc/passwd", "is a path"),
        ("~/x", "is a path"),
        ("..", "is a path"),
        (r"C:\wheels\mine.whl", "is a path"),
        ("file:///etc/passwd", "is a path"),
        ("mine-1.0-py3-none-any.whl", "is a path"),
        ("requirements.txt", "is a path"),
        ("https://example.org/mine.whl", "an address without a name"),
        ("mine @ https://me:secret@example.org/mine.whl", "holds a user name or password"),
        ("mine @ file:///etc/passwd", "must begin with https://"),
        ("mine @ git+ssh://git@example.org/mine", "holds a user name"),
        ("pandas=2", "is not a requirement"),
        ("two words", "is not a requirement"),
        ("p" * 1001, "longer than 1000"),
    ],
)
def test_everything_else_is_refused_with_a_sentence(line: str, said: str) -> None:
    problem = problem_of(line)
    assert problem is not None
    assert said in problem
    assert "secret" not in problem


def test_comments_and_blank_lines_go_and_problems_stand_at_their_line() -> None:
    spec = EnvironmentSpec(python_version=" 3.11 ", pip=["# data", "pandas >= 2  # frames", "", "  numpy "])
    assert checked(spec) == EnvironmentSpec(python_version="3.11", pip=["pandas >= 2", "numpy"])

    with pytest.raises(UserError) as caught:
        checked(EnvironmentSpec(python_version="latest", pip=["numpy", "-e ."]))
    assert [problem.loc for problem in caught.value.problems] == [("python_version",), ("pip", 1)]


def test_too_many_lines_are_one_problem() -> None:
    with pytest.raises(UserError) as caught:
        checked(EnvironmentSpec(pip=["-e ."] * (MAX_LINES + 1)))
    assert [problem.loc for problem in caught.value.problems] == [("pip",)]
