"""A whole run of batches on one node, from the words of the command line to the last line of the log."""

import json
import os
import shutil
import signal
import sys
import tempfile

from . import joining
from .files import file_batches
from .planning import size_of
from .pool import Pool, starter
from .progress import Progress
from .refusal import Refused
from .rows import key_batches, require_packages, row_batches
from .settings import settings_of

_LOGS = "logs"


class Ended(BaseException):
    """Somebody ends the step."""


def run(arguments, program):
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, end)
    scratch = tempfile.mkdtemp(prefix="parallel-")
    try:
        work(settings_of(arguments), program, scratch)
    except Refused as refusal:
        print(" ".join(str(refusal).splitlines()), file=sys.stderr, flush=True)
        return 1
    except OSError as error:
        print("What the step writes can't be written: {}.".format(error.strerror or error), file=sys.stderr, flush=True)
        return 1
    except (Ended, KeyboardInterrupt):
        return 128 + signal.SIGTERM
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


def end(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Ended


def work(settings, program, scratch):
    """Raises Refused, Ended."""
    if settings.split == "rows":
        require_packages()
    batches = planned(settings, scratch)
    processes = min(settings.processes, len(batches))
    print("{} for {}.".format(plural(len(batches), "batch", "batches"), plural(processes, "process", "processes")))
    sys.stdout.flush()
    os.makedirs(_LOGS, exist_ok=True)
    os.makedirs(settings.output, exist_ok=True)
    told = {name: getattr(settings, name) for name in ("script", "arguments", "split", "action", "logging")}
    progress = Progress(len(batches))
    pool = Pool(batches, settings, progress, starter(program, json.dumps(told), _LOGS), scratch)
    try:
        pool.run()
        if settings.action == "append_row":
            parts = ((pool.target(number), pool.columns[number]) for number in sorted(pool.columns))
            joining.join(parts, os.path.join(settings.output, settings.file))
    finally:
        progress.tell_end()
        print(progress.words(), flush=True)


def planned(settings, scratch):
    """All batches. Raises Refused."""
    try:
        if settings.split == "files":
            return list(file_batches(settings.input, size_of(settings.batch)))
        if settings.keys:
            return list(key_batches(settings.input, settings.keys, scratch))
        return list(row_batches(settings.input, size_of(settings.batch), scratch))
    except OSError as error:
        raise Refused("The input can't be split: {}.".format(error.strerror or error))


def plural(count, one, many):
    return "{:,} {}".format(count, one if count == 1 else many)
