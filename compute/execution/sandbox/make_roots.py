"""Puts the roots of sandboxes together, for processes that may not mount anything themselves.

    python -I -S make_roots.py FD

One for each node, by whose rights as root it mounts. A message on FD names a process that has made a user namespace and
a process namespace of its own, and what is to be seen: see `SandboxPlan`. The answer, on the socket that comes with it,
is a mount namespace for that process to enter. All of its mounts are locked: they came from a namespace of greater
rights (mount_namespaces(7)), so whoever has all rights of that user namespace can neither remove one, and see what lies
below it, nor write where it is read only. That is why the interpreters that import what users installed need no rights.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

sys.path.insert(0, __file__.rpartition("/compute/execution/sandbox/")[0])

from compute.execution.sandbox import kernel, wire

# Kinds of `plan.Kind`.
_HIDDEN, _LINK, _READ_ONLY, _WRITABLE, _DEVICE = 1, 2, 3, 4, 5
# Where a root is put together: nothing that is shown lies there, but what is shown of the new one's own.
_STAGE = "/proc"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_ALL_IDS = b"0 0 4294967295"
_NS_GET_USERNS, _NS_GET_PARENT = 0xB701, 0xB702
_PR_SET_DUMPABLE = 4
_PATIENCE_S = 10.0


class RefusedError(Exception):
    """Nothing is made for such a process."""


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o022)  # the node's may be stricter, and a step may go on as somebody else
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    ended = _ends_of_children()
    at_work: dict[int, float] = {}  # when each child began
    while True:
        ready = select.select([control.fileno(), ended], [], [], 1.0 if at_work else None)[0]
        if ended in ready:
            os.read(ended, 4096)
        if control.fileno() in ready:
            try:
                request, fds = wire.receive(control)
            except (wire.GoneError, OSError):
                return
            with socket.socket(fileno=fds[0]) as asker:
                _serve(request, asker, own, at_work)
        _see_to(at_work)


def _serve(request: Any, asker: socket.socket, own: int, at_work: dict[int, float]) -> None:
    try:
        with _namespaces_of(request["pid"]) as (users, processes):
            _map_ids(request["pid"])
            child = _fork_into(processes, own)
            if not child:
                _make(request["mounts"], users, asker)
            at_work[child] = time.monotonic()
    except (OSError, RefusedError) as error:
        _tell(asker, {"error": str(error)})


def _fork_into(processes: int, own: int) -> int:
    """The child's /proc is to show what those see who live in that namespace."""
    kernel.call("setns", processes, kernel.NEWPID)  # for children
    child = -1
    try:
        child = os.fork()
    finally:
        if child:
            kernel.call("setns", own, kernel.NEWPID)
    return child


def _make(mounts: list[Any], users: int, asker: socket.socket) -> NoReturn:
    """In a child."""
    try:
        # Once it is in the others' namespace they could trace it else, and take what it has open of ours.
        kernel.call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)
        kernel.call("unshare", kernel.NEWNS)
        _put_together(mounts)
        kernel.call("setns", users, kernel.NEWUSER)
        kernel.call("unshare", kernel.NEWNS)  # a copy that belongs to the others: it locks all mounts
        _tell(asker, {}, os.open("/proc/self/ns/mnt", os.O_RDONLY))
    except BaseException as error:  # noqa: BLE001 (whatever it is: the asker is told)
        _tell(asker, {"error": str(error)})
    finally:
        os._exit(0)


def _ends_of_children() -> int:
    """A descriptor that can be read when a child has ended: those inside shall not see it for long."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def _see_to(at_work: dict[int, float]) -> None:
    """Those inside may stop a child of ours while it works for them: nobody else waits for it."""
    for pid, began in list(at_work.items()):
        if time.monotonic() - began > _PATIENCE_S:
            os.kill(pid, signal.SIGKILL)
        if os.waitpid(pid, os.WNOHANG)[0]:
            del at_work[pid]


def _tell(asker: socket.socket, what: dict[str, str], *fds: int) -> None:
    try:
        wire.send(asker, what, fds)
    except OSError:
        pass  # it is no more


@contextmanager
def _namespaces_of(pid: int) -> Iterator[tuple[int, int]]:
    """Of users and of processes. Both must be of its own making, below ours."""
    opened: list[int] = []
    try:
        users = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        opened.append(users)
        processes = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        opened.append(processes)
        for asked, of, wanted in ((_NS_GET_PARENT, users, "/proc/self/ns/user"), (_NS_GET_USERNS, processes, users)):
            opened.append(_related(of, asked))
            if not os.path.samestat(os.fstat(opened[-1]), os.stat(wanted)):
                raise RefusedError("it has no namespaces of its own")
        yield users, processes
    finally:
        for fd in opened:
            os.close(fd)


def _related(namespace: int, asked: int) -> int:
    """Its parent, or its owner (ioctl_ns(2))."""
    try:
        return fcntl.ioctl(namespace, asked)
    except PermissionError:  # beyond what we may know of: the machine's own
        raise RefusedError("it has no namespaces of its own") from None


def _map_ids(pid: int) -> None:
    """Everybody is who they are: as in a sandbox without a user namespace."""
    for name in ("uid_map", "gid_map"):
        fd = os.open(f"/proc/{pid}/{name}", os.O_WRONLY)
        try:
            os.write(fd, _ALL_IDS)
        finally:
            os.close(fd)


def _put_together(mounts: list[Any]) -> None:
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_SLAVE)
    kernel.mount("tmpfs", _STAGE, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=0755")
    os.mkdir(f"{_STAGE}/proc")
    kernel.mount("proc", f"{_STAGE}/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    _make_devices(f"{_STAGE}/dev")
    read_only = [_STAGE]
    for place, kind, source in mounts:
        there = _STAGE + place
        if kind == _LINK:
            _make_folder(os.path.dirname(there))
            os.symlink(source, there)
        elif kind == _HIDDEN:
            _make_folder(there)
            kernel.mount("tmpfs", there, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=0755")
            read_only.append(there)
        else:
            _show(source, there, kind)
    for place in read_only:
        kernel.set_attributes(place, kernel.ATTR_RDONLY)
    kernel.make_root_of(_STAGE)


def _make_devices(folder: str) -> None:
    os.mkdir(folder)
    kernel.mount("tmpfs", folder, "tmpfs", kernel.MS_NOSUID, "mode=0755")
    for name in _DEVICES:
        _show(f"/dev/{name}", f"{folder}/{name}", _DEVICE)
    os.mkdir(f"{folder}/pts")
    os.mkdir(f"{folder}/shm")
    options = "newinstance,ptmxmode=0666,mode=620"
    kernel.mount("devpts", f"{folder}/pts", "devpts", kernel.MS_NOSUID | kernel.MS_NOEXEC, options)
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
    kernel.mount(source, there, None, kernel.MS_BIND | kernel.MS_REC)
    attributes = kernel.ATTR_NOSUID
    if kind != _DEVICE:
        attributes |= kernel.ATTR_NODEV
    if kind == _READ_ONLY:
        attributes |= kernel.ATTR_RDONLY
    kernel.set_attributes(there, attributes, kernel.AT_RECURSIVE)


def _make_folder(place: str) -> None:
    if not os.path.isdir(place):
        os.makedirs(place, 0o755)


if __name__ == "__main__":
    main()
