"""Conda's way to write what is wanted (`numpy=1.26`, `conda-forge::blas=*=mkl`), read, and said in pip's way.

See conda's documentation on "package match specifications". Pure: nothing here asks anybody.
"""

import re
from dataclasses import dataclass

_SPEC = re.compile(
    r"""\A(?:(?P<channel>[A-Za-z0-9][\w./-]*)::)?
        (?P<name>[A-Za-z0-9_][A-Za-z0-9._-]*)
        \s*(?P<rest>.*)\Z""",
    re.VERBOSE,
)
_CLAUSE = re.compile(r"\A(?P<operator>==|>=|<=|!=|~=|>|<|=)?\s*(?P<version>[A-Za-z0-9_.!+*-]+)\Z")
# Where the two worlds call one thing differently, and the package index has something else under conda's name or none.
CALLED_ON_THE_INDEX = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "opencv": "opencv-python",
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "pyqt": "PyQt5",
    "tensorflow-gpu": "tensorflow",
}


@dataclass(frozen=True, slots=True)
class CondaSpec:
    """A conda dependency, taken apart."""

    name: str
    version: str = ""  # as it is written, its operators included; "=" before a fuzzy one
    build: str = ""
    channel: str = ""

    def __str__(self) -> str:
        channel = f"{self.channel}::" if self.channel else ""
        return f"{channel}{self.name}{self.version}{f'={self.build}' if self.build else ''}"


class NotInPipsWords(ValueError):  # noqa: N818 (a finding, not a fault)
    """What conda alone can do. The message says why."""


def parse(text: str) -> CondaSpec:
    """Raises ValueError with a sentence for what is no conda dependency."""
    text = text.strip()
    found = _SPEC.match(text)
    if found is None:
        raise ValueError(f"“{text}” is not a conda dependency such as “numpy=1.26” or “scipy>=1.11,<2”.")
    name, rest = found["name"].lower(), found["rest"].strip()
    version, build = _version_and_build(rest, text)
    return CondaSpec(name=name, version=version, build=build, channel=found["channel"] or "")


def _version_and_build(rest: str, text: str) -> tuple[str, str]:
    if not rest:
        return "", ""
    if rest.startswith("["):
        raise ValueError(f"“{text}” has conditions in brackets, which are not supported: write its version after “=”.")
    build = ""
    if rest[0] in "<>!~=":
        # name=1.2=build, name==1.2=build
        parts = re.split(r"(?<![<>!~=])=(?!=)", rest)
        if rest.startswith("=") and not rest.startswith("==") and len(parts) == 3:
            rest, build = f"={parts[1]}", parts[2]
        elif len(parts) == 2 and not rest.startswith("=") and "," not in parts[0]:
            rest, build = parts
        elif rest.startswith("==") and "=" in rest[2:]:
            version, _, build = rest[2:].partition("=")
            rest = f"=={version}"
    else:
        # `name 1.2 build`, by spaces: exact unless it says otherwise
        words = rest.split()
        if len(words) > 2:
            raise ValueError(f"“{text}” is not a conda dependency such as “numpy=1.26”.")
        build = words[1] if len(words) == 2 else ""
        rest = words[0] if words[0].endswith("*") or "|" in words[0] else f"=={words[0]}"
        rest = f"={rest}" if rest[0].isalnum() else rest
    build = build.strip()
    rest = re.sub(r"\s*([,|<>=!~]+)\s*", r"\1", rest.strip())
    for clause in re.split(r"[,|]", rest):
        if not _CLAUSE.match(clause):
            raise ValueError(f"“{text}” has a version that conda would not understand: “{clause}”.")
    if build and not re.fullmatch(r"[A-Za-z0-9_.*+-]+", build):
        raise ValueError(f"“{text}” has a build that conda would not understand: “{build}”.")
    return rest, "" if build == "*" else build


def in_pips_words(spec: CondaSpec) -> str:
    """The requirement that means the same. Raises NotInPipsWords for what only conda can do."""
    if spec.build:
        raise NotInPipsWords(f"“{spec}” names a build, and only conda has builds")
    if other := CALLED_ON_THE_INDEX.get(spec.name):
        raise NotInPipsWords(f"“{spec.name}” is called “{other}” on the package index")
    if "|" in spec.version:
        raise NotInPipsWords(f"“{spec}” allows one of several versions with “|”")
    clauses = [_clause(each) for each in spec.version.split(",")] if spec.version else []
    return spec.name + ",".join(clause for clause in clauses if clause)


def _clause(text: str) -> str:
    found = _CLAUSE.match(text)
    assert found is not None, "parsed before"
    operator, version = found["operator"] or "==", found["version"]
    if version == "*":
        return ""
    if operator == "=":  # fuzzy: all that begin so
        return f"=={version.rstrip('*').rstrip('.')}.*"
    if version.endswith("*") and operator in {">=", "<=", ">", "<"}:
        version = version.rstrip("*").rstrip(".")
    return f"{operator}{version}"
