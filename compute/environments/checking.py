"""What a specification may say, and a sentence at its place for everything else."""

import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

from django.conf import settings

from compute.environments import conda_specs
from compute.environments.requirements import MAX_LINES, problem_of
from compute.spec import EnvironmentSpec
from compute.variables import MAX_VARIABLES, name_problem, value_problem
from studio.lib.problems import Problem, UserError

MAX_SCRIPT_BYTES = 100_000
MAX_PATH_LENGTH = 1000
_COMMENT = re.compile(r"(^|\s)#.*$")
_PYTHON_VERSION = re.compile(r"\A3\.(\d{1,2})(\.\d{1,2})?\Z")
_CHANNEL = re.compile(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)*\Z")


def checked(spec: EnvironmentSpec) -> EnvironmentSpec:
    """`spec` without comments and blank lines.

    Raises UserError with a problem at `(field,)`, `(field, index)` or `("variables", name)` for what can't be built.
    """
    problems: list[Problem] = []
    version = spec.python_version.strip()
    if not _PYTHON_VERSION.match(version):
        problems.append(Problem(("python_version",), "Give a Python version such as 3.11."))
    pip = _lines("pip", spec.pip, problem_of, problems)
    conda = _lines("conda", spec.conda, _problem_of_conda, problems)
    channels = _lines("channels", spec.channels, _problem_of_channel, problems)
    problems += _problems_of_indexes(spec.indexes)
    problems += _problems_of_variables(spec.variables)
    problems += _problems_of_script(spec.setup_script)
    problems += _problems_of_interpreter(spec)
    if problems:
        raise UserError(problems)
    return spec.model_copy(
        update={
            "python_version": version,
            "pip": pip,
            "conda": conda,
            "channels": channels if conda else [],
            "setup_script": spec.setup_script.replace("\r\n", "\n") if spec.setup_script.strip() else "",
            "interpreter": spec.interpreter.strip(),
        }
    )


def _lines(
    field: str, given: Sequence[str], problem: Callable[[str], str | None], problems: list[Problem]
) -> list[str]:
    if len(given) > MAX_LINES:
        problems.append(
            Problem((field,), f"That is {len(given):,} lines; an environment takes at most {MAX_LINES} here.")
        )
        return []
    lines = [_COMMENT.sub("", line).strip() for line in given]
    problems += [
        Problem((field, index), message)
        for index, line in enumerate(lines)
        if line and (message := "It has a character that no text has." if "\0" in line else problem(line))
    ]
    return [line for line in lines if line]


def _problem_of_conda(line: str) -> str | None:
    try:
        found = conda_specs.parse(line)
    except ValueError as error:
        return str(error)
    if found.name == "python":
        return "Choose the Python version in its own field, and leave this line out."
    return None


def _problem_of_channel(line: str) -> str | None:
    if "://" not in line:
        return None if _CHANNEL.match(line) else f"“{line}” is not the name of a channel such as “conda-forge”."
    parts = urlsplit(line)
    if parts.username or parts.password or "/t/" in parts.path:
        return "The channel's address holds a user name, password or token, which everybody could read here."
    if parts.scheme not in {"http", "https"}:
        return "A channel's address begins with https://."
    return None


def _problems_of_indexes(names: Sequence[str]) -> Iterator[Problem]:
    known = settings.PACKAGE_INDEXES
    for index, name in enumerate(names):
        if name not in known:
            those = f"Those are there: {', '.join(sorted(known))}." if known else "None is set up."
            yield Problem(("indexes", index), f"There is no further package index “{name}”. {those}")


def _problems_of_variables(variables: dict[str, str]) -> Iterator[Problem]:
    if len(variables) > MAX_VARIABLES:
        yield Problem(("variables",), f"An environment takes at most {MAX_VARIABLES} variables.")
        return
    for name, value in variables.items():
        if problem := name_problem(name) or value_problem(name, value):
            yield Problem(("variables", name), problem)


def _problems_of_script(script: str) -> Iterator[Problem]:
    if len(script.encode()) > MAX_SCRIPT_BYTES:
        yield Problem(("setup_script",), f"The script is larger than {MAX_SCRIPT_BYTES // 1000} kB.")
    elif "\0" in script:
        yield Problem(("setup_script",), "The script has a character that no text has.")


def _problems_of_interpreter(spec: EnvironmentSpec) -> Iterator[Problem]:
    path = spec.interpreter.strip()
    if not path:
        return
    if not path.startswith("/") or len(path) > MAX_PATH_LENGTH or "\0" in path or "\n" in path:
        yield Problem(("interpreter",), "Give the whole path of a Python on the node, as in /opt/conda/bin/python.")
    if spec.pip or spec.conda or spec.indexes or spec.setup_script.strip():
        yield Problem(
            ("interpreter",),
            "With an interpreter of the node the studio installs nothing: leave packages and setup script out, or the "
            "interpreter.",
        )
