"""Conda's YAML files (`environment.yml`), read with care: they come from anybody."""

import re
from typing import Any

import yaml

from compute.environments.conda_specs import CondaSpec, parse
from compute.spec import EnvironmentSpec
from studio.lib.problems import Problem, UserError

MAX_BYTES = 200_000
_LOC = ("conda_file",)
_KEYS = {"name", "channels", "dependencies", "variables", "prefix"}


class _Loader(yaml.SafeLoader):
    """Without aliases: a few lines of them can become billions."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise UserError("The file uses YAML aliases (“*name”). Write out what they stand for.", loc=_LOC)
        return super().compose_node(parent, index)


def spec_of(text: str, *, python_version: str) -> EnvironmentSpec:
    """What a conda file says; `python_version` where it names none. Its `name` and `prefix` are left aside.

    Raises UserError at `("conda_file",)`.
    """
    if len(text.encode()) > MAX_BYTES:
        raise UserError(f"The file is larger than {MAX_BYTES // 1000} kB. Leave out what nothing imports.", loc=_LOC)
    said = _read(text)
    unknown = sorted(map(str, set(said) - _KEYS))
    if unknown:
        raise UserError(f"“{unknown[0]}” is no part of a conda file. Leave it out.", loc=_LOC)
    conda, pip, problems = _dependencies(said.get("dependencies") or [])
    channels = _texts(said.get("channels") or [], "channels")
    variables = said.get("variables") or {}
    if not isinstance(variables, dict):
        raise UserError("“variables” must be names with their values.", loc=_LOC)
    version = python_version
    for each in [each for each in conda if each.name == "python"]:
        version = _python_version(each, problems) or version
    if problems:
        raise UserError(problems)
    return EnvironmentSpec(
        python_version=version,
        pip=pip,
        conda=[str(each) for each in conda if each.name != "python"],
        channels=[channel for channel in channels if channel != "nodefaults"],
        variables={str(name): _value(value) for name, value in variables.items()},
    )


def _read(text: str) -> dict[Any, Any]:
    try:
        said = yaml.load(text, Loader=_Loader)  # noqa: S506 (a safe loader's child)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it can’t be read"
        raise UserError(f"This is no YAML{where}: {problem}.", loc=_LOC) from None
    except (ValueError, RecursionError):
        raise UserError("This is no YAML that can be read.", loc=_LOC) from None
    if not isinstance(said, dict):
        raise UserError("A conda file has “dependencies:” with a list below it.", loc=_LOC)
    return said


def _dependencies(said: Any) -> tuple[list[CondaSpec], list[str], list[Problem]]:
    if not isinstance(said, list):
        raise UserError("“dependencies” must be a list, each with a hyphen before it.", loc=_LOC)
    conda: list[CondaSpec] = []
    pip: list[str] = []
    problems: list[Problem] = []
    for each in said:
        if isinstance(each, dict):
            if set(each) != {"pip"}:
                raise UserError("In “dependencies” only “pip:” may have a list of its own.", loc=_LOC)
            pip += _texts(each["pip"] or [], "pip")
            continue
        try:
            conda.append(parse(str(each)))
        except ValueError as error:
            problems.append(Problem(_LOC, str(error)))
    return conda, pip, problems


def _texts(said: Any, name: str) -> list[str]:
    if not isinstance(said, list) or not all(isinstance(each, str | int | float) for each in said):
        raise UserError(f"“{name}” must be a list, each with a hyphen before it.", loc=_LOC)
    return [str(each).strip() for each in said]


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _python_version(spec: CondaSpec, problems: list[Problem]) -> str | None:
    """As in `python=3.11`; a range does not say which one."""
    if not spec.version:
        return None
    found = re.fullmatch(r"(?:=|==|~=)?(3\.\d{1,2}(?:\.\d{1,2})?)(?:\.?\*)?", spec.version)
    if found is None:
        problems.append(Problem(_LOC, f"“{spec}” leaves the Python version open. Name one, as in “python=3.11”."))
        return None
    return found[1]
