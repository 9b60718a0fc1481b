"""A running process shuts itself in: the same plan that bubblewrap is given, for an interpreter that is ready already.

For root with the right to mount. Standard library only, Python 3.8 and newer, in a process with one thread. Three
processes come of the one that calls `enter`: it stays outside and ends as the step ends, so that whoever waits for it
is told the truth; the second is the first one inside, which the kernel gives whoever loses its parent, and with which
all inside ends; the third goes on, and is the step.

Needs Linux 5.12 (`mount_setattr`).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from typing import Any

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWPID = 0x00020000, 0x08000000, 0x20000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_SLAVE = 2, 4, 8, 4096, 16384, 1 << 19
_MNT_DETACH = 2
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MOUNT_SETATTR = 442  # the same on all architectures
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "ppc64le": 203, "s390x": 217, "riscv64": 41}
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _CLEAR_ALL = 24, 38, 47, 4
_CAPABILITY_VERSION = 0x20080522
# CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE: as `bubblewrap` keeps them.
KEPT = frozenset({0, 1, 3, 4, 5, 6, 7, 10})
# Kinds of `plan.Kind`.
_HIDDEN, _LINK, _READ_ONLY, _WRITABLE, _DEVICE = 1, 2, 3, 4, 5
# Where the new root is put together: nothing that is shown lies there, but what is shown of the new one's own.
_STAGE = "/proc"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

_libc = ctypes.CDLL(None, use_errno=True)


class _Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns_fd")]


def enter(mounts: list[Any], working_folder: str) -> None:
    """`mounts`: [place, kind, source] of a plan, in its order. Returns in the step's process, inside.

    Raises OSError, in whichever process it is found out, where the sandbox can't be made: nothing of the step has run.
    """
    hearing, telling = os.pipe()
    open_ones = sorted(map(int, os.listdir("/proc/self/fd")))  # later there is another /proc, or none for a moment
    _call("unshare", _CLONE_NEWNS | _CLONE_NEWIPC | _CLONE_NEWPID)
    first = os.fork()
    if first:
        _stay_outside(first, hearing, open_ones)
    _make_root(mounts)
    os.chdir(working_folder)
    _give_up_rights()
    step = os.fork()
    if step:
        _be_first(step, telling, open_ones)
    os.close(hearing)
    os.close(telling)
    os.setsid()


def _stay_outside(first: int, hearing: int, open_ones: list[int]) -> None:
    """Ends when the step has, and as it has. What it left behind is seen to by whoever started it all."""
    _keep_only(hearing, open_ones)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    said = os.read(hearing, 64).split()
    if not said:
        _, status = os.waitpid(first, 0)
        _end_as(status)
    if said[1] == b"0":
        os.waitpid(first, 0)
    _end_as(int(said[0]))


def _end_as(status: int) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def _be_first(step: int, telling: int, open_ones: list[int]) -> None:
    """As `init` is for a step that bubblewrap starts."""
    _keep_only(telling, open_ones)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    ended = 0
    while ended != step:
        ended, status = os.wait()
    left = False
    try:
        while not left:
            left = os.waitpid(-1, os.WNOHANG)[0] == 0
    except ChildProcessError:
        pass
    os.write(telling, b"%d %d" % (status, left))
    os.close(telling)
    try:
        while True:
            os.wait()
    except ChildProcessError:
        os._exit(0)


def _keep_only(kept: int, open_ones: list[int]) -> None:
    """The step's streams and files are the step's alone."""
    for number in open_ones:
        if number != kept:
            try:
                os.close(number)
            except OSError:
                pass  # it was the listing's own


def _make_root(mounts: list[Any]) -> None:
    _mount(None, "/", None, _MS_REC | _MS_SLAVE)
    _mount("tmpfs", _STAGE, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755")
    os.mkdir(f"{_STAGE}/proc")
    _mount("proc", f"{_STAGE}/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _make_devices(f"{_STAGE}/dev")
    read_only = [_STAGE]
    for place, kind, source in mounts:
        there = _STAGE + place
        if kind == _LINK:
            _make_folder(os.path.dirname(there))
            os.symlink(source, there)
        elif kind == _HIDDEN:
            _make_folder(there)
            _mount("tmpfs", there, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755")
            read_only.append(there)
        else:
            _show(source, there, kind)
    for place in read_only:
        _set(place, _ATTR_RDONLY)
    os.chdir(_STAGE)
    if _libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", b".") != 0:
        raise _error("pivot_root")
    _call("umount2", b".", _MNT_DETACH)
    os.chdir("/")


def _make_devices(folder: str) -> None:
    os.mkdir(folder)
    _mount("tmpfs", folder, "tmpfs", _MS_NOSUID, "mode=0755")
    for name in _DEVICES:
        _show(f"/dev/{name}", f"{folder}/{name}", _DEVICE)
    os.mkdir(f"{folder}/pts")
    os.mkdir(f"{folder}/shm")
    options = "newinstance,ptmxmode=0666,mode=620"
    _mount("devpts", f"{folder}/pts", "devpts", _MS_NOSUID | _MS_NOEXEC, options)
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "core": "/proc/kcore"}
    links.update({name: f"/proc/self/fd/{number}" for number, name in enumerate(("stdin", "stdout", "stderr"))})
    for name, says in links.items():
        os.symlink(says, f"{folder}/{name}")


def _show(source: str, there: str, kind: int) -> None:
    if source.startswith("/proc/"):
        source = _STAGE + source  # of the new one
    if not os.path.lexists(source):
        return  # it went away meanwhile
    if os.path.isdir(source):
        _make_folder(there)
    elif not os.path.lexists(there):
        _make_folder(os.path.dirname(there))
        os.close(os.open(there, os.O_CREAT | os.O_WRONLY, 0o444))
    _mount(source, there, None, _MS_BIND | _MS_REC)
    attributes = _ATTR_NOSUID
    if kind != _DEVICE:
        attributes |= _ATTR_NODEV
    if kind == _READ_ONLY:
        attributes |= _ATTR_RDONLY
    _set(there, attributes, _AT_RECURSIVE)


def _make_folder(place: str) -> None:
    if not os.path.isdir(place):
        os.makedirs(place, 0o755)


def _give_up_rights() -> None:
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    for number in range(last + 1):
        if number not in KEPT:
            _call("prctl", _PR_CAPBSET_DROP, number, 0, 0, 0)
    _call("prctl", _PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    kept = sum(1 << number for number in KEPT)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    # Effective, permitted, inheritable: of the lower 32 rights, then of the higher ones.
    data = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)
    _call("capset", header, data)
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _set(place: str, attributes: int, flags: int = 0) -> None:
    wanted = _Attributes(attributes, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    if _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(place), flags, ctypes.byref(wanted), size) != 0:
        raise _error(f"mount_setattr {place}")


def _mount(source: str | None, place: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, place, kind, options)]
    if _libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3]) != 0:
        raise _error(f"mount {place}")


def _call(name: str, *arguments: Any) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        raise _error(name)


def _error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


def _try() -> None:
    """`python enter_sandbox.py FOLDER`: whether it can be done here. Prints what a step would find."""
    folder = os.getcwd()
    enter([["/usr", _READ_ONLY, "/usr"], [folder, _WRITABLE, folder]], folder)
    print(os.getpid(), sorted(os.listdir("/")))


if __name__ == "__main__":
    _try()
