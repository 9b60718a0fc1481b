"""Which files of a step's sources came, went, moved or changed, and the lines that did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from datastores import snapshots
from datastores.models import Snapshot, SnapshotFile
from pipelines.explaining.lines import Line, line_difference
from pipelines.hash_paths import counted
from pipelines.kinds.with_files import StepWithFiles
from pipelines.models import FrozenStep
from studio.workspaces.models import Workspace

MOST_FILES = 50
MOST_LINES = 600  # of all files together

FileKind = Literal["added", "removed", "moved", "changed", "untracked"]


@dataclass(frozen=True, slots=True)
class FileChange:
    path: str
    kind: FileKind
    before: str = ""  # where it was, of one that moved
    lines: list[Line] = field(default_factory=list)
    note: str = ""  # why there are no lines, or not all


@dataclass(frozen=True, slots=True)
class CodeChange:
    files: list[FileChange]
    left_out: int  # files, for there are too many
    notes: list[str]


def code_change(workspace: Workspace, before: FrozenStep, after: FrozenStep) -> CodeChange:
    notes = []
    if before.step.kind != after.step.kind:
        notes.append(f"It was of another kind: {before.step.label}. Now it is: {after.step.label}.")
    elif before.step.script != after.step.script:
        notes.append(f"It ran “{before.step.script or 'no file'}”, and now “{after.step.script or 'no file'}”.")
    notes += _notes_on_counting(_counts(before), _counts(after))
    if before.code == after.code:
        if before.step.kind == after.step.kind and before.step.script == after.step.script:
            notes.append("Its files are the same. The studio's own part of this kind of step is a newer one.")
        return CodeChange([], 0, notes)
    found = {
        row.digest: row for row in Snapshot.objects.filter(workspace=workspace, digest__in=_digests(before, after))
    }
    missing = [digest for digest in _digests(before, after) if digest not in found]
    if missing:
        return CodeChange([], 0, [*notes, "The files themselves can't be compared: they are no longer kept."])
    changes = _changes(
        found.get(before.snapshot), found.get(after.snapshot), counts_before=_counts(before), counts=_counts(after)
    )
    return CodeChange(changes[:MOST_FILES], max(0, len(changes) - MOST_FILES), notes)


def _digests(*each: FrozenStep) -> list[str]:
    return [frozen.snapshot for frozen in each if frozen.snapshot]


def _counts(frozen: FrozenStep) -> list[str]:
    """What counts of its files; nothing where all of them do."""
    return frozen.step.hash_paths if frozen.hashed and isinstance(frozen.step, StepWithFiles) else []


def _notes_on_counting(before: list[str], after: list[str]) -> list[str]:
    words = [", ".join(paths) or "all of them" for paths in (before, after)]
    if before != after:
        return [f"Of its files there counted: {words[0]}. Now there count: {words[1]}."]
    return [f"Of its files there count: {words[1]}."] if after else []


def _changes(
    before: Snapshot | None, after: Snapshot | None, *, counts_before: list[str], counts: list[str]
) -> list[FileChange]:
    old, new = _files(before, counts_before), _files(after, counts)
    gone = {old[path].sha256: path for path in old if path not in new}
    changes: list[FileChange] = []
    moved: set[str] = set()
    left = MOST_LINES
    for path, file in new.items():
        was = old.get(path)
        if was is None and file.sha256 in gone and gone[file.sha256] not in moved:
            moved.add(gone[file.sha256])
            changes.append(FileChange(path, "moved", before=gone[file.sha256]))
        elif was is None:
            changes.append(_of_one(path, "added", None, after, left))
        elif was.sha256 != file.sha256:
            changes.append(_of_one(path, "changed", before, after, left))
        elif was.executable != file.executable:
            word = "can be executed now" if file.executable else "can no longer be executed"
            changes.append(FileChange(path, "changed", note=f"Its text is the same, and it {word}."))
        left -= len(changes[-1].lines) if changes and changes[-1].path == path else 0
        if len(changes) >= MOST_FILES:
            left = 0  # no text of more is read
    for path in old:
        if path not in new and path not in moved:
            changes.append(_of_one(path, "removed", before, None, left))
            left -= len(changes[-1].lines)
    return sorted(changes, key=lambda change: change.kind != "changed")


def _files(snapshot: Snapshot | None, counts: list[str]) -> Mapping[str, SnapshotFile]:
    files = {file.path: file for file in snapshot.manifest.files} if snapshot else {}
    kept = counted(counts, files) if counts else files.keys()
    return {path: file for path, file in files.items() if path in kept}


def _of_one(path: str, kind: FileKind, before: Snapshot | None, after: Snapshot | None, left: int) -> FileChange:
    if left <= 0:
        return FileChange(path, kind, note="Its lines are left out: there are too many changes to show all of them.")
    try:
        old = _text(before, path)
        new = _text(after, path)
    except FileNotFoundError:
        return FileChange(path, kind, note="Its content is no longer kept.")
    if old is None or new is None:
        return FileChange(path, kind, note="It is no text, or longer than 1 MB, so it is named only.")
    lines = line_difference(old, new)
    if lines is None:
        return FileChange(path, kind, note="Too much of it changed to be shown line by line.")
    if len(lines) > left:
        return FileChange(path, kind, lines=lines[:left], note=f"{len(lines) - left:,} more lines are left out.")
    return FileChange(path, kind, lines=lines)


def _text(snapshot: Snapshot | None, path: str) -> str | None:
    """Empty where there is none; None where it is no text."""
    return snapshots.read_text(snapshot, path)[1] if snapshot else ""
