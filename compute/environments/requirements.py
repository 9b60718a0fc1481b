"""What an environment may ask pip for: requirements by name and version, nothing that reads this machine's files."""

import re
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement

MAX_LINES = 500
MAX_LINE_LENGTH = 1000
_PATH = re.compile(r"\A(\.{1,2}([/\\]|\Z)|[/\\~]|[A-Za-z]:[/\\]|file:)")
_ARCHIVE = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".txt")
_EDITABLE = ("-e", "--editable")
_NESTED = ("-r", "--requirement", "-c", "--constraint")


def problem_of(line: str) -> str | None:
    """What is wrong with one requirement, as a sentence that says what to do."""
    shown = _shown(line)
    if len(line) > MAX_LINE_LENGTH:
        return f"“{shown}” is longer than {MAX_LINE_LENGTH} characters."
    if line.startswith("-"):
        return _problem_of_option(line, shown)
    if not line.startswith("file:") and re.match(r"\A[A-Za-z][A-Za-z0-9+.-]*://", line):
        return f"“{shown}” is an address without a name: write “name @ https://…”."
    if _PATH.match(line) or (" " not in line and "@" not in line and line.lower().endswith(_ARCHIVE)):
        return f"“{shown}” is a path: nodes don't have that file. Name a package of the package index instead."
    try:
        requirement = Requirement(line)
    except InvalidRequirement as error:
        return f"“{shown}” is not a requirement such as “pandas>=2.2”: {_first_line(error)}"
    return _problem_of_url(requirement.name, requirement.url) if requirement.url else None


def _problem_of_option(line: str, shown: str) -> str:
    option = re.split(r"[\s=]", line, maxsplit=1)[0]
    if option in _EDITABLE:
        return f"“{shown}” is an editable install of a folder: nodes don't have that folder. Name a published package."
    if option in _NESTED:
        return f"“{shown}” reads another file: put its lines here instead."
    return f"“{option}” is an option of pip: whoever runs the node sets its package index. Leave the line out."


def _problem_of_url(name: str, url: str) -> str | None:
    parts = urlsplit(url)
    if parts.username or parts.password:
        return f"The address of “{name}” holds a user name or password, which everybody could read here. Leave it out."
    if parts.scheme not in {"http", "https", "git+https"}:
        return f"The address of “{name}” must begin with https:// or git+https://."
    return None


def _shown(line: str) -> str:
    """Its beginning, without the user and password of an address."""
    plain = re.sub(r"//[^/@\s]*@", "//…@", line)
    return plain if len(plain) <= 80 else f"{plain[:77]}…"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
