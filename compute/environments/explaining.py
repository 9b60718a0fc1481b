"""What a failed build means, in a sentence that says what to do, followed by the tool's own words."""

import re
from dataclasses import dataclass

from compute.execution.reasons import by_signal, of_full_disk

_REASON_LENGTH = 1900
_NOISE = (
    "Using ",
    "Creating virtual",
    "Activate with",
    "Downloading",
    "Downloaded",
    "Building",
    "Built ",
    "Prepared",
    "Resolved ",
    "Updating ",
    "warning: ",
    "hint: ",
)
_MISSING = re.compile(
    r"Because (\S+?)(?:\[\S*\])? was not found in the (?:package registry|provided package locations)"
)
_NO_VERSION = re.compile(r"there is no version of (\S+)")
_NOT_BUILT = re.compile(r"Failed to (?:download and )?build `([^`]+)`")
_NO_WHEEL = re.compile(r"Because (\S+) has no wheels with a matching")
_HASHES = re.compile(r"Hash mismatch for `([^`]+)`")
_COMPILER = re.compile(
    r"(No such file or directory: '[^']*(gcc|cc|g\+\+|c\+\+|clang|cmake|make|ninja|gfortran|cargo|rustc)'"
    r"|unable to execute '|command '[^']*(gcc|cc|g\+\+|clang|cmake|make|ninja)' failed|Unknown compiler"
    r"|CMake must be installed|No CMAKE_\w+_COMPILER|can't find Rust compiler|is not able to compile"
    r"|fatal error: [^\n]*\.h: No such file|_config executable not found)",
    re.IGNORECASE,
)
_UNREACHABLE = (
    "dns error",
    "Connection refused",
    "tcp connect error",
    "operation timed out",
    "Connection reset",
    "unable to access",
    "error sending request",
)


# Before the reason in a step; the row of a build says it without.
NOT_BUILT = "The step's environment could not be built. "


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a build failed. `may_retry`: another attempt may do better, although nothing is changed."""

    reason: str
    may_retry: bool = False


def missing_package(output: str) -> str | None:
    """The package that uv did not find on the index."""
    found = _MISSING.search(output)
    return found.group(1) if found else None


def says_unreachable(output: str) -> bool:
    """Whether a tool's words mean that the network, or what it was to be asked, was away."""
    return any(sign in output for sign in _UNREACHABLE)


def explain(output: str, *, python_version: str = "", exit_code: int | None = None) -> Explanation:
    """`output` is the end of what uv said."""
    words = meaningful(output)
    if "No space left on device" in output or "Disk quota exceeded" in output:
        return Explanation(of_full_disk("the environment could not be built on the node"))
    sentence, may_retry = _sentence(output, python_version)
    if exit_code is not None and exit_code < 0:
        sentence = f"What installs the packages was {by_signal(-exit_code)}. Nothing of this build is kept: try again."
    elif not words:
        words = f"It ended with exit code {exit_code}."
    return Explanation(f"{sentence}\n{words}".strip(), may_retry=may_retry)


def _sentence(output: str, python_version: str) -> tuple[str, bool]:
    """What to do, and whether trying again may help."""
    if says_unreachable(output):
        return "The package index could not be reached from the node. Try again, or ask the administrator.", True
    final = (
        _of_files(output)
        or _of_python(output, python_version)
        or _of_rights(output)
        or _of_sources(output, python_version)
        or _of_versions(output, python_version)
    )
    return (final, False) if final else ("", True)


def _of_files(output: str) -> str | None:
    found = _HASHES.search(output)
    return found and (
        f"The node's package index has another file for {found[1]} than the one that this version was locked with. "
        "Have the node use the same index as the others, or rebuild the environment against the newest packages."
    )


def _of_python(output: str, python_version: str) -> str | None:
    if "No interpreter found for" not in output and "Invalid version request" not in output:
        return None
    return (
        f"Python {python_version} is not installed on this node. Choose another Python version, or have the "
        "administrator install it there."
    )


def _of_rights(output: str) -> str | None:
    if not re.search(r"\b40[13] (Unauthorized|Forbidden)", output):
        return None
    return (
        "The package index refused the node: its user name or password is missing or wrong. The administrator sets "
        "them for the node."
    )


def _of_versions(output: str, python_version: str) -> str | None:
    if missing := missing_package(output):
        return f"There is no package “{missing}” on the package index. Look at how its name is written."
    if found := _NO_WHEEL.search(output):
        return (
            f"“{found[1]}” has no files for Python {python_version} on this kind of machine. Choose another version of "
            "it, or another Python."
        )
    if found := _NO_VERSION.search(output):
        return f"The package index has no version {found[1].rstrip(',')}. Choose one that is there."
    if "No solution found" in output:
        return "The requirements contradict each other. Loosen or remove one of those that are named here."
    return None


def _of_sources(output: str, python_version: str) -> str | None:
    found = _NOT_BUILT.search(output)
    return found and _not_built(found[1], output, python_version)


def _not_built(name: str, output: str, python_version: str) -> str:
    if "Git operation failed" in output or "git+" in name:
        return f"The sources of {name} could not be fetched or built. Look at its address."
    if _COMPILER.search(output):
        return (
            f"{name} has no ready-made file for Python {python_version or 'this Python'}, and the node lacks what it "
            "takes to compile it. Choose a version that has one, or have a compiler and what else it names "
            "installed on the node."
        )
    return (
        f"{name} has no ready-made file for Python {python_version or 'this Python'} and could not be built from its "
        "sources. Choose a version that has one, or another Python."
    )


def meaningful(output: str) -> str:
    """The end of what uv said, without its progress, in at most 1,400 characters."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip() and not line.lstrip().startswith(_NOISE)]
    text = "\n".join(lines[-40:]).strip()
    return text if len(text) <= _REASON_LENGTH - 500 else f"…{text[-(_REASON_LENGTH - 501) :]}"
