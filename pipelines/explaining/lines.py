"""Two texts line by line, and two commands word by word. Pure, and of bounded cost."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from typing import Literal

MOST_COMPARED = 4000  # lines, of both together, without what they begin and end with in common
_AROUND = 3
_LINE_SHOWN = 500  # characters
_MOST_WORDS = 2000
_MOST_PAIRS = 20_000  # of equal words: one word a thousand times, here and there, would take a minute

LineKind = Literal["place", "same", "added", "removed"]
_KINDS: dict[str, LineKind] = {"@": "place", " ": "same", "+": "added", "-": "removed"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a diff; a `place` says where the next ones stand, as in `@@ -1,3 +1,4 @@`."""

    kind: LineKind
    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """A stretch of two commands: equal in both, or what it was and what it is (either may be empty)."""

    is_same: bool
    before: str
    after: str


def line_difference(before: str, after: str) -> list[Line] | None:
    """As `diff -u` has it, without its head; None where that would take too long."""
    old, new = before.splitlines(), after.splitlines()
    first, last = _in_common(old, new)
    kept_before = max(0, first - _AROUND)
    kept_after = max(0, last - _AROUND)
    old_part = old[kept_before : len(old) - kept_after]
    new_part = new[kept_before : len(new) - kept_after]
    if len(old_part) + len(new_part) > MOST_COMPARED:
        return None
    blank = [""] * kept_before  # so that the numbers of the lines are those of the files
    lines = list(unified_diff([*blank, *old_part], [*blank, *new_part], lineterm="", n=_AROUND))[2:]
    found = [Line(_KINDS[line[0]], shortened(line if line[0] == "@" else line[1:])) for line in lines]
    if not found and before != after:
        found = [Line("place", "Only the ends of lines differ, or whether the last one has one.")]
    return found


def word_difference(before: Sequence[str], after: Sequence[str]) -> list[Words]:
    """Arguments side by side. One with blanks in it, as a whole shell script, counts as several words."""
    old, new = _words(before), _words(after)
    if len(old) + len(new) > _MOST_WORDS or _pairs(old, new) > _MOST_PAIRS:
        return [Words(is_same=False, before=shortened(" ".join(old)), after=shortened(" ".join(new)))]
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    return [
        Words(is_same=kind == "equal", before=" ".join(old[a:b]), after=" ".join(new[c:d]))
        for kind, a, b, c, d in matcher.get_opcodes()
    ]


def _words(command: Sequence[str]) -> list[str]:
    return [word for argument in command for word in (argument.split() or ["''"])]


def _pairs(old: Sequence[str], new: Sequence[str]) -> int:
    """How many words of the one are equal to how many of the other, all in all."""
    counts = Counter(new)
    return sum(counts[word] for word in old)


def _in_common(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many lines they begin and end with in common."""
    shorter = min(len(old), len(new))
    first = next((index for index in range(shorter) if old[index] != new[index]), shorter)
    left = shorter - first
    last = next((index for index in range(left) if old[-1 - index] != new[-1 - index]), left)
    return first, last


def shortened(text: str) -> str:
    """To what a page shows of one line."""
    return text if len(text) <= _LINE_SHOWN else f"{text[: _LINE_SHOWN - 1]}…"
