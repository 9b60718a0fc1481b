"""`python -m compute.work.process ANSWER`: does what the order on the standard input says, and writes how it went.

The work runs on a thread, so that SIGTERM is heard whatever it waits for: a server is told to end its query, and there
is a moment to let go.
"""

import contextlib
import os
import resource
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compute.work.order import Order, OrderMessage, Report

PATHS = ("STUDIO_HOME", "NODE_HOME")
LISTS_OF_PATHS = ("LOCAL_DATASTORE_ROOTS", "SHARED_FOLDERS")
LET_GO_S = 5.0
_LOOK_EVERY_S = 0.2
_LONGEST_TRACE = 20_000


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what it holds in memory, nobody finds on a disk
    given = sys.stdin.buffer.read()
    os.close(0)  # nobody finds it there any more
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    import django

    django.setup()
    from compute.work.order import OrderMessage, Stop

    message = OrderMessage.model_validate_json(given)
    del given
    _settle(message)
    stop = Stop()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    reports: list[Report] = []
    work = threading.Thread(target=lambda: reports.append(_report(message, message.order(stop))), daemon=True)
    work.start()
    while work.is_alive() and not ended.is_set():
        work.join(_LOOK_EVERY_S)
    if ended.is_set():
        stop.now()
        work.join(LET_GO_S)
        _leave(128 + signal.SIGTERM)
    report = reports[0]
    answer = Path(sys.argv[1])
    draft = answer.with_suffix(".part")
    draft.write_text(report.model_dump_json())
    draft.replace(answer)
    _leave(1 if report.failure else 0)


def _leave(code: int) -> None:
    """At once: threads that wait for a server that does not answer hold up nobody."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _settle(message: "OrderMessage") -> None:
    from django.conf import settings

    from datastores.tabular import limits

    for name, value in message.django.items():  # JSON knows no paths
        if name in PATHS:
            setattr(settings, name, Path(value))
        else:
            setattr(settings, name, [Path(each) for each in value] if name in LISTS_OF_PATHS else value)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "opens nothing", []
    if message.memory_bytes is not None:
        limits.allow_memory(min(limits.memory_bytes(), message.memory_bytes))


def _report(message: "OrderMessage", order: "Order") -> "Report":
    from compute.data.retrying import as_failure
    from compute.work.order import Report
    from compute.work.registry import load

    try:
        return load(message.function)(order)
    except Exception as error:  # noqa: BLE001 (whatever it was is the work's outcome)
        failure = as_failure(error, "")
        if failure is not None:
            sentence = failure.reason.removeprefix(": ")
            return Report(
                failure=_without_secrets(sentence[:1].upper() + sentence[1:], message), may_retry=failure.may_retry
            )
        said = f"The studio failed to do this step's work: {type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(error))[-_LONGEST_TRACE:]
        return Report(failure=_without_secrets(said, message), trace=_without_secrets(trace, message))


def _without_secrets(text: str, message: "OrderMessage") -> str:
    for secret in message.specs.secrets:
        if secret:
            text = text.replace(secret, "…")
    return text


if __name__ == "__main__":
    main()
