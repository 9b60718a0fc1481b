"""`uv`, which installs packages: where it is, with what it is started, and what it reads and writes."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from django.conf import settings
from uv import find_uv_bin

# What reaches the package index may need the node's own settings. A step never sees them.
_PASSED_ON = ("UV_", "PIP_", "SSL_", "GIT_")
_PASSED_ON_NAMES = frozenset({"PATH", "LANG", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC", "HOME"})
_FROM_PIP = {
    "PIP_INDEX_URL": "UV_INDEX_URL",
    "PIP_EXTRA_INDEX_URL": "UV_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CONSTRAINT": "UV_CONSTRAINT",
    "PIP_CERT": "SSL_CERT_FILE",
}


def uv_executable() -> str:
    """The path of the `uv` that the studio was installed with, else of the one on PATH."""
    try:
        return find_uv_bin()
    except FileNotFoundError:
        return shutil.which("uv") or "uv"


def cache_of_this_node() -> Path:
    """Where uv keeps what it has fetched, where nobody gave it another place."""
    return Path(settings.NODE_HOME) / "uv-cache"


def variables_of_uv(own: Mapping[str, str], indexes: Sequence[str] = ()) -> dict[str, str]:
    """What uv is started with: what of this process's own variables reaches the package index, and `indexes` by name.

    Addresses may hold passwords, so they are told by variables: everybody can read a process's arguments.
    """
    env = {
        name: value
        for name, value in own.items()
        if name in _PASSED_ON_NAMES or name.startswith(_PASSED_ON) or name.lower().endswith("_proxy")
    }
    for name, ours in _FROM_PIP.items():
        if name in own:
            env.setdefault(ours, own[name])
    if indexes:
        # The first index that has a package is the one it comes from: those by name go before the node's own.
        named = [f"{name}={settings.PACKAGE_INDEXES[name]}" for name in indexes]
        env["UV_INDEX"] = " ".join([*named, env.get("UV_INDEX", "")]).strip()
    return {
        **env,
        # One cache for the whole machine where there is one.
        "UV_CACHE_DIR": own.get("UV_CACHE_DIR") or str(cache_of_this_node()),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "UV_NO_CONFIG": env.get("UV_NO_CONFIG", "0"),
        "NO_COLOR": "1",
    }


def make_environment(folder: Path, python: str) -> list[str]:
    return [uv_executable(), "venv", "--no-project", "--python", python, str(folder)]


def resolve(requirements: Path, lock: Path, *, python: Path, version: str) -> list[str]:
    """Find the versions for all of Linux, and write them down with their hashes. `version` as in "3.11"."""
    return [
        *(uv_executable(), "pip", "compile", "--universal", "--generate-hashes", "--no-header", "--no-annotate"),
        *("--python", str(python), "--python-version", version),
        *("--output-file", str(lock), str(requirements)),
    ]


def project_for_resolving(version: str) -> str:
    """A `pyproject.toml` beside the requirements: they are resolved for this Python on any Linux, and nothing else."""
    major, minor = version.split(".")[:2]
    return (
        '[project]\nname = "environment"\nversion = "0"\n\n[tool.uv]\n'
        f"environments = [\"sys_platform == 'linux' and python_version == '{major}.{minor}'\"]\n"
    )


def install_ready_made(
    lock: Path, *, python: Path, link_mode: str = "hardlink", beside: Path | None = None
) -> list[str]:
    """As `install`, but nothing is built: no code of a package is run. `beside` holds further files to choose from."""
    return [
        *(uv_executable(), "pip", "install", f"--link-mode={link_mode}", "--no-deps", "--no-build"),
        *(("--find-links", str(beside)) if beside is not None and any(beside.iterdir()) else ()),
        *("--python", str(python), "--requirement", str(lock)),
    ]


def install_into(folder: Path, sources: Path, *, python: Path) -> list[str]:
    """Build what is named, with what that needs, and put it into a folder of its own."""
    return [
        *(uv_executable(), "pip", "install", "--no-deps", "--target", str(folder)),
        *("--python", str(python), "--requirement", str(sources)),
    ]


def install(lock: Path, *, python: Path, link_mode: str = "hardlink") -> list[str]:
    """Install what a lock names, and nothing else; files with other hashes than it names are refused.

    Compiled at once: steps can't write there, and each would compile again what it imports.
    """
    return [
        *(uv_executable(), "pip", "install", f"--link-mode={link_mode}", "--no-deps", "--compile-bytecode"),
        *("--python", str(python), "--requirement", str(lock)),
    ]
