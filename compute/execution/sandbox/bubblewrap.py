"""A plan as arguments of bubblewrap (`bwrap`, https://github.com/containers/bubblewrap)."""

import os

from compute.execution.sandbox import init
from compute.execution.sandbox.plan import Kind, SandboxPlan
from compute.execution.sandbox.system import own_interpreter

# Where the sandbox's first process has its program.
INIT = "/run/step/init.py"

# What root keeps of its rights: those over files and processes that it sees, as in a container. None that reaches out:
# no mounting, no devices, no raw network, no opening of files by number.
_KEPT_BY_ROOT = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "NET_BIND_SERVICE")
# A place that went away meanwhile is not there inside either.
_OPTIONS = {Kind.READ_ONLY: "--ro-bind-try", Kind.WRITABLE: "--bind-try", Kind.DEVICE: "--dev-bind-try"}


def wrap(plan: SandboxPlan, *, bwrap: str, with_user_namespace: bool, order: int, report: int) -> list[str]:
    """The command that does what is ordered on descriptor `order` inside, and tells of it on `report`: see `init`.

    Process numbers, System V's shared memory and semaphores, /tmp, /dev and /proc are the sandbox's own; the network
    and the host's name are the machine's. Nothing ends with bubblewrap's own process outside (`--die-with-parent`):
    what a script leaves behind gets its time to go, and the node ends the rest by its marker.
    """
    arguments = [bwrap, "--unshare-pid", "--unshare-ipc", "--as-pid-1"]
    if with_user_namespace:
        arguments.append("--unshare-user")
    if os.geteuid() == 0:
        arguments += ["--cap-drop", "ALL"]
        for capability in _KEPT_BY_ROOT:
            arguments += ["--cap-add", f"CAP_{capability}"]
    arguments += ["--proc", "/proc", "--dev", "/dev", "--ro-bind", init.__file__, INIT]
    covered = ["/"]
    for mount in plan.mounts:
        match mount.kind:
            case Kind.HIDDEN:
                arguments += ["--tmpfs", mount.place]
                covered.append(mount.place)
            case Kind.LINK:
                arguments += ["--symlink", mount.source, mount.place]
            case _:
                arguments += [_OPTIONS[mount.kind], mount.source, mount.place]
    for place in covered:
        arguments += ["--remount-ro", place]
    arguments += ["--chdir", plan.working_folder, "--"]
    return [*arguments, str(own_interpreter()), "-I", "-S", INIT, str(order), str(report)]
