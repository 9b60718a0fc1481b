"""`${{ … }}` and `$[[ … ]]` of Azure ML's texts, and what they are here. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

EXPRESSION = re.compile(r"\$\{\{\s*(?P<inside>[^{}]*?)\s*\}\}")
_OPTIONAL = re.compile(r"\$\[\[(?P<inside>.*?)\]\]", re.DOTALL)
_SAFE = re.compile(r"[A-Za-z0-9_./:=,@%+-]+\Z")  # what bash takes for a part of a word, wherever it stands


@dataclass(frozen=True, slots=True)
class Said:
    """An input that is a value: what stands for it in a text of ours."""

    text: str  # a literal, or a text with `${{parameters.NAME}}`
    value: Any  # the same as a value that is passed on
    type: str = "string"  # of a parameter that would hold it
    may_be_absent: bool = False

    @property
    def is_safe(self) -> bool:
        plain = EXPRESSION.sub("", self.text)
        return bool(_SAFE.match(plain)) or (not plain and self.is_put_together)

    @property
    def is_put_together(self) -> bool:
        """Whether parameters stand in it."""
        return bool(EXPRESSION.search(self.text))


@dataclass(frozen=True, slots=True)
class Path:
    """An input that is data."""

    binding: dict[str, Any]
    type: str  # of a parameter that would hold it: dataset or data_path
    mode: str = ""
    behind: str = ""  # what comes behind its path: the file that an earlier step writes into a folder
    may_be_absent: bool = False


Given = Said | Path


def whole_expression(text: str) -> str | None:
    """What stands in `${{ }}` where a text is that and nothing else."""
    match = EXPRESSION.fullmatch(text.strip())
    return match["inside"] if match else None


def expressions_in(text: str) -> Iterator[str]:
    return (match["inside"] for match in EXPRESSION.finditer(text))


def rewritten(
    text: str,
    inputs: Mapping[str, Given | None],
    outputs: set[str],
    say: Callable[[str], None],
    hold: Callable[[str, Said], str],
    *,
    searched: Mapping[str, str] | None = None,
    in_shell: bool = True,
) -> str:
    """A text of Azure ML's as one of ours. `inputs` has None for what is absent.

    `hold` makes a value that bash could misread a parameter and gives back what stands for that. `say` is told what
    can't be read.
    """

    def replaced(match: "re.Match[str]") -> str:
        scope, _, name = match["inside"].partition(".")
        name = name.removesuffix(".path")
        if scope == "outputs":
            if name not in outputs:
                say(f"“{match[0]}” speaks of no output. The outputs are: {', '.join(sorted(outputs)) or 'none'}.")
            return f"${{{{outputs.{name}}}}}"
        if scope == "search_space":
            if searched is None or name not in searched:
                say(f"“{match[0]}” is not in the search space.")
                return match[0]
            return searched[name]
        if scope != "inputs":
            say(f"“{match[0]}” means nothing here. A text speaks of ${{{{inputs.NAME}}}} and ${{{{outputs.NAME}}}}.")
            return match[0]
        if name not in inputs:
            say(f"“{match[0]}” speaks of no input. The inputs are: {', '.join(sorted(inputs)) or 'none'}.")
            return match[0]
        given = inputs[name]
        if given is None:
            say(f"“{match[0]}” has no value. Put $[[ … ]] around what goes where it is absent, or give it one.")
            return match[0]
        if isinstance(given, Path):
            return f"${{{{inputs.{name}}}}}{given.behind}"
        return hold(name, given) if in_shell and not given.is_safe else given.text

    def optional(match: "re.Match[str]") -> str:
        inside = match["inside"]
        named = [part.partition(".") for part in expressions_in(inside)]
        given = [inputs.get(name.removesuffix(".path")) for scope, _, name in named if scope == "inputs"]
        if any(each is None for each in given):
            return ""
        text = EXPRESSION.sub(replaced, inside)
        return f"$[[{text}]]" if any(each and each.may_be_absent for each in given) else text

    pieces, at = [], 0
    for match in _OPTIONAL.finditer(text):
        pieces += [EXPRESSION.sub(replaced, text[at : match.start()]), optional(match)]
        at = match.end()
    return "".join([*pieces, EXPRESSION.sub(replaced, text[at:])])
