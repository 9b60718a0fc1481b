"""Every public name of the SDK with its state, read from its code: nothing is imported, and nothing written down twice.

A name is refused where all that it does is to raise an error that says what to use instead.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PACKAGE = "studio_sdk"
_REFUSALS = frozenset({"NotSupportedException", "refuse", "refuse_step", "later"})
_OF_CLASSES = ("_WHAT", "_INSTEAD")  # of a class whose every call is refused


@dataclass(frozen=True)
class Name:
    """A class, function or method. `instead` is the text of its refusal; empty for what works."""

    name: str
    signature: str
    summary: str
    is_refused: bool
    instead: str
    members: list["Name"] = field(default_factory=list)


@dataclass(frozen=True)
class Module:
    """`names` are those that it defines, `also` those that can be imported from it as well, with their own module."""

    name: str
    summary: str
    names: list[Name]
    also: dict[str, str]


@cache
def modules_of(sdk: Path) -> list[Module]:
    """The public modules of the SDK that lies in the folder `sdk`, by name."""
    found = []
    for path in sorted((sdk / PACKAGE).rglob("*.py")):
        parts = path.relative_to(sdk).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if any(part.startswith("_") for part in parts):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        module = Module(".".join(parts), _summary(tree), list(_names(tree.body, tree)), _imported(tree))
        if module.names or module.also:
            found.append(module)
    return found


def counts(modules: list[Module]) -> tuple[int, int]:
    """How many names there are that work, and how many are refused; methods count."""
    every = [each for module in modules for name in module.names for each in (name, *name.members)]
    refused = sum(name.is_refused for name in every)
    return len(every) - refused, refused


def _names(body: list[ast.stmt], tree: ast.Module) -> Iterator[Name]:
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            members = list(_names(node.body, tree))
            functions = [each for each in node.body if isinstance(each, ast.FunctionDef)]
            made = next((each for each in functions if each.name == "__init__"), None)
            refusal = _refusal_of(node, tree) or (_refusal(made, tree) if made else None)
            signature = _arguments(made) if made else ""
            yield Name(node.name, signature, _summary(node), refusal is not None, refusal or "", members)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            refusal = _refusal(node, tree)
            is_property = any(ast.unparse(each).endswith("property") for each in node.decorator_list)
            if any(ast.unparse(each).endswith(".setter") for each in node.decorator_list):
                continue
            signature = "" if is_property else _arguments(node)
            yield Name(node.name, signature, _summary(node), refusal is not None, refusal or "")


def _refusal_of(node: ast.ClassDef, tree: ast.Module) -> str | None:
    """What a class says that is there for its name alone."""
    said = {ast.unparse(each.targets[0]): each.value for each in node.body if isinstance(each, ast.Assign)}
    if not all(name in said for name in _OF_CLASSES):
        return None
    return ": ".join(_text(said[name], tree) for name in _OF_CLASSES)


def _refusal(node: ast.FunctionDef, tree: ast.Module) -> str | None:
    """What it says where it does nothing but refuse."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if len(body) != 1:
        return None
    only = body[0]
    call = only.exc if isinstance(only, ast.Raise) else only.value if isinstance(only, ast.Expr | ast.Return) else None
    if not isinstance(call, ast.Call) or ast.unparse(call.func).rpartition(".")[2] not in _REFUSALS:
        return None
    return " ".join(filter(None, (_text(argument, tree) for argument in call.args)))


def _text(node: ast.expr, tree: ast.Module) -> str:
    """A text as far as the code says it; “…” for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value, tree) for value in values)
        case ast.FormattedValue(value=value):
            return _text(value, tree)
        case ast.Name(id=name):
            for each in tree.body:
                if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == name:
                    return _text(each.value, tree)
            return "…"
        case ast.Call(func=ast.Attribute(value=value, attr="format"), args=arguments):
            said = _text(value, tree)
            for argument in arguments:
                said = said.replace("{}", _text(argument, tree), 1)
            return said
        case _:
            return "…"


def _arguments(node: ast.FunctionDef) -> str:
    names = [each.arg for each in (*node.args.posonlyargs, *node.args.args) if each.arg not in {"self", "cls"}]
    more = [f"*{node.args.vararg.arg}"] if node.args.vararg and not node.args.vararg.arg.startswith("_") else []
    names += [*more, *(each.arg for each in node.args.kwonlyargs)]
    return f"({', '.join(name for name in names if not name.startswith('_'))})"


def _summary(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> str:
    text = ast.get_docstring(node) or ""
    return text.split("\n\n")[0].replace("\n", " ")


def _imported(tree: ast.Module) -> dict[str, str]:
    """What its `__all__` names and another module of the SDK defines."""
    said = [each for each in tree.body if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "__all__"]
    public = set(ast.literal_eval(said[0].value)) if said else set()
    return {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(f"{PACKAGE}.")
        for alias in node.names
        if (alias.asname or alias.name) in public
    }
