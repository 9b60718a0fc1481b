"""What each input of an attempt becomes on this machine.

What lies in a folder of this machine is read in place. The rest is downloaded through the node's cache, mounted, or
named by its address, as the input's mode says; a table is read once and kept as Parquet.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from compute.data.cache import DataCache, Remote, store_digest
from compute.data.desk import Desk
from compute.data.downloading import Download, Wanted
from compute.data.layout import file_name, folder_of, is_pattern, relative
from compute.data.mounting import Mounts, NoFuseError, View
from compute.data.retrying import BROKEN, as_failure
from compute.execution.reasons import StepFailure
from compute.spec import JobInput
from datastores.backends import Entry, NoSuchPath
from datastores.paths import Glob, parent_of
from datastores.places import Place, Places
from datastores.sources import datastores_of
from studio.lib.problems import UserError

_SHOWN_SINGLY = 32  # a sandbox takes a while to set up for each place that it shows


class Inputs:
    """Lays the inputs of an attempt out below `root`. What `places` opens is open as long as they are needed."""

    def __init__(self, root: Path, *, places: Places, desk: Desk, mounts: Mounts) -> None:
        self.root, self.places, self.desk, self.mounts = root, places, desk, mounts
        self.in_place: list[Path] = []  # what is read where it lies

    def bring(self, inputs: Mapping[str, JobInput]) -> dict[str, str]:
        """What stands for each input in the command. Raises StepFailure, InterruptedByWish, OSError."""
        return {name: self._bring(name, data) for name, data in inputs.items()}

    def _bring(self, name: str, data: JobInput) -> str:
        label = f"Input “{name}”"
        try:
            if data.table is not None:
                from compute.data.tables import bring_table

                return str(bring_table(name, data, self.root / "inputs" / name, places=self.places, desk=self.desk))
            places = [self.places.of(path) for path in data.paths]
            if data.folders:
                return self._in_folders(name, label, places, data)
            if len(places) == 1 and not is_pattern(places[0]):
                return self._plain(name, label, places[0], data)
            return self._several(name, label, places, data)
        except (UserError, *BROKEN) as error:
            asked = datastores_of(data.table) if data.table else {path.datastore_id for path in data.paths}
            names = self.places.names(pk for pk in asked if pk is not None)
            raise as_failure(error, label, datastores=names) or error from error

    def _plain(self, name: str, label: str, place: Place, data: JobInput) -> str:
        """One file, or one folder."""
        here = place.backend.local_path(place.path)
        if here is not None:
            if not here.exists():
                raise _nothing_there(label, place)
            self.in_place.append(here)
            return str(here)
        if data.mode == "direct" and self._has_address(name, place):
            return place.backend.address(place.path)
        if data.mode == "mount":
            try:
                return str(self._mounted_plain(name, label, place))
            except NoFuseError as error:
                self._say_no_fuse(name, error)
        folder = self._folder(name)
        target = folder / file_name(place) if place.path else folder
        above = parent_of(place.path)
        if not self._download(name, folder, [place], above=f"{above}/" if above else ""):
            self._look(label, place)  # an empty folder is as good as any
            target.mkdir(exist_ok=True)
        return str(target)

    def _several(self, name: str, label: str, places: Sequence[Place], data: JobInput) -> str:
        """A folder with all that globs and several paths mean; for `direct`, a file with an address a line."""
        away = [place for place in places if not _is_here(place)]
        if away and data.mode == "direct" and all(self._has_address(name, place) for place in places):
            return str(self._addresses(name, label, places))
        folder = self._folder(name)
        # What a single glob finds lies as below its own folder; what several paths find, as below the datastore.
        above = folder_of(places[0].path) if len(places) == 1 else ""
        count = sum(self._link_in_place(folder, place, above) for place in places if _is_here(place))
        if away and data.mode == "mount":
            try:
                count += sum(self._link_mounted(name, folder, place, above) for place in away)
                away = []
            except NoFuseError as error:
                self._say_no_fuse(name, error)
        if away:
            count += self._download(name, folder, away, above=above)
        if not count:
            raise _no_match(label, places)
        return str(folder)

    def _in_folders(self, name: str, label: str, places: Sequence[Place], data: JobInput) -> str:
        """What each path means in a folder of its own. What is away is downloaded: mounts would be as many as paths."""
        top = self._folder(name)
        away: list[tuple[Place, Path]] = []
        for place, name_below in zip(places, data.folders, strict=True):
            folder = top / name_below
            folder.mkdir(parents=True, exist_ok=True)
            if not _is_here(place):
                away.append((place, folder))
            elif not self._link_in_place(folder, place, f"{place.path}/", singly=1):
                raise _nothing_there(label, place)
        if away and data.mode != "download":
            self.desk.say(f"{name} is made of {len(places):,} folders, so it is downloaded.")
        if away:
            self._download_each(name, [(place, folder, f"{place.path}/") for place, folder in away], is_all=True)
        return str(top)

    def _folder(self, name: str) -> Path:
        folder = self.root / "inputs" / name
        folder.mkdir(parents=True)
        return folder

    def _download(self, name: str, folder: Path, places: Sequence[Place], *, above: str) -> int:
        return self._download_each(name, [(place, folder, above) for place in places])

    def _download_each(self, name: str, places: Sequence[tuple[Place, Path, str]], *, is_all: bool = False) -> int:
        """What each place means into its folder, without what its third part says of the paths. Returns how many.

        With `is_all` there must be something at each of them.
        """
        names = [place.datastore.name for place, *_ in places if place.datastore]
        download = Download(name, cache=DataCache.of_this_node(), desk=self.desk, datastores=names)

        def wanted() -> Iterator[Wanted]:
            for place, folder, above in places:
                store = _store_of(place)
                if place.datastore is None:
                    entry = download.patience.call(lambda place=place: place.backend.stat(place.path))  # type: ignore[misc]
                    yield Wanted(place.backend, Remote(store, entry), folder / file_name(place))
                    continue
                is_empty = True
                for entry in download.patience.listed(place.backend, place.path):
                    is_empty = False
                    target = folder / relative(entry, above, download.label)
                    yield Wanted(place.backend, Remote(store, entry), target)
                if is_all and is_empty:
                    raise _nothing_there(download.label, place)

        return download.run(wanted())

    def _mounted_plain(self, name: str, label: str, place: Place) -> Path:
        entry = self._look(label, place)
        shown = file_name(place)
        if entry.kind == "folder":
            return self.mounts.mount(name, place, View(root=place.path), shown or name)
        return self.mounts.mount(name, place, View(files={shown: place.path}), "files") / shown

    def _link_in_place(self, folder: Path, place: Place, above: str, *, singly: int = _SHOWN_SINGLY) -> int:
        """A link for every file that a path means, at the file's path without `above`. Returns how many."""
        made: set[Path] = set()
        found: list[Path] = []
        for entry in place.backend.glob(place.path):
            here = place.backend.local_path(entry.path)
            assert here is not None, "a store is reached as a folder as a whole, or not at all"
            link = folder / relative(entry, above, "An input")
            if link.parent not in made:
                link.parent.mkdir(parents=True, exist_ok=True)
                made.add(link.parent)
            _link(link, here)
            found.append(here)
        self.in_place += _to_show(place, found, singly=singly)
        return len(found)

    def _link_mounted(self, name: str, folder: Path, place: Place, above: str) -> int:
        """Links for what a path finds, into a mounted file system. Returns how many."""
        if place.datastore is None:
            entry, shown = self._look(name, place), file_name(place)
            mounted = self.mounts.mount(name, place, View(files={shown: entry.path}), "files")
            return _link(folder / shown, mounted / shown)
        top = Glob(place.path).folder
        entries = self.desk.ask(lambda: list(place.backend.glob(place.path)))
        if not entries:
            return 0
        if not is_pattern(place):
            top = parent_of(place.path)
        mounted = self.mounts.mount(name, place, View(root=top), "files")
        below = f"{top}/" if top else ""
        label = f"Input “{name}”"
        return sum(
            _link(folder / relative(entry, above, label), mounted / relative(entry, below, label)) for entry in entries
        )

    def _has_address(self, name: str, place: Place) -> bool:
        if not place.backend.has_addresses:
            self.desk.say(f"{name} lies on the studio's disk, which this node does not share, so it is downloaded.")
        return place.backend.has_addresses

    def _say_no_fuse(self, name: str, error: NoFuseError) -> None:
        self.desk.say(f"This node can't mount {name} ({error}), so it is downloaded instead.")

    def _addresses(self, name: str, label: str, places: Sequence[Place]) -> Path:
        def addresses() -> list[str]:
            return [
                place.backend.address(path)
                for place in places
                for path in (_matches(place) if is_pattern(place) else [place.path])
            ]

        found = self.desk.ask(addresses)
        if not found:
            raise _no_match(label, places)
        file = self._folder(name) / "addresses.txt"
        file.write_text("".join(f"{address}\n" for address in found), errors="surrogateescape")
        return file

    def _look(self, label: str, place: Place) -> Entry:
        try:
            return self.desk.ask(lambda: place.backend.stat(place.path))
        except NoSuchPath as error:
            raise _nothing_there(label, place) from error


def _matches(place: Place) -> Iterator[str]:
    return (entry.path for entry in place.backend.glob(place.path))


def _is_here(place: Place) -> bool:
    return place.backend.local_path("") is not None


def _store_of(place: Place) -> str:
    if place.datastore is None:
        return store_digest("http", {"url": place.backend.location})
    return store_digest(place.datastore.kind, place.datastore.config)


def _to_show(place: Place, found: Sequence[Path], *, singly: int = _SHOWN_SINGLY) -> list[Path]:
    """What a sandbox shows for these files to be read: a handful one by one, more by the folder that they lie in.

    A file that is a link is read where that leads, which may be another folder.
    """
    if len(found) <= singly:
        return list(found)
    top = place.backend.local_path(folder_of(place.path).rstrip("/") if is_pattern(place) else place.path)
    assert top is not None
    return [top, *(file for file in found if file.is_symlink())]


def _link(link: Path, to: Path) -> int:
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(to)
    return 1


def _nothing_there(label: str, place: Place) -> StepFailure:
    where = f"at “{place.path}” in its datastore" if place.datastore else f"at {place.label}"
    return StepFailure(f"{label}: there is nothing {where}.")


def _no_match(label: str, places: Sequence[Place]) -> StepFailure:
    paths = ", ".join(f"“{place.path}”" for place in places)
    return StepFailure(f"{label}: no file matches {paths} in its datastore.")
