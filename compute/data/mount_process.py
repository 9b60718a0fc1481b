"""`python -m compute.data.mount_process`: the other side of `compute.data.helper`.

Each order is served by a process that is forked from this one, which has everything imported and no thread yet.
"""

import contextlib
import json
import os
import select
from collections.abc import Callable, Iterator

from compute.data.answering import Answers, Order

_LOOK_EVERY_S = 0.5


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    import django

    django.setup()
    until, held = os.pipe()  # those that were forked see its end with ours
    numbers: dict[int, int] = {}
    for line in _lines(meanwhile=lambda: _tell_of_broken(numbers, os.WNOHANG)):
        order: Order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.close(held)
            _serve(order, until)
            os._exit(0)
        numbers[pid] = order["number"]
        del order, line
    os.close(held)
    _tell_of_broken(numbers, 0)


def _lines(meanwhile: Callable[[], None]) -> Iterator[bytes]:
    """Of the standard input."""
    begun = b""
    while True:
        meanwhile()
        if select.select([0], [], [], _LOOK_EVERY_S)[0]:
            data = os.read(0, 65536)
            if not data:
                return
            *lines, begun = (begun + data).split(b"\n")
            yield from lines


def _tell_of_broken(numbers: dict[int, int], options: int) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, options)
            if pid == 0:
                return
            if status != 0:
                why = "the process that serves the mounted file system broke, and reading with it."
                Answers(numbers[pid]).give({"is": "failed", "why": why, "trouble": why})


def _serve(order: Order, until: int) -> None:
    answers = Answers(order["number"])
    try:
        from compute.data.file_system import serve
    except (ImportError, OSError, AttributeError) as error:  # mfusepy looks for its library when it is imported
        answers.give({"is": "no fuse", "why": f"{error}".rstrip(".") or "libfuse can't be loaded"})
        return
    serve(order, answers, until)


if __name__ == "__main__":
    main()
