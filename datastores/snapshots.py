"""Source folders frozen by content: taking files in, changing them, leaving out what is ignored, and laying them out.

A folder is never changed: each change makes another snapshot, and equal folders are one and the same.
"""

import hashlib
import io
import json
import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import pathspec
from django.conf import settings

from datastores import arrivals
from datastores.content import ContentStore, Draft, TooLargeError
from datastores.models import Manifest, Snapshot, SnapshotFile
from datastores.source_paths import file_below_a_file, problem_of, shown
from datastores.zip_files import files_of_zip
from studio.lib.problems import Problem, UserError
from studio.workspaces.models import User, Workspace

TEXT_MAX_BYTES = 1024 * 1024  # what an editor or a page shows of a file
_ALWAYS_LEFT_OUT = ".git"


def get_snapshot(workspace: Workspace, digest: str) -> Snapshot:
    """Raises Snapshot.DoesNotExist where this workspace has no such snapshot."""
    return Snapshot.objects.get(workspace=workspace, digest=digest.replace("\0", " "))  # PostgreSQL's texts hold none


def add_files(
    workspace: Workspace,
    base_digest: str | None,
    files: Iterable[tuple[str, IO[bytes]]],
    *,
    actor: User | None = None,
) -> Snapshot:
    """A snapshot with `files` on top of `base_digest`'s; a file of the same name takes the other's place.

    What is new of it counts as brought by `actor`. Raises UserError, with one problem per unfit name, or one about a
    limit, and NoRoom at `files`: then nothing of it is kept.
    """
    manifest = _base(workspace, base_digest)
    incoming = list(files)
    problems: list[Problem] = []
    names: set[str] = set()
    for index, (path, _stream) in enumerate(incoming):
        problem = problem_of(path)
        if problem is None and path in names:
            problem = f"“{shown(path)}” was given twice. Leave out one of them."
        if problem:
            problems.append(Problem(("files", index), problem))
        names.add(path)
    if problems:
        raise UserError(problems[:20])
    if not incoming:
        raise UserError("There are no files to add. Choose some.")
    _check_count(len(manifest.keys() | names))
    with _Intake(workspace, manifest, actor, loc="files") as intake:
        for path, stream in incoming:
            intake.take(path, stream, executable=False)
        return intake.snapshot()


def add_zip(workspace: Workspace, base_digest: str | None, upload: IO[bytes], *, actor: User | None = None) -> Snapshot:
    """A snapshot with the files of a zip on top of `base_digest`'s.

    Raises UserError naming the file: names that lead out, symbolic links, doubles, bombs, encryption, damage, limits;
    and NoRoom at `zip`.
    """
    manifest = _base(workspace, base_digest)
    limits = {"max_files": settings.SNAPSHOT_MAX_FILES, "max_bytes": settings.SNAPSHOT_MAX_BYTES}
    with _Intake(workspace, manifest, actor, loc="zip") as intake:
        for file in files_of_zip(upload, **limits):
            intake.take(file.path, file.stream, executable=file.executable)
            _check_count(len(intake.files))
        return intake.snapshot()


def edit(
    workspace: Workspace,
    base_digest: str | None,
    *,
    put: Mapping[str, str] | None = None,
    delete: Iterable[str] = (),
    move: Iterable[tuple[str, str]] = (),
    actor: User | None = None,
) -> Snapshot:
    """A snapshot after moving, deleting and writing text files, in this order; a folder's name means all below it.

    Raises UserError where a name is unfit, missing, or taken already, and NoRoom at `put`.
    """
    files = _base(workspace, base_digest)
    for index, (old, new) in enumerate(move):
        files = _moved(files, old, new, loc=("move", index))
    for index, path in enumerate(delete):
        gone = _below(files, path)
        if not gone:
            raise UserError(f"There is no “{shown(path)}” to delete.", loc=("delete", index))
        files = {name: file for name, file in files.items() if name not in gone}
    with _Intake(workspace, files, actor, loc="put") as intake:
        for index, (path, text) in enumerate((put or {}).items()):
            problem = problem_of(path)
            if problem:
                raise UserError(problem, loc=("put", index, "path"))
            executable = path in files and files[path].executable
            try:
                content = text.encode()
            except UnicodeEncodeError as error:
                raise UserError(
                    f"The text of “{shown(path)}” has half a character in it. Remove it.", loc=("put", index, "text")
                ) from error
            intake.take(path, io.BytesIO(content), executable=executable)
        _check_count(len(intake.files))
        return intake.snapshot()


def for_run(snapshot: Snapshot) -> Snapshot:
    """What of a source folder goes with a run: everything that its ignore files don't exclude.

    As in Azure ML: where the folder has an `.amlignore` that one counts, else `.gitignore`, both in git's syntax, and
    those in folders below count for what is below them. Git's own folder always stays behind. `snapshot` itself where
    nothing is left out.
    """
    files = {file.path: file for file in snapshot.manifest.files}
    ignore_name = ".amlignore" if ".amlignore" in files else ".gitignore"
    store = ContentStore(snapshot.workspace_id)
    rules: dict[str, pathspec.GitIgnoreSpec] = {}
    for path, file in files.items():
        folder, _, name = path.rpartition("/")
        if name == ignore_name and file.size_bytes <= TEXT_MAX_BYTES:
            with store.open(file.sha256) as stream:
                lines = stream.read().decode("utf-8", "replace").splitlines()
            rules[folder] = _ignore_rules(lines)
    if not rules and not any(_ALWAYS_LEFT_OUT in path.split("/") for path in files):
        return snapshot
    ignored_folders: dict[str, bool] = {"": False}
    kept = {path: file for path, file in files.items() if not _is_ignored(path, rules, ignored_folders)}
    return snapshot if len(kept) == len(files) else _save(snapshot.workspace_id, kept)


def materialise(workspace_id: int, digest: str, destination: Path) -> None:
    """Lay a snapshot out below `destination`, an empty or missing folder. Its files may be changed freely.

    Raises Snapshot.DoesNotExist, FileNotFoundError where the content store lost a file, FileExistsError where
    `destination` holds something of that name already, and UserError where this machine asks the studio in vain.
    """
    store = ContentStore(workspace_id)
    destination.mkdir(parents=True, exist_ok=True)
    made: set[str] = {""}
    files = _files_of(workspace_id, digest)
    if settings.FOLDERS_GATEWAY:
        from datastores.relay.contents import fetch_missing

        fetch_missing(store, workspace_id, files)
    for file in files:
        if problem_of(file.path):  # it was checked on its way in; a manifest may have been tampered with since
            raise ValueError(f"snapshot {digest} has an unfit name: {file.path!r}")
        folder = file.path.rpartition("/")[0]
        if folder not in made:
            (destination / folder).mkdir(parents=True, exist_ok=True)
            made.add(folder)
        store.copy(file.sha256, destination / file.path, executable=file.executable)


def read_text(snapshot: Snapshot, path: str) -> tuple[SnapshotFile, str | None]:
    """A file and its text, None where it is binary or too long to show. Raises KeyError where there is no such file."""
    file = next((file for file in snapshot.manifest.files if file.path == path), None)
    if file is None:
        raise KeyError(path)
    if file.size_bytes > TEXT_MAX_BYTES:
        return file, None
    with ContentStore(snapshot.workspace_id).open(file.sha256) as stream:
        content = stream.read()
    try:
        return file, None if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return file, None


@lru_cache(maxsize=32)
def text_of(workspace_id: int, digest: str, path: str) -> str | None:
    """As `read_text`, kept: who writes a pipeline asks again with every key. Raises KeyError, Snapshot.DoesNotExist."""
    return read_text(Snapshot.objects.get(workspace_id=workspace_id, digest=digest), path)[1]


class _Intake:
    """Reads contents one by one, counts what the folder comes to, and keeps all of them or none."""

    def __init__(
        self, workspace: Workspace, files: Mapping[str, SnapshotFile], actor: User | None, *, loc: str
    ) -> None:
        self.workspace_id, self.actor, self.loc = workspace.pk, actor, loc
        self.store = ContentStore(workspace.pk)
        self.files = dict(files)
        self.size_bytes = sum(file.size_bytes for file in files.values())
        self._drafts: dict[str, Draft] = {}  # by digest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _where: TracebackType | None) -> None:
        for draft in self._drafts.values():
            draft.drop()

    def take(self, path: str, stream: IO[bytes], *, executable: bool) -> None:
        if path in self.files:
            self.size_bytes -= self.files.pop(path).size_bytes
        draft = self._read(path, stream)
        stored = draft.stored
        if stored.sha256 in self._drafts or self.store.has(stored):
            draft.drop()
        self._drafts.setdefault(stored.sha256, draft)
        self.size_bytes += stored.size_bytes
        self.files[path] = SnapshotFile(
            path=path, sha256=stored.sha256, size_bytes=stored.size_bytes, executable=executable
        )

    def snapshot(self) -> Snapshot:
        clash = file_below_a_file(self.files)
        if clash:
            raise UserError(
                f"“{shown(clash[0])}” is a file, so “{shown(clash[1])}” can't be below it. Rename one of them."
            )
        coming = [
            arrivals.Arrival(self.store.path(digest), draft.stored.size_bytes, is_shared=True)
            for digest, draft in self._drafts.items()
        ]
        arrivals.require_room(self.workspace_id, self.actor, coming, loc=self.loc)
        for draft in self._drafts.values():
            self.store.keep(draft)
        arrivals.tell(self.workspace_id, self.actor, coming)
        return _save(self.workspace_id, self.files)

    def _read(self, path: str, stream: IO[bytes]) -> Draft:
        room = settings.SNAPSHOT_MAX_BYTES - self.size_bytes
        declared = getattr(stream, "size", None)  # of an upload: refused before a byte is copied
        if isinstance(declared, int) and declared > room:
            raise _too_large(path)
        try:
            return self.store.draft(stream, max_bytes=room)
        except TooLargeError as error:
            raise _too_large(path) from error


def _save(workspace_id: int, files: Mapping[str, SnapshotFile]) -> Snapshot:
    manifest = Manifest(files=[files[path] for path in sorted(files)])
    snapshot, _created = Snapshot.objects.get_or_create(
        workspace_id=workspace_id,
        digest=_digest(manifest),
        defaults={
            "manifest": manifest,
            "file_count": len(files),
            "size_bytes": sum(file.size_bytes for file in files.values()),
        },
    )
    return snapshot


def _digest(manifest: Manifest) -> str:
    lines = [[file.path, file.sha256, file.executable] for file in manifest.files]
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


def _base(workspace: Workspace, digest: str | None) -> dict[str, SnapshotFile]:
    if digest is None:
        return {}
    try:
        snapshot = get_snapshot(workspace, digest)
    except Snapshot.DoesNotExist as error:
        raise UserError("There are no such sources in this workspace. Reload the page.", loc=("base",)) from error
    return {file.path: file for file in snapshot.manifest.files}


@lru_cache(maxsize=64)
def _files_of(workspace_id: int, digest: str) -> tuple[SnapshotFile, ...]:
    """A snapshot's files, kept for the next step that runs them: a digest always means the same files."""
    return tuple(Snapshot.objects.only("manifest").get(workspace_id=workspace_id, digest=digest).manifest.files)


@lru_cache(maxsize=128)
def paths_of(workspace_id: int, digest: str) -> frozenset[str]:
    """The names of a snapshot's files. Raises Snapshot.DoesNotExist where this workspace has no such snapshot."""
    return frozenset(file.path for file in _files_of(workspace_id, digest))


def digest_of(workspace_id: int, digest: str, paths: Collection[str]) -> str:
    """That of a folder with these files of a snapshot alone: of all of them, the snapshot's own."""
    return _digest(Manifest(files=[file for file in _files_of(workspace_id, digest) if file.path in paths]))


def _check_count(count: int) -> None:
    limit = settings.SNAPSHOT_MAX_FILES
    if count > limit:
        raise UserError(
            f"The source folder would have {count:,} files; it may have {limit:,}. "
            "Leave out data, virtual environments and caches, and upload data to a datastore instead."
        )


def _too_large(path: str) -> UserError:
    limit = f"{settings.SNAPSHOT_MAX_BYTES / 1024**2:,.0f} MB"
    return UserError(
        f"With “{shown(path)}” the source folder would have more than {limit}. "
        "Upload data to a datastore instead, and give it to the step as an input."
    )


def _below(files: Mapping[str, SnapshotFile], path: str) -> set[str]:
    """The file `path`, or all files of the folder `path`."""
    return {name for name in files if name == path or name.startswith(f"{path}/")}


def _moved(
    files: Mapping[str, SnapshotFile], old: str, new: str, *, loc: tuple[str | int, ...]
) -> dict[str, SnapshotFile]:
    going = _below(files, old)
    if not going:
        raise UserError(f"There is no “{shown(old)}” to rename.", loc=loc)
    problem = problem_of(new)
    if problem:
        raise UserError(problem, loc=(*loc, "to"))
    result = {name: file for name, file in files.items() if name not in going}
    for name in sorted(going):
        renamed = new + name[len(old) :]
        problem = problem_of(renamed)
        if problem or renamed in result:
            raise UserError(problem or f"There is a “{shown(renamed)}” already. Choose another name.", loc=(*loc, "to"))
        result[renamed] = files[name].model_copy(update={"path": renamed})
    return result


def _ignore_rules(lines: list[str]) -> pathspec.GitIgnoreSpec:
    """A line that is no pattern is passed over, as git does: an ignore file must never make a folder unusable."""
    good: list[str] = []
    for line in lines:
        try:
            pathspec.GitIgnoreSpec.from_lines([line])
        except (ValueError, re.error):
            continue
        good.append(line)
    return pathspec.GitIgnoreSpec.from_lines(good)


def _is_ignored(path: str, rules: Mapping[str, pathspec.GitIgnoreSpec], ignored_folders: dict[str, bool]) -> bool:
    """Git's rule: what is in an ignored folder can't be taken back; else the last word of the nearest file counts."""
    folder = path.rpartition("/")[0]
    if folder not in ignored_folders:
        ignored_folders[folder] = _is_ignored(folder, rules, ignored_folders) or _matches(f"{folder}/", rules)
    return ignored_folders[folder] or _matches(path, rules)


def _matches(path: str, rules: Mapping[str, pathspec.GitIgnoreSpec]) -> bool:
    parts = path.rstrip("/").split("/")
    if parts[-1] == _ALWAYS_LEFT_OUT:
        return True
    for depth in range(len(parts) - 1, -1, -1):
        folder = "/".join(parts[:depth])
        if folder in rules:
            below = path[len(folder) + 1 :] if folder else path
            said = rules[folder].check_file(below).include
            if said is not None:
                return said
    return False
