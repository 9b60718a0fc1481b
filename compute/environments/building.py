"""Environments on a node: each specification is built once for the machine, in a folder named by its digest.

A build is complete when its stamp is there, which is written last: a build that died half-way is never taken for one
and is made anew. Slots and processes that want the same environment wait for one build and show its output meanwhile.

The first build anywhere finds out exact versions and writes them down as the specification's lock; all others install
what the lock says.
"""

import contextlib
import fcntl
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.db import Error as DatabaseFailure

from compute.database import patiently
from compute.environments.commands import Commands, Tail
from compute.environments.conda_build import CondaInstaller
from compute.environments.enclosed_installing import EnclosedUvInstaller
from compute.environments.enclosure import Enclosure
from compute.environments.explaining import NOT_BUILT
from compute.environments.inherited import inherited_environment
from compute.environments.installed import packages_in, pinned
from compute.environments.installing import Installer, UvInstaller, platform_of_this_machine, python_of
from compute.environments.places import BuiltEnvironment, EnvironmentsFolder, size_of
from compute.environments.setup_script import run_setup_script
from compute.environments.stamps import Stamp
from compute.environments.trimming import trim_soon
from compute.environments.uv import variables_of_uv
from compute.execution.handle import Handle, InterruptedByWish
from compute.execution.reasons import StepFailure, is_full_disk, of_full_disk, of_ours
from compute.execution.room import require_room
from compute.execution.sandbox.isolation import Isolation
from compute.execution.sandbox.plan import Kind
from compute.models import EnvironmentBuild
from compute.services import builds
from compute.services.builds import Builder
from compute.services.locks import lock_of, record_lock
from compute.spec import EnvironmentLock, EnvironmentSpec

logger = logging.getLogger(__name__)
T = TypeVar("T")
Say = Callable[[bytes], None]

_POLL_S = 0.05
_NOTE_EVERY_S = 1.0
_settled: set[tuple[str, str]] = set()  # environments that this process knows to be as their lock says
_settled_lock = threading.Lock()


@contextmanager
def ready_environment(
    spec: EnvironmentSpec,
    *,
    builder: Builder,
    handle: Handle,
    say: Say,
    isolation: Isolation,
    wish: EnvironmentBuild | None = None,
) -> Iterator[BuiltEnvironment]:
    """The environment of `spec`, built if it is not there yet; the build's output goes to `say` as it comes.

    It is not removed as long as the block lasts. Raises StepFailure with a sentence that says what to do, and
    InterruptedByWish.
    """
    if not spec.is_managed:
        yield inherited_environment(spec.interpreter, node=builder.node_name, isolation=isolation)
        return
    folder = EnvironmentsFolder.of_this_node()
    with folder.in_use(spec.digest):
        yield _Making(folder, spec, builder, handle, say, isolation=isolation).environment(wish)


class _Making:
    """Of one environment, for one step or wish."""

    def __init__(
        self,
        folder: EnvironmentsFolder,
        spec: EnvironmentSpec,
        builder: Builder,
        handle: Handle,
        say: Say,
        *,
        isolation: Isolation,
    ) -> None:
        self.folder, self.spec, self.builder, self.handle, self.say = folder, spec, builder, handle, say
        self.isolation = isolation
        self.built = folder.environment(spec.digest)

    def environment(self, wish: EnvironmentBuild | None) -> BuiltEnvironment:
        if self.built.is_ready and self._is_settled:
            return self.built
        with self._right_to_build():
            if not (self.built.is_ready and (self._is_settled or self._settle())):
                self._build(wish)
            with _settled_lock:
                _settled.add(self._key)
        trim_soon(self.folder)
        return self.built

    @property
    def _key(self) -> tuple[str, str]:
        return str(self.folder.root), self.spec.digest

    @property
    def _is_settled(self) -> bool:
        return self._key in _settled

    def _settle(self) -> bool:
        """Whether what is there is what the lock says. Where nobody wrote one, it becomes the lock itself.

        That is so for what was built before there were locks, or for another database.
        """
        stamp = self.built.read_stamp()
        locked = self._patiently(partial(lock_of, self.spec.digest))
        if locked is None:
            mine = _kept_lock(self.built) or _lock_from(self.built)
            locked = self._patiently(partial(record_lock, self.spec.digest, mine, node_name=self.builder.node_name))
        if stamp.lock_digest != locked.digest:
            if not _holds(self.built, locked):
                return False
            stamp = Stamp(locked.digest, size_of(self.built.folder))
            _keep_lock(self.built, locked)
            self.built.write_stamp(stamp)
        self._patiently(partial(builds.note_ready, self.spec, self.builder, self.folder.place, stamp))
        return True

    @contextmanager
    def _right_to_build(self) -> Iterator[None]:
        """Hold it; while somebody else does, show what their build says."""
        with self.folder.lock_file(self.spec.digest).open("a") as lock:
            tail: Tail | None = None
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if tail is None:
                    self.say(b"Another step builds this environment on this node already: waiting for it.\n")
                    tail = Tail(self.folder.log_file(self.spec.digest))
                self.handle.wait(_POLL_S)
                tail.pass_on(self.say)
            if tail is not None:
                tail.pass_on(self.say)
                tail.close()
            yield

    def _build(self, wish: EnvironmentBuild | None) -> None:
        row = self._patiently(partial(builds.begin_build, self.spec, self.builder, self.folder.place, wish=wish))
        log = _BuildLog(row.pk, self.say)
        reason = "It was ended before it was complete."
        try:
            stamp = _Build(self, log).run()
        except InterruptedByWish as interruption:
            reason = {
                "cancel": "Whoever waited for it was cancelled.",
                "stop": "Its node was stopped.",
                "fence": "Its node was out of touch with the database for too long.",
            }[interruption.wish]
            raise
        except StepFailure as failure:
            reason = failure.reason.removeprefix(NOT_BUILT)
            raise
        except OSError as error:
            if not is_full_disk(error):
                reason = of_ours(error, "build the environment")
                raise
            reason = of_full_disk("the environment could not be built on the node")
            raise StepFailure(reason) from error
        except BaseException as error:
            reason = of_ours(error, "build the environment") if isinstance(error, Exception) else reason
            raise
        else:
            self._complete(row.pk, stamp, log)
            return
        finally:
            if not self.built.is_ready:
                # What takes up room and is of no use: on a full disk it is what filled it.
                shutil.rmtree(self.built.folder, ignore_errors=True)
                self._tell_failure(row.pk, reason, log)

    def _complete(self, build_id: int, stamp: Stamp, log: "_BuildLog") -> None:
        if not self._patiently(partial(builds.complete_build, build_id, stamp, log=log.text)):
            self._patiently(partial(builds.note_ready, self.spec, self.builder, self.folder.place, stamp, log=log.text))

    def _tell_failure(self, build_id: int, reason: str, log: "_BuildLog") -> None:
        """A row that can't be reached now is ended by the sweep, or by the next build."""
        try:
            builds.fail_build(build_id, reason, log=log.text)
        except DatabaseFailure as error:
            logger.warning("could not note that build %s failed: %s", build_id, error)

    def _patiently(self, action: Callable[[], T]) -> T:
        return patiently(action, go_on=lambda: self.handle.wish != "fence")


class _Build:
    """One try, from an empty folder to a stamp."""

    def __init__(self, making: _Making, log: "_BuildLog") -> None:
        self.spec, self.built, self.builder = making.spec, making.built, making.builder
        self.patiently = making._patiently  # noqa: SLF001 (two halves of one)
        self.commands = Commands(
            making.folder.log_file(self.spec.digest),
            handle=making.handle,
            say=log,
            meanwhile=log.note_if_due,
            limit_s=settings.BUILD_TIMEOUT_S,
        )
        self.isolation = making.isolation
        sandbox, folder = making.isolation.sandbox, making.folder.build_folder(self.spec.digest)
        self.enclosure = None if sandbox is None else Enclosure(sandbox, folder, self.built)

    def run(self) -> Stamp:
        began = time.monotonic()
        require_room()
        self.commands.tell(_what_is_wanted(self.spec))
        locked = self.patiently(partial(lock_of, self.spec.digest))
        mine = self._make(locked)
        if locked is None:
            locked = self.patiently(partial(record_lock, self.spec.digest, mine, node_name=self.builder.node_name))
            if locked.digest != mine.digest:
                self.commands.tell("Another node built it first: its versions are installed instead.")
                self._make(locked)
        _keep_lock(self.built, locked)
        stamp = Stamp(locked.digest, size_of(self.built.folder))
        self.built.write_stamp(stamp)
        took_s = time.monotonic() - began
        self.commands.tell(f"The environment is ready after {took_s:.1f} s; from now on it is used as it is.")
        return stamp

    def _make(self, locked: EnvironmentLock | None) -> EnvironmentLock:
        """All of it but the stamp. Returns what was installed."""
        if self.enclosure is None:
            self.commands.tell(f"It is built without a sandbox: {self.isolation.why}.")
            return self._make_all(locked)
        with self.enclosure.opened():
            return self._make_all(locked)

    def _make_all(self, locked: EnvironmentLock | None) -> EnvironmentLock:
        shutil.rmtree(self.built.folder, ignore_errors=True)
        if locked is not None:
            count = len(locked.packages)
            self.commands.tell(f"Its versions are those of its first build: {count} packages.")
        mine = self._installer(locked).install(locked)
        self._warm_up()
        if self.spec.setup_script:
            run_setup_script(self.built, self.spec, self.commands, self.enclosure)
        return mine

    def _installer(self, locked: EnvironmentLock | None) -> Installer:
        if CondaInstaller.is_for(self.spec, locked, node=self.builder.node_name):
            return CondaInstaller(self.built, self.spec, self.commands, self.enclosure)
        if self.enclosure is not None:
            return EnclosedUvInstaller(self.built, self.spec, self.commands, self.enclosure)
        return UvInstaller(self.built, self.spec, self.commands)

    def _warm_up(self) -> None:
        """matplotlib looks at every font when it is first imported: once here, not in each step's home."""
        if next(self.built.folder.glob("lib/python*/site-packages/matplotlib/font_manager.py"), None) is None:
            return
        command = [str(self.built.python), "-c", "import matplotlib.font_manager"]
        if self.enclosure is None:
            self.built.home.mkdir(exist_ok=True)
            env = {**variables_of_uv(os.environ), "HOME": str(self.built.home), "MPLBACKEND": "agg"}
            self.commands.run(command, cwd=self.built.folder, env=env, is_quiet=True)
            return
        enclosed = self.enclosure.shut_in({"LANG": "C.UTF-8", "MPLBACKEND": "agg"}, environment=Kind.READ_ONLY)
        self.commands.run(command, cwd=enclosed.home, env=enclosed.variables, is_quiet=True, within=enclosed)
        with contextlib.suppress(OSError):  # conda packages may have put something there
            enclosed.home.rename(self.built.home)


class _BuildLog:
    """What a build says goes to the step that waits for it, and now and then to its row."""

    def __init__(self, build_id: int, say: Say) -> None:
        self.build_id, self._say = build_id, say
        self._data = bytearray()
        self._noted, self._is_noted = time.monotonic(), True

    def __call__(self, data: bytes) -> None:
        self._say(data)
        self._data += data
        self._is_noted = False

    def note_if_due(self) -> None:
        if not self._is_noted and time.monotonic() - self._noted > _NOTE_EVERY_S:
            self._noted, self._is_noted = time.monotonic(), True
            try:
                builds.note_log(self.build_id, self.text)
            except DatabaseFailure as error:
                logger.info("the log of build %s will be noted later: %s", self.build_id, error)

    @property
    def text(self) -> str:
        return builds.shortened(bytes(self._data))


def _what_is_wanted(spec: EnvironmentSpec) -> str:
    wanted = [*spec.conda, *spec.pip]
    shown = ", ".join(wanted[:20]) + (f" and {len(wanted) - 20} more" if len(wanted) > 20 else "")
    return f"Making the environment: Python {spec.python_version} with {shown or 'no packages'}."


def _keep_lock(built: BuiltEnvironment, lock: EnvironmentLock) -> None:
    file = built.about / "lock.json"
    if built.about.is_symlink():  # a setup script may have left links, which lead anywhere
        built.about.unlink()
    built.about.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    file.write_text(lock.model_dump_json())


def _kept_lock(built: BuiltEnvironment) -> EnvironmentLock | None:
    with contextlib.suppress(OSError, ValueError):
        return EnvironmentLock.model_validate_json((built.about / "lock.json").read_text())
    return None


def _lock_from(built: BuiltEnvironment) -> EnvironmentLock:
    """Of an environment that was built before there were locks: what is installed in it."""
    return EnvironmentLock(
        python=python_of(built),
        platform=platform_of_this_machine(),
        requirements=pinned(built.folder),
        packages=packages_in(built.folder),
    )


def _holds(built: BuiltEnvironment, lock: EnvironmentLock) -> bool:
    mine = {(each.name, each.version) for each in packages_in(built.folder)}
    return mine == {(each.name, each.version) for each in lock.packages}
