"""The first process inside a sandbox: starts the command, takes in what loses its parent, and tells how it all ended.

`python -I -S init.py ORDER REPORT`, two descriptors. The order is a `marshal` of (command, variables), both of bytes.
The report is lines: `failed ERRNO` where the command could not be started, else `started`, and when it has ended
`ended STATUS LEFT`: its status as `wait` gives it, which bubblewrap's own exit code doesn't tell whole, and 1 where it
left processes behind. This process ends with the last of them; killed, it takes all of them with it.

Each step waits until this has started: it needs what the interpreter has in itself (`os` and `signal` alone would take
a third of the time).
"""

import marshal
import posix
import sys

SIGINT, SIGPIPE, SIGXFSZ = 2, 13, 25


def main(order: int, report: int) -> None:
    command, variables = marshal.loads(_all_of(order))  # noqa: S302 (the node wrote it)
    posix.close(order)
    posix.set_inheritable(report, False)
    call_yourself(b"python")
    first = start(command, variables, report)
    if first is None:
        return
    posix.write(report, b"started\n")
    let_go(report)
    ended = 0
    while ended != first:
        ended, status = posix.wait()
    posix.write(report, b"ended %d %d\n" % (status, reap_others()))
    posix.close(report)
    try:
        while True:
            posix.wait()
    except ChildProcessError:
        pass


def start(command: list[bytes], variables: dict[bytes, bytes], report: int) -> int | None:
    """The command's number; None where it could not be started."""
    hearing, telling = posix.pipe()
    pid = posix.fork()
    if pid == 0:
        try:
            posix.setsid()
            behave_as_at_birth()
            become(command, variables)
        except OSError as error:
            posix.write(telling, b"failed %d\n" % (error.errno or 0))
        finally:
            posix._exit(127)
    posix.close(telling)
    failure = posix.read(hearing, 64)  # empty once the command runs: the descriptor closes then
    posix.close(hearing)
    if failure:
        posix.write(report, failure)
        return None
    return pid


def become(command: list[bytes], variables: dict[bytes, bytes]) -> None:
    """As `os.execvpe` does: the error that counts is the one of a file that was there."""
    if b"/" in command[0]:
        posix.execve(command[0], command, variables)
    counts: OSError | None = None
    for folder in variables.get(b"PATH", b"/bin:/usr/bin").split(b":"):
        try:
            posix.execve(folder + b"/" + command[0], command, variables)
        except (FileNotFoundError, NotADirectoryError) as error:
            last = error
        except OSError as error:
            counts = counts or error
    raise counts or last


def behave_as_at_birth() -> None:
    """Undo what Python does with signals when it starts."""
    import _signal  # type: ignore[import-not-found]

    for number in (SIGINT, SIGPIPE, SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)


def call_yourself(name: bytes) -> None:
    """What a step's parent is called, warm or cold."""
    own = posix.open("/proc/self/comm", posix.O_WRONLY)
    posix.write(own, name)
    posix.close(own)


def let_go(kept: int) -> None:
    """The step's streams, and whatever else it was given, are the step's alone."""
    nowhere = posix.open("/dev/null", posix.O_RDWR)
    for descriptor in (0, 1, 2):
        posix.dup2(nowhere, descriptor)
    for name in posix.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != kept:
            try:
                posix.close(int(name))
            except OSError:
                pass  # it was the listing's own


def reap_others() -> bool:
    """Whether somebody is left who lives."""
    try:
        while True:
            if posix.waitpid(-1, posix.WNOHANG)[0] == 0:
                return True
    except ChildProcessError:
        return False


def _all_of(descriptor: int) -> bytes:
    pieces = []
    while piece := posix.read(descriptor, 1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
