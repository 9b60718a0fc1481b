"""A fork of a nest that becomes one step: as `python SCRIPT …` would, without an interpreter's start.

Two forks lead to it, so that the node adopts it and is its parent. The second is made by a thread whose only frames are
those of C functions: the fork's child has that thread as its main one, and the script's frame is the outermost there
is, as in a fresh process. The C functions are called one after the other by `list(map(…))`: fork, become ready, run the
script by the very function that `python SCRIPT` uses, exit.
"""

from __future__ import annotations

import _thread
import atexit
import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import sys
import time
from functools import partial
from types import ModuleType
from typing import Any

from compute.execution.sandbox.enter_sandbox import enter
from compute.execution.sandbox import wire
from compute.execution.warm.inside.stash import Stash
from compute.execution.warm.inside.title import Title

_HIGH_FD = 900  # out of the way: the first file that a script opens is number 3
_TOLD_MODULES = 20_000


class UnfitError(Exception):
    """This step is better started cold."""


_living: list[Step] = []  # the one that this process is, once it is one


def _last_of_all() -> None:
    for step in _living:
        step.last_words()


atexit.register(_last_of_all)  # here, and so before any module of the environment


class Step:
    """What a spare needs to know of its nest, and what it does from its birth on. All in one process of its own."""

    def __init__(self, stash: Stash, title: Title, cold_modules: set[str], main_names: list[str]) -> None:
        self._stash = stash
        self._title = title
        self._cold_modules = cold_modules
        self._main_names = main_names  # what a script's namespace begins with, in this version of Python
        self._main_before = sys.modules["__main__"]
        self._roots = tuple(entry + os.sep for entry in sys.path if os.path.isabs(entry))
        self._builtins = sys.modules["builtins"]
        self._pid = 0
        self._told = self._report = -1
        self._told_identity = (0, 0)
        self._exit_code = ctypes.c_int(0)
        self._was_interrupted = False
        self._request: dict[str, Any] = {}
        # Their values are filled in by the time that the C function is called with them.
        self._file, self._shown_name = ctypes.c_void_p(), ctypes.c_char_p()
        self._fopen = ctypes.CDLL(None).fopen
        self._fopen.restype = ctypes.c_void_p
        self._fopen.argtypes = [ctypes.c_char_p, ctypes.c_char_p]

    def hatch(self, to_node: socket.socket, node_pid: int) -> None:
        """In a fork of the nest: never returns."""
        self._between = os.getpid()
        self._to_node, self._node_pid = to_node, node_pid
        self._reading, self._writing = os.pipe()
        quiet = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):  # Python 3.12 would have something to say about a fork beside a thread
            os.dup2(quiet, fd)
        os.close(quiet)
        run = ctypes.pythonapi.PyRun_SimpleFileExFlags
        run.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
        run.errcheck = self._ended  # type: ignore[assignment]
        calls: list[partial[Any]] = [
            partial(os.fork),
            partial(self._become),
            partial(run, self._file, self._shown_name, 1, None),
            partial(ctypes.pythonapi.Py_Exit, self._exit_code),
        ]
        _thread.start_new_thread(list, (map(partial.__call__, calls),))
        while True:
            time.sleep(1000)

    def _become(self) -> None:
        if os.getpid() == self._between:
            os.close(self._writing)
            os.read(self._reading, 1)  # until the node knows the child's number, or the child is no more
            os._exit(0)
        try:
            self._await_request()
            self._prepare()
            self._to_node.sendall(b"p")
            if self._to_node.recv(1) != b"g":
                os._exit(0)
        except UnfitError as reason:
            self._give_up("cold", str(reason))
        except BaseException as error:  # noqa: BLE001 (whatever it is: the step is started cold)
            self._give_up("broken", f"{type(error).__name__}: {error}")
        self._to_node.close()

    def _give_up(self, kind: str, reason: str) -> None:
        try:
            self._to_node.sendall(b"n" + json.dumps([kind, reason[:500]]).encode())
        finally:
            os._exit(0)

    def _await_request(self) -> None:
        """Born; adopted; waiting. An end of the other side is the end."""
        self._pid = os.getpid()
        _living.append(self)
        os.setsid()
        os.close(self._reading)
        # For whoever looks at the processes of a machine.
        name = [os.fsencode(sys.executable), os.fsencode(self._main_before.__file__ or ""), b"spare"]
        self._title.write(name, [key + b"=" + value for key, value in os.environb.items()])
        self._to_node.sendall(b"b")  # the kernel tells the node who says so
        if self._to_node.recv(1) != b"k":
            os._exit(0)
        os.close(self._writing)
        while os.getppid() == self._between:
            time.sleep(0.0002)
        if os.getppid() != self._node_pid:
            os._exit(0)
        self._to_node.sendall(b"r")
        try:
            request, fds = wire.receive(self._to_node)
        except (wire.GoneError, OSError):
            os._exit(0)
        assert isinstance(request, dict)
        self._request = request
        self._take_descriptors(fds)

    def _take_descriptors(self, fds: list[int]) -> None:
        stdin, stdout, stderr, told, *report = fds
        for number, fd in enumerate((stdin, stdout, stderr)):
            os.dup2(fd, number)
        self._told = fcntl.fcntl(told, fcntl.F_DUPFD_CLOEXEC, _high_fd())
        status = os.fstat(self._told)
        self._told_identity = (status.st_dev, status.st_ino)
        kept = fcntl.fcntl(self._to_node.fileno(), fcntl.F_DUPFD_CLOEXEC, self._told + 1)
        last = kept
        if report:
            self._report = last = fcntl.fcntl(report[0], fcntl.F_DUPFD_CLOEXEC, kept + 1)
        os.closerange(3, self._told)
        os.closerange(last + 1, last + 64)
        self._to_node.detach()
        self._to_node = socket.socket(fileno=kept)

    def _prepare(self) -> None:
        request = self._request
        _set_limits(request["limits"])
        arguments = [os.fsencode(argument) for argument in request["arguments"]]
        variables = [(os.fsencode(name), os.fsencode(value)) for name, value in request["variables"]]
        set_variables(variables)
        if not self._title.write(arguments, [name + b"=" + value for name, value in variables]):
            raise UnfitError("its arguments and variables are too long")
        self._go_to_work(request["cwd"], request["folder"])
        script = request["arguments"][1]
        script_path = os.path.abspath(script)
        folder = os.path.dirname(os.path.realpath(script))
        self._require_no_namesake(folder)
        _speak_of_home()
        sys.argv[:] = request["arguments"][1:]
        if hasattr(sys, "orig_argv"):
            sys.orig_argv[:] = request["arguments"]
        if not getattr(sys.flags, "safe_path", False):
            sys.path.insert(0, folder)
        self._shown_name.value = os.fsencode(script_path if sys.version_info >= (3, 9) else script)
        self._file.value = self._fopen(os.fsencode(script), b"rb")
        if not self._file.value:
            raise UnfitError("its script can't be opened")
        _thread.stack_size(0)
        # What is never asked for is not taken apart at the end either: that would copy all of its pages.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._stash))
        self._make_main()
        self._stash.refreshers = _refreshers()
        self._stash.open()

    def _go_to_work(self, cwd: str, folder_inside: str | None) -> None:
        """Into a sandbox, where there is one: this process goes on in another one there, and stays outside."""
        if folder_inside is None:
            os.chdir(cwd)
            return
        try:
            enter(folder_inside, self._to_node, self._report)
        except OSError as error:
            raise UnfitError(f"its sandbox could not be entered: {error}") from error
        self._pid = os.getpid()

    def _require_no_namesake(self, folder: str) -> None:
        """A script's own `numpy.py` comes before the package: what was imported with that is of no use then."""
        own = {name.partition(".")[0] for name in os.listdir(folder)}
        found = own & self._stash.top_names
        if found:
            raise UnfitError(f"its folder has a module {min(found)} of its own")

    def _make_main(self) -> None:
        main = ModuleType("__main__")
        before = self._main_before.__dict__
        main.__dict__.clear()
        for name in self._main_names:
            main.__dict__[name] = {} if name == "__annotations__" else before.get(name)
        main.__dict__.update(__name__="__main__", __doc__=None, __builtins__=self._builtins)
        sys.modules["__main__"] = main

    def _ended(self, result: int, _function: object, _arguments: object) -> int:
        """The script ended without `sys.exit`."""
        self._exit_code.value = 0 if result == 0 else 1
        last = getattr(sys, "last_type", None)
        self._was_interrupted = result != 0 and isinstance(last, type) and issubclass(last, KeyboardInterrupt)
        return result

    def last_words(self) -> None:
        """At the very end, in the step's process only: tell what it imported; die of SIGINT as Python does."""
        if os.getpid() != self._pid:
            return
        try:
            status = os.fstat(self._told)
            if (status.st_dev, status.st_ino) == self._told_identity:
                os.write(self._told, json.dumps(self._imports()).encode())
                os.close(self._told)
        except OSError:
            pass  # the script closed it: nothing is learned
        if self._was_interrupted:
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except (AttributeError, OSError, ValueError):
                    pass
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(self._pid, signal.SIGINT)

    def _imports(self) -> list[str]:
        """Modules of the environment and of Python itself. The script's own are nobody else's matter."""
        found = []
        for name, module in list(sys.modules.items()):
            if name in self._cold_modules or not isinstance(name, str):
                continue
            try:
                spec = ModuleType.__getattribute__(module, "__dict__").get("__spec__")  # wakes no lazy module
            except TypeError:
                continue
            origin = getattr(spec, "origin", None)
            if getattr(spec, "name", None) == name and isinstance(origin, str) and origin.startswith(self._roots):
                found.append(name)
        return found[:_TOLD_MODULES]


def _high_fd() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _HIGH_FD if soft == resource.RLIM_INFINITY or soft > _HIGH_FD + 100 else max(3, soft - 100)


def _set_limits(limits: list[tuple[int, int, int]]) -> None:
    for number, soft, hard in limits:
        resource.setrlimit(number, (soft, hard))


def set_variables(variables: list[tuple[bytes, bytes]]) -> None:
    """All of them and no others, for Python, for C, and for what is started later.

    None is left where the process found them at its start: a title may be written there.
    """
    for known in list(os.environ):
        del os.environ[known]
    for name, value in variables:
        os.environb[name] = value
    import posix

    posix.environ.clear()
    posix.environ.update(variables)


def _speak_of_home() -> None:
    """`site` looked at HOME when the nest began."""
    site: Any = sys.modules.get("site")
    if site is not None and site.USER_BASE is not None:
        site.USER_BASE = site.USER_SITE = None
        site.getusersitepackages()


def _refreshers() -> dict[str, Any]:
    """What a module notes of its process when it is imported, noted anew when a script imports it."""

    def logging(module: Any) -> None:
        module._startTime = time.time_ns() if isinstance(module._startTime, int) else time.time()

    def processes(module: Any) -> None:
        module.ORIGINAL_DIR = os.path.abspath(os.getcwd())
        module.current_process()._config["authkey"] = module.AuthenticationString(os.urandom(32))

    def files(module: Any) -> None:
        module.tempdir = None
        module._name_sequence = None

    def places(module: Any) -> None:
        known = getattr(module, "_CONFIG_VARS", None)
        if known and "userbase" in known:
            known["userbase"] = module._getuserbase()

    return {
        "sysconfig": places,
        "random": lambda module: module.seed(),
        "numpy.random.mtrand": lambda module: module.seed(),
        "logging": logging,
        "multiprocessing.process": processes,
        "tempfile": files,
        "linecache": lambda module: module.clearcache(),
    }
