"""Which steps may start warm: those to which a fresh interpreter would make no difference."""

import ast
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from compute.execution.processes import MARKER
from compute.execution.sdk import SDK

OFF = "STUDIO_WARM_STARTS"  # a step with this variable at `false` always has a fresh interpreter
_OFF_WORDS = frozenset({"0", "false", "no", "off"})
# They differ from step to step, or say something that only the studio's own code reads.
_VARYING = frozenset({"HOME", "TMPDIR", MARKER})
# They change what an interpreter does before it runs a line, in a way that depends on the step's folder.
_NEEDS_FRESH = frozenset({
    "PYTHONHOME",
    "PYTHONINSPECT",
    "PYTHONPATH",
    "PYTHONPLATLIBDIR",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONPYCACHEPREFIX",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "PYTHONVERBOSE",
})  # fmt: skip
# Read by native libraries when they are loaded, where nobody can watch them do so.
_NATIVE: tuple[str, ...] = (
    "OMP_",
    "GOMP_",
    "KMP_",
    "OPENBLAS",
    "GOTO_",
    "MKL_",
    "BLIS_",
    "VECLIB_",
    "NUMEXPR_",
    "TBB_",
    "RAYON_",
)
_NATIVE += ("POLARS_", "ARROW_", "TF_", "XLA_", "JAX_", "TORCH_", "PYTORCH_", "CUDA_", "NVIDIA_", "NCCL_", "LD_")
_NATIVE += ("MALLOC_", "GLIBC_", "LC_", "LANG", "TZ", "PYTHON")
_MAX_SOURCE_BYTES = 4 * 1024**2
_READS = frozenset({"get", "copy", "items", "keys", "values"})


def script_of(command: list[str]) -> str | None:
    """The script of `python SCRIPT …`; None for every other command, options of the interpreter included."""
    if len(command) < 2 or command[1].startswith("-") or not command[1].endswith(".py"):
        return None
    return command[1]


def is_varying(name: str) -> bool:
    return name in _VARYING or name.startswith("STUDIO_")


def fixed_variables(variables: Mapping[str, str]) -> dict[str, str] | None:
    """Those that an interpreter must have been started with; None where only a fresh one will do."""
    needs_fresh = any(name in variables for name in _NEEDS_FRESH) and not _only_sdk(variables)
    if needs_fresh or variables.get(OFF, "").lower() in _OFF_WORDS:
        return None
    return {name: value for name, value in variables.items() if not is_varying(name)}


def _only_sdk(variables: Mapping[str, str]) -> bool:
    """The node's own SDK is for every step at the same place."""
    return _NEEDS_FRESH.intersection(variables) == {"PYTHONPATH"} and variables["PYTHONPATH"] == str(SDK)


def is_read_early(written: frozenset[str] | None, read: frozenset[str]) -> bool:
    """Whether a script sets a variable that a module looked at when it was imported, before the script was there."""
    if written is None:
        return True
    return any(name in read or name.startswith(_NATIVE) for name in written)


def written_variables(folder: Path, snapshot: str | None) -> frozenset[str] | None:
    """The variables that Python files of a source folder set by themselves; None where that can't be told."""
    return _written(folder) if snapshot is None else _written_by_snapshot(snapshot, _Place(folder))


class _Place:
    """A folder that is as good as any other with the same snapshot in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=1000)
def _written_by_snapshot(snapshot: str, place: _Place) -> frozenset[str] | None:  # noqa: ARG001 (the cache's key)
    return _written(place.folder)


def _written(folder: Path) -> frozenset[str] | None:
    found: set[str] = set()
    left = _MAX_SOURCE_BYTES
    for root, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(".py"):
                continue
            try:
                text = Path(root, name).read_bytes()
            except OSError:
                continue
            left -= len(text)
            if left < 0:
                return None
            if b"environ" in text or b"putenv" in text or b"unsetenv" in text or b"dotenv" in text:
                written = names_written_in(text)
                if written is None:
                    return None
                found |= written
    return frozenset(found)


def names_written_in(text: bytes) -> frozenset[str] | None:
    """The variables that a program sets or removes; None where their names are no constants."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()  # it can't be run or imported either
    parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    found: set[str] = set()
    for node in ast.walk(tree):
        for name in _names_written_by(node, parents):
            if name is None:
                return None
            found.add(name)
    return frozenset(found)


def _names_written_by(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> Iterator[str | None]:
    if _sets_unseen(node):
        yield None
    elif _is_named(node, "environ", "environb"):
        yield from _names_written_through(node, parents)
    elif isinstance(node, ast.Call) and _is_named(node.func, "putenv", "unsetenv"):
        yield _constant(node.args[0]) if node.args else None


def _sets_unseen(node: ast.AST) -> bool:
    """Whether an import brings what sets variables under a name that is not looked for."""
    if isinstance(node, ast.Import):
        return any("dotenv" in alias.name for alias in node.names)
    names = {"environ", "environb", "putenv", "unsetenv"}
    return isinstance(node, ast.ImportFrom) and (
        "dotenv" in (node.module or "")
        or any(alias.name in names and alias.asname not in {None, alias.name} for alias in node.names)
    )


def _is_named(node: ast.AST, *names: str) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr in names) or (isinstance(node, ast.Name) and node.id in names)


def _names_written_through(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> Iterator[str | None]:
    parent = parents.get(node)
    match parent:
        case ast.Subscript(ctx=ast.Load()) | ast.Compare() | ast.comprehension() | ast.For():
            return
        case ast.Subscript(slice=key):
            yield _constant(key)
        case ast.Attribute(attr=attribute) if attribute in _READS:
            return
        case ast.Attribute(attr=attribute):
            yield from _names_written_by_call(attribute, parents.get(parent))
        case ast.Call(func=ast.Name(id="dict" | "list" | "set" | "sorted" | "tuple" | "len" | "print")) | ast.Dict():
            return
        case ast.keyword(arg="env" | None):
            return
        case _:
            yield None


def _names_written_by_call(attribute: str, call: ast.AST | None) -> Iterator[str | None]:
    match call:
        case ast.Call(args=[key, *_]) if attribute in {"setdefault", "pop", "__setitem__", "__delitem__"}:
            yield _constant(key)
        case ast.Call(args=[], keywords=keywords) if attribute == "update":
            yield from (keyword.arg for keyword in keywords)
        case ast.Call(args=[ast.Dict(keys=keys)], keywords=keywords) if attribute == "update":
            yield from (None if key is None else _constant(key) for key in keys)
            yield from (keyword.arg for keyword in keywords)
        case _:
            yield None


def _constant(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return node.value
        if isinstance(node.value, bytes):
            return os.fsdecode(node.value)
    return None
