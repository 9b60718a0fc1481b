"""What somebody sends to be imported: a file, or a folder of files around it, laid out for a moment on this machine."""

import posixpath
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from django.conf import settings

from datastores import snapshots
from datastores.source_paths import file_below_a_file, problem_of, shown
from datastores.zip_files import files_of_zip
from pipelines.texts import near
from pipelines.yaml.located import MAX_BYTES, Located, Spot, read_located
from studio.lib.problems import UserError
from studio.workspaces.models import User, Workspace

ENDINGS = (".yml", ".yaml")
_MAIN = ("pipeline.yml", "pipeline.yaml", "job.yml", "job.yaml", "component.yml", "component.yaml")
MAX_READ = 2 * MAX_BYTES  # of all files that are read as YAML: a tree takes much more memory than its text
_LISTED = 12
_PASTED = "pasted.yml"


class Folder:
    """A folder below a temporary one, until it is closed. Names in it are relative, and none leads out of it."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(dir=str(settings.FILE_UPLOAD_TEMP_DIR or tempfile.gettempdir()))
        self.root = Path(self._temporary.name)
        self.files: dict[str, bool] = {}  # by path, whether it can be executed
        self._read: dict[str, Located] = {}
        self._bytes_read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _where: TracebackType | None) -> None:
        self._temporary.cleanup()

    @classmethod
    def of_text(cls, text: str) -> "Folder":
        """Of what was pasted."""
        folder = cls()
        with folder.or_closed():
            if len(text.encode("utf-8", "replace")) > MAX_BYTES:
                raise UserError([Spot(_PASTED).says(f"This is longer than {MAX_BYTES // 1024**2} MB. Upload a file.")])
            folder._keep_bytes(_PASTED, text.encode("utf-8", "replace"))
        return folder

    @classmethod
    def of_upload(cls, name: str, upload: IO[bytes]) -> "Folder":
        """Of a YAML file or a zip. Raises UserError where it is none, or could do harm."""
        if name.lower().endswith(".zip"):
            folder = cls()
            with folder.or_closed():
                limits = {"max_files": settings.SNAPSHOT_MAX_FILES, "max_bytes": settings.SNAPSHOT_MAX_BYTES}
                for file in files_of_zip(upload, **limits):
                    folder._keep(file.path, file.stream, executable=file.executable)
                folder._check_names()
            return folder
        return cls.of_files([(name, upload)])

    @classmethod
    def of_files(cls, files: Iterable[tuple[str, IO[bytes]]]) -> "Folder":
        """Of files with their paths. Raises UserError for a name that can't be."""
        folder = cls()
        with folder.or_closed():
            room = settings.SNAPSHOT_MAX_BYTES
            for path, stream in files:
                if (sentence := problem_of(path)) or path in folder.files:
                    raise UserError(sentence or f"“{shown(path)}” was given twice. Leave out one of them.")
                room -= folder._keep(path, stream, executable=False)
                if room < 0:
                    limit = f"{settings.SNAPSHOT_MAX_BYTES / 1024**2:,.0f} MB"
                    raise UserError(f"These files have more than {limit} together. Upload data to a datastore instead.")
            folder._check_names()
        return folder

    def or_closed(self) -> "_OrClosed":
        """Around filling it: what is refused leaves nothing behind."""
        return _OrClosed(self)

    @property
    def yaml_files(self) -> list[str]:
        names = (path for path in self.files if path.lower().endswith(ENDINGS))
        return sorted(names, key=lambda path: (path.count("/"), path))

    def main(self, wanted: str = "") -> str:
        """The file to begin with. Raises UserError at `main` where nobody can tell which one that is."""
        found = self.yaml_files
        if wanted:
            if wanted not in self.files:
                raise UserError(f"There is no “{shown(wanted)}” in there.{near(wanted, found)}", loc=("main",))
            return wanted
        if not found:
            raise UserError("There is no YAML file in there: its name ends in .yml or .yaml.", loc=("file",))
        if len(found) == 1:
            return found[0]
        for name in _MAIN:
            named = [path for path in found if posixpath.basename(path) == name]
            if named and (len(named) == 1 or named[0].count("/") < named[1].count("/")):
                return named[0]
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        listed = ", ".join(map(shown, found[:_LISTED]))
        raise UserError(f"There are several YAML files in there. Say which one: {listed}{more}.", loc=("main",))

    def located(self, path: str) -> Located:
        """A file as YAML, read once. Raises UserError with places."""
        if path not in self._read:
            with (self.root / path).open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
            self._bytes_read += len(data)
            if self._bytes_read > MAX_READ:
                raise UserError([Spot(path).says(f"Together the YAML files have more than {MAX_READ // 1024**2} MB.")])
            self._read[path] = read_located(data, path)
        return self._read[path]

    def resolve(self, said: str, *, beside: str) -> str:
        """A path in here, as the file `beside` has it. Raises UserError where it leads out."""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(beside), said))
        if said.startswith(("/", "~")) or path == ".." or path.startswith("../") or "\\" in said or "\0" in said:
            raise UserError(f"“{shown(said)}” leads out of what was uploaded. Upload a folder that holds it, as a zip.")
        return "" if path == "." else path

    def below(self, path: str) -> dict[str, str]:
        """By their names below `path`, a folder or a file, the files that there are."""
        if path in self.files:
            return {posixpath.basename(path): path}
        start = f"{path}/" if path else ""
        return {name[len(start) :]: name for name in self.files if name.startswith(start)}

    def freeze(self, path: str, workspace: Workspace, actor: User) -> str:
        """The digest of the sources that a folder of it, or one file, becomes. Raises UserError."""
        files = self.below(path)
        if not files:
            only = len(self.files) == 1
            how = "Upload a zip with the file and its folders." if only else f"There are: {self._folders()}."
            raise UserError(f"There is no “{shown(path)}” in what was uploaded. {how}")
        with tempfile.TemporaryFile(dir=self.root) as packed:
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
                for name, file in sorted(files.items()):
                    member = zipfile.ZipInfo(name)
                    member.external_attr = (0o755 if self.files[file] else 0o644) << 16
                    with (self.root / file).open("rb") as stream, archive.open(member, "w") as out:
                        shutil.copyfileobj(stream, out)
            packed.seek(0)
            return snapshots.add_zip(workspace, None, packed, actor=actor).digest

    def _folders(self) -> str:
        folders = sorted({posixpath.dirname(path) or "." for path in self.files})
        return ", ".join(map(shown, folders[:_LISTED])) + (" …" if len(folders) > _LISTED else "")

    def _keep(self, path: str, stream: IO[bytes], *, executable: bool) -> int:
        place = self.root / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as out:
                while piece := stream.read(256 * 1024):
                    out.write(piece)
                size = out.tell()
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise UserError(f"“{shown(path)}” can't be a file and a folder at once. Rename one of them.") from error
        self.files[path] = executable
        return size

    def _keep_bytes(self, path: str, data: bytes) -> None:
        (self.root / path).write_bytes(data)
        self.files[path] = False

    def _check_names(self) -> None:
        if clash := file_below_a_file(self.files):
            raise UserError(f"“{shown(clash[0])}” can't be a file and a folder at once. Rename one of them.")


class _OrClosed:
    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: object, where: TracebackType | None) -> None:
        if kind is not None:
            self.folder.__exit__(kind, error, where)
