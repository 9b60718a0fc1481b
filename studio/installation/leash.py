"""`leash.py PARENT SIGNAL COMMAND…`: become the command, and get the signal when the parent dies, even of `kill -9`.

A process of its own instead of `preexec_fn`, which may deadlock in a parent that has threads. Linux only; elsewhere
the parent's own ordered stop is all there is.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    parent, death_signal, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != int(parent):  # it died before the wish was heard
        sys.exit(1)
    os.execv(command[0], command)
