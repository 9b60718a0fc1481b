"""The text of a `git diff` as changed files with their lines. Pure, of bounded cost, and content with any text."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipelines.explaining.code import MOST_FILES, MOST_LINES, CodeChange, FileChange, FileKind
from pipelines.explaining.lines import Line, LineKind, shortened

UNTRACKED = "# untracked: "  # what the SDK writes before the diff, once for each file

_FILE = "diff --git "
_KINDS: dict[str, LineKind] = {"@": "place", "+": "added", "-": "removed", " ": "same"}
_UNTRACKED_NOTE = "Git does not track it. Its text is in the source files."


@dataclass(slots=True)
class _File:
    path: str
    kind: FileKind = "changed"
    before: str = ""
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_in_lines: bool = False  # else among the words that git puts before them

    def read(self, line: str) -> None:
        if line.startswith("@@"):
            self.is_in_lines = True
        if self.is_in_lines:
            kind = _KINDS.get(line[:1], "place")
            self.lines.append(Line(kind, shortened(line[1:] if kind != "place" else line)))
        else:
            self._read_head(line)

    def _read_head(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if line.startswith("new file mode"):
            self.kind = "added"
        elif line.startswith("deleted file mode"):
            self.kind = "removed"
        elif line.startswith("rename from "):
            self.kind, self.before = "moved", shortened(line.removeprefix("rename from "))
        elif line.startswith("rename to "):
            self.path = shortened(line.removeprefix("rename to "))
        elif word in {"---", "+++"} and rest != "/dev/null":
            self.path = shortened(_name(rest))
        elif line.startswith(("old mode", "new mode", "Binary files")):
            self.notes.append(f"{shortened(line)}.")


def read_patch(text: str) -> CodeChange:
    """Of a text that is no diff, its lines as they are."""
    files: list[FileChange] = []
    left_out, left = 0, MOST_LINES
    for each in sorted(_files(text), key=lambda file: file.kind == "untracked"):
        if len(files) >= MOST_FILES:
            left_out += 1
            continue
        lines, notes = each.lines[:left], list(each.notes)
        if more := len(each.lines) - len(lines):
            notes.append(f"{more:,} more lines are left out.")
        left -= len(lines)
        files.append(FileChange(each.path, each.kind, before=each.before, lines=lines, note=" ".join(notes)))
    return CodeChange(files, left_out, [])


def _files(text: str) -> Iterator[_File]:
    file: _File | None = None
    for line in text.split("\n"):
        if line.startswith(_FILE):
            if file is not None:
                yield file
            file = _File(shortened(_name(line.removeprefix(_FILE).rpartition(" ")[2])))
        elif file is None and line.startswith(UNTRACKED):
            yield _File(shortened(line.removeprefix(UNTRACKED)), "untracked", notes=[_UNTRACKED_NOTE])
        elif file is not None:
            if line or not file.is_in_lines:  # the end of the text is no line of it
                file.read(line)
        elif line.strip():
            file = _File("changes.diff", is_in_lines=True)
            file.read(line)
    if file is not None:
        yield file


def _name(said: str) -> str:
    """Without what git writes before it, and behind one with blanks in it."""
    said = said.rstrip("\t")
    return said[2:] if said[:2] in {"a/", "b/"} else said
