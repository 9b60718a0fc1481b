"""What is installed in an environment, read from its files: no process is started for it."""

import importlib.metadata
import json
import re
from pathlib import Path

from compute.spec import LockedPackage


def canonical(name: str) -> str:
    """How a name is written does not matter (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def packages_in(folder: Path) -> list[LockedPackage]:
    """Sorted by name. A Python package that conda installed counts as conda's."""
    found = {canonical(package.name): package for package in _of_pip(folder)}
    found |= {package.name: package for package in _of_conda(folder)}
    return [found[name] for name in sorted(found)]


def pinned(folder: Path) -> str:
    """Requirements that mean what pip or uv installed: exact versions, or the address that one came from."""
    lines = [
        _requirement(each)
        for site in _sites(folder)
        for each in importlib.metadata.distributions(path=[str(site)])
        if _installer(each) != "conda"
    ]
    return "".join(f"{line}\n" for line in sorted(lines))


def _of_pip(folder: Path) -> list[LockedPackage]:
    return [
        LockedPackage(name=canonical(each.name), version=each.version)
        for site in _sites(folder)
        for each in importlib.metadata.distributions(path=[str(site)])
        if each.name
    ]


def _of_conda(folder: Path) -> list[LockedPackage]:
    return [
        LockedPackage(name=record["name"], version=record["version"], source="conda")
        for record in conda_records(folder)
    ]


def conda_records(folder: Path) -> list[dict[str, str]]:
    """What every conda tool notes of the packages that it installed."""
    files = sorted((folder / "conda-meta").glob("*.json"))
    return [json.loads(file.read_text()) for file in files if _is_own(file, folder)]


def _sites(folder: Path) -> list[Path]:
    return [site for site in sorted(folder.glob("lib/python3.*/site-packages")) if _is_own(site, folder)]


def _is_own(place: Path, folder: Path) -> bool:
    """A package may have put a link there that leads to somebody else's."""
    return place.resolve().is_relative_to(folder.resolve())


def _installer(each: importlib.metadata.Distribution) -> str:
    return (each.read_text("INSTALLER") or "").strip()


def _requirement(each: importlib.metadata.Distribution) -> str:
    """By name and version, or by the address where it came from one (PEP 610)."""
    origin = each.read_text("direct_url.json")
    if origin:
        said = json.loads(origin)
        commit = said.get("vcs_info", {}).get("commit_id")
        url = f"{said['vcs_info']['vcs']}+{said['url']}@{commit}" if commit else said["url"]
        return f"{each.name} @ {url}"
    return f"{each.name}=={each.version}"
