"""conda files, as far as they go: a name, channels, dependencies with a list for pip, variables. No other YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from studio_sdk.exceptions import UserErrorException

_LISTS = ("channels", "dependencies")
_PASSED_OVER = ("prefix",)  # where it was installed on another machine
_PYTHON = re.compile(r"\Apython\s*(?:=|==|~=)\s*(\d+\.\d+)(?:\.\d+|\.\*)*\Z")


@dataclass
class CondaFile:
    name: str = "project_environment"
    channels: list[str] = field(default_factory=list)
    python: str = ""
    conda: list[str] = field(default_factory=list)  # without `python`, where that has one version
    pip: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> CondaFile:
        """Of what a file says, as dictionaries and lists. Raises UserErrorException."""
        unknown = sorted(set(said) - {"name", *_LISTS, "variables", *_PASSED_OVER})
        if unknown:
            raise UserErrorException(f"A conda file has no “{unknown[0]}”.")
        made = cls(name=str(said.get("name") or cls.name))
        made.channels = [str(each) for each in said.get("channels") or []]
        made.variables = {str(key): str(value) for key, value in (said.get("variables") or {}).items()}
        for each in said.get("dependencies") or []:
            if isinstance(each, Mapping):
                if list(each) != ["pip"]:
                    raise UserErrorException("Of dependencies only “pip” is a list of its own.")
                made.pip += [str(one) for one in each["pip"] or []]
                continue
            match = _PYTHON.match(str(each).strip())
            if match:
                made.python = match.group(1)
            elif str(each).strip() != "pip":
                made.conda.append(str(each).strip())
        return made

    def as_dict(self) -> dict[str, Any]:
        python = [f"python={self.python}"] if self.python else []
        pip: list[Any] = ["pip", {"pip": list(self.pip)}] if self.pip else []
        return {
            "name": self.name,
            **({"channels": list(self.channels)} if self.channels else {}),
            "dependencies": [*python, *self.conda, *pip],
            **({"variables": dict(self.variables)} if self.variables else {}),
        }


def written(file: CondaFile) -> str:
    said = file.as_dict()
    lines = [f"name: {_scalar(said['name'])}"]
    if "channels" in said:
        lines += ["channels:", *(f"- {_scalar(each)}" for each in said["channels"])]
    lines.append("dependencies:" if said["dependencies"] else "dependencies: []")
    for each in said["dependencies"]:
        if isinstance(each, dict):
            lines += ["- pip:", *(f"  - {_scalar(one)}" for one in each["pip"])]
        else:
            lines.append(f"- {_scalar(each)}")
    if "variables" in said:
        lines += ["variables:", *(f"  {_scalar(key)}: {_scalar(value)}" for key, value in said["variables"].items())]
    return "\n".join(lines) + "\n"


def read(text: str, name: str) -> CondaFile:  # noqa: PLR0912 (one story)
    """Raises UserErrorException with the line that can't be read."""
    said: dict[str, Any] = {}
    key, pip_indent = "", -1
    for number, raw in enumerate(text.splitlines(), 1):
        line = _without_comment(raw).rstrip()
        if not line.strip() or line.strip() == "---":
            continue
        indent, content = len(line) - len(line.lstrip()), line.strip()
        if "\t" in line[:indent]:
            raise _unreadable(name, number, "indent by spaces")
        if content.startswith("- ") or content == "-":
            if key not in _LISTS:
                raise _unreadable(name, number, "this list belongs to nothing")
            item = content[1:].strip()
            if pip_indent >= 0 and indent > pip_indent:
                said[key][-1]["pip"].append(_plain(item, name, number))
            elif key == "dependencies" and re.fullmatch(r"pip\s*:\s*(\[\])?", item):
                said[key].append({"pip": []})
                pip_indent = indent if not item.endswith("]") else -1
            else:
                pip_indent = -1
                said[key].append(_plain(item, name, number))
            continue
        found, mark, value = content.partition(":")
        if not mark:
            raise _unreadable(name, number, "“key: value” or a list is expected")
        if indent:
            if key != "variables":
                raise _unreadable(name, number, f"“{key}” has no keys of its own")
            said[key][_plain(found.strip(), name, number)] = _plain(value.strip(), name, number)
            continue
        key, pip_indent = found.strip(), -1
        value = value.strip()
        if key in _LISTS:
            said[key] = _flow(value, name, number) if value else []
        elif key == "variables":
            said[key] = {}
        else:
            said[key] = _plain(value, name, number) if value else ""
    try:
        return CondaFile.of(said)
    except UserErrorException as error:
        raise UserErrorException(f"{name}: {error}") from None


def _flow(value: str, name: str, number: int) -> list[str]:
    if not (value.startswith("[") and value.endswith("]")):
        raise _unreadable(name, number, "a list is expected")
    inner = value[1:-1].strip()
    return [_plain(each.strip(), name, number) for each in inner.split(",")] if inner else []


def _plain(value: str, name: str, number: int) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    if not value or value[0] in "&*!|>{}%@`'\"":
        raise _unreadable(name, number, "a plain text is expected")
    return value


def _without_comment(line: str) -> str:
    quote = ""
    for index, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "#" and (index == 0 or line[index - 1] in " \t"):
            return line[:index]
    return line


def _scalar(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_./][A-Za-z0-9_.,=<>~/:+\[\]-]*", value) and not value.endswith(":"):
        return value
    return "'" + value.replace("'", "''") + "'"


def _unreadable(name: str, number: int, why: str) -> UserErrorException:
    return UserErrorException(f"{name}, line {number} can't be read: {why}.")
