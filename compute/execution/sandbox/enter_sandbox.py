"""A running process shuts itself in: for an interpreter that is ready already, in a sandbox where there is no step yet.

Standard library only, Python 3.8 and newer, in a process with one thread. It has no right to mount: it makes a user
namespace of its own, and somebody who has that right puts the root together (`make_roots`). Three processes come of the
one that calls `enter`: it stays where it was until all is over; the second is the first one inside, which the kernel
gives whoever loses its parent, and with which all inside ends; the third goes on, and is the step.
"""

from __future__ import annotations

import array
import ctypes
import os
import resource
import signal
import socket
import sys

if __name__ == "__main__":
    sys.path.insert(0, __file__.rpartition("/compute/execution/sandbox/")[0])

from compute.execution.sandbox import kernel

_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _CLEAR_ALL = 24, 38, 47, 4
_CAPABILITY_VERSION = 0x20080522
# CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE: as `bubblewrap` keeps them.
KEPT = frozenset({0, 1, 3, 4, 5, 6, 7, 10})
INSIDE = "i"  # says a trial, where it worked
ASKS = b"m"  # says the first one inside to whoever has a root made for it; the answer brings a mount namespace


def enter(working_folder: str, node: socket.socket, report: int) -> None:
    """Returns in the step's process, inside. How the step ends is written to `report`: see `compute…sandbox.report`.

    Raises OSError, in whichever process it is found out, where the sandbox can't be made: nothing of the step has run.
    """
    open_ones = sorted(map(int, os.listdir("/proc/self/fd")))  # later there is another /proc, or none for a moment
    kernel.call("unshare", kernel.NEWUSER | kernel.NEWIPC | kernel.NEWPID)
    first = os.fork()
    if first:
        _stay_outside(first, open_ones)
    _change_root(node)
    os.chdir(working_folder)
    _give_up_rights()
    step = os.fork()
    if step:
        _be_first(step, report, open_ones)
    os.close(report)
    os.setsid()


def _change_root(node: socket.socket) -> None:
    node.sendall(ASKS)
    found = array.array("i")
    said, ancillary, _, _ = node.recvmsg(1, socket.CMSG_SPACE(found.itemsize))
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(data)
    if said != ASKS or not found:
        os._exit(0)  # it is the node that knows why
    kernel.call("setns", found[0], kernel.NEWNS)
    os.close(found[0])


def _stay_outside(first: int, open_ones: list[int]) -> None:
    """Until everybody inside has ended. What the step left behind is seen to by whoever started it all."""
    _keep_only(-1, open_ones)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    os.waitpid(first, 0)
    os._exit(0)


def _be_first(step: int, report: int, open_ones: list[int]) -> None:
    """As `init` is for a step that bubblewrap starts."""
    _keep_only(report, open_ones)
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
    used = " ".join(str(figure) for figure in resource.getrusage(resource.RUSAGE_CHILDREN))
    os.write(report, f"ended {status} {left:d} {used}\n".encode())
    os.close(report)
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


def _give_up_rights() -> None:
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    for number in range(last + 1):
        if number not in KEPT:
            kernel.call("prctl", _PR_CAPBSET_DROP, number, 0, 0, 0)
    kernel.call("prctl", _PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    kept = sum(1 << number for number in KEPT)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    # Effective, permitted, inheritable: of the lower 32 rights, then of the higher ones.
    data = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)
    kernel.call("capset", header, data)
    kernel.call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _try() -> None:
    """`python enter_sandbox.py FD`: whether it can be done here."""
    _reading, report = os.pipe()
    node = socket.socket(fileno=int(sys.argv[1]))
    try:
        enter("/", node, report)
    except OSError as error:
        sys.exit(str(error))
    node.sendall((INSIDE if os.getppid() == 1 and not os.path.lexists(__file__) else "o").encode())


if __name__ == "__main__":
    _try()
